/* SPDX-License-Identifier: MIT */
#include "fuzzers/sweep/fault_matrix.h"

#include <inttypes.h>

enum { COLUMN = 14 };

const char *matrix_mode_name(enum matrix_mode mode)
{
    static const char *const names[] = {
#define X(id, name) [id] = (name),
        FAULT_MODE_TABLE(X)
#undef X
            [MATRIX_SECOND] = "second",
    };
    return mode < MATRIX_MODES ? names[mode] : "?";
}

static const char *row_name(unsigned op)
{
    return op < OPS ? op_name((enum op)op) : "boot, teardown";
}

/* One line of a table, if the operation reached any site. */
static void print_row(FILE *out, const struct fault_matrix *matrix, enum matrix_mode mode,
                      unsigned op)
{
    char line[FAULT_SITES * 64] = "";
    size_t length = 0;
    bool any = false;
    for (unsigned site = 0; site < FAULT_SITES; site++) {
        const struct fault_cell *cell = &matrix->cells[op][site][mode];
        char text[64] = "";
        if (cell->reached > 0) {
            any = true;
            snprintf(text, sizeof(text), "%" PRIu64 "/%" PRIu64, cell->failed, cell->reached);
        }
        if (cell->recovered < cell->failed) {
            snprintf(text, sizeof(text), "%" PRIu64 "/%" PRIu64 "/%" PRIu64, cell->recovered,
                     cell->failed, cell->reached);
        }
        length += (size_t)snprintf(line + length, sizeof(line) - length, " %*s", COLUMN, text);
    }
    if (any) {
        fprintf(out, "%-18s%s\n", row_name(op), line);
    }
}

void fault_matrix_print(FILE *out, const struct fault_matrix *matrix, enum matrix_mode mode)
{
    fprintf(out, "\n%-18s", matrix_mode_name(mode));
    for (unsigned site = 0; site < FAULT_SITES; site++) {
        fprintf(out, " %*s", COLUMN, fault_site_name((enum fault_site)site));
    }
    fputc('\n', out);
    for (unsigned op = 0; op <= OPS; op++) {
        print_row(out, matrix, mode, op);
    }
}

/* Whether no attempt had @op fail at @site in @mode. */
static bool is_empty(const struct fault_matrix *matrix, unsigned op, unsigned site, unsigned mode)
{
    return matrix->cells[op][site][mode].failed == 0;
}

uint32_t fault_matrix_check(FILE *out, const struct fault_matrix *matrix,
                            const struct subject *subject)
{
    uint32_t wrong = 0;
    for (unsigned op = 0; op < OPS; op++) {
        for (unsigned site = 0; site < FAULT_SITES; site++) {
            const char *why = fault_cell_impossible(subject, (enum op)op, (enum fault_site)site);
            const char *name = fault_site_name((enum fault_site)site);
            for (unsigned mode = 0; mode < FAULT_MODES; mode++) {
                const char *how = matrix_mode_name((enum matrix_mode)mode);
                bool empty = is_empty(matrix, op, site, mode);
                if (why == NULL && empty) {
                    fprintf(out, "potad: no case has %s fail at %s, %s\n", row_name(op), name, how);
                    wrong++;
                } else if (why != NULL && !empty) {
                    fprintf(out, "potad: %s fails at %s, %s, and cannot, it is said: %s\n",
                            row_name(op), name, how, why);
                    wrong++;
                }
            }
        }
    }
    return wrong;
}

static json_t *cell_json(const struct fault_cell *cell, unsigned op, unsigned site, unsigned mode)
{
    return json_pack("{s:s,s:s,s:s,s:I,s:I,s:I}", "operation", row_name(op), "site",
                     fault_site_name((enum fault_site)site), "mode",
                     matrix_mode_name((enum matrix_mode)mode), "reached", (json_int_t)cell->reached,
                     "failed", (json_int_t)cell->failed, "recovered", (json_int_t)cell->recovered);
}

/* What there is to say of @op at @site, in each mode. */
static void add_cells(json_t *cells, const struct fault_matrix *matrix,
                      const struct subject *subject, unsigned op, unsigned site)
{
    const char *why = "";
    if (subject != NULL && op < OPS && fault_cells_known(subject)) {
        why = fault_cell_impossible(subject, (enum op)op, (enum fault_site)site);
    }
    for (unsigned mode = 0; mode < MATRIX_MODES; mode++) {
        const struct fault_cell *cell = &matrix->cells[op][site][mode];
        if (cell->reached > 0 || why == NULL) {
            json_array_append_new(cells, cell_json(cell, op, site, mode));
        } else if (*why != '\0' && mode == MATRIX_ONCE) {
            json_array_append_new(cells, json_pack("{s:s,s:s,s:s}", "operation", row_name(op),
                                                   "site", fault_site_name((enum fault_site)site),
                                                   "impossible", why));
        }
    }
}

json_t *fault_matrix_json(const struct fault_matrix *matrix, const struct subject *subject)
{
    json_t *cells = json_array();
    for (unsigned op = 0; op <= OPS; op++) {
        for (unsigned site = 0; site < FAULT_SITES; site++) {
            add_cells(cells, matrix, subject, op, site);
        }
    }
    return cells;
}

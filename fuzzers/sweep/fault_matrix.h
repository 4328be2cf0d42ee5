/* SPDX-License-Identifier: MIT
 *
 * fault_matrix.h: at which fault sites which operations were made to fail, and what became of it.
 */
#ifndef POTAD_FUZZERS_SWEEP_FAULT_MATRIX_H
#define POTAD_FUZZERS_SWEEP_FAULT_MATRIX_H

#include "fuzzers/fault.h"
#include "fuzzers/subject.h"

#include <jansson.h>

/* How faults strike: as cases say it (enum fault_mode), or as the second of two. */
enum matrix_mode {
    MATRIX_ONCE = FAULT_ONCE,
    MATRIX_ALWAYS = FAULT_PERSISTENT,
    MATRIX_SECOND,
    MATRIX_MODES
};

/* What is counted, of attempts to have an operation fail at a site. */
struct fault_cell {
    uint64_t reached;   /* the operation came to the site */
    uint64_t failed;    /* and a step there failed */
    uint64_t recovered; /* and nothing was found then */
};

struct fault_matrix {
    struct fault_cell cells[OPS + 1][FAULT_SITES][MATRIX_MODES]; /* OPS: boot and teardown */
};

const char *matrix_mode_name(enum matrix_mode mode);

/* Why @op cannot come to @site with @subject, by design; NULL: it can. */
const char *fault_cell_impossible(const struct subject *subject, enum op op, enum fault_site site);

/* Whether it is known what @subject can come to: it is the core as it boots by default. */
bool fault_cells_known(const struct subject *subject);

/* Prints one mode as a table, a line for each operation that came to any site. */
void fault_matrix_print(FILE *out, const struct fault_matrix *matrix, enum matrix_mode mode);

/* Prints why cells are empty that are so by design, and how many, a line for each reason. */
void fault_matrix_print_reasons(FILE *out, const struct subject *subject);

/* Names on @out the cells that can be reached but never failed, once or always, and those that
 * were reached and cannot be. Return: how many. */
uint32_t fault_matrix_check(FILE *out, const struct fault_matrix *matrix,
                            const struct subject *subject);

/* All cells that were reached, or can be, and of the others why they cannot: a new reference.
 * @subject: NULL, where no more is said than what was reached. */
json_t *fault_matrix_json(const struct fault_matrix *matrix, const struct subject *subject);

#endif

/* SPDX-License-Identifier: MIT */
#include "fuzzers/show/strip.h"

#include "fuzzers/utf8.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    WIDTH = 1000,
    COLUMNS_MAX = 120,
    ROWS_MAX = 90,
    LISTED_OPS = 40,
    LIST_COLUMNS = 2,
    LEGEND_COLUMNS = 5,
    TEXT_MAX = 256
};

/* Lengths, in pixels of a picture that is WIDTH wide. */
static const double plot_left = 96;
static const double plot_top = 66; /* below title and finding */
static const double plot_width_max = WIDTH - 106;
static const double plot_height_max = 420;
static const double column_width_max = 80;
static const double row_scale_max = 8;
static const double text_line = 15;
static const double legend_line = 20;
static const double legend_column = 190;

/* The largest span in a cell of the picture: that is what is shown of it. */
struct strip {
    FILE *out;
    const struct timeline *timeline;
    const struct program *program;
    uint32_t columns;
    uint32_t steps[COLUMNS_MAX]; /* the step that each column shows */
    double column_width;
    uint32_t rows;
    pfn_t edges[ROWS_MAX + 1];
    double y[ROWS_MAX + 1];
    struct shown_span cells[ROWS_MAX][COLUMNS_MAX];
    bool drawn[ROWS_MAX][COLUMNS_MAX];
    bool used[LOOKS];
};

/* XML is UTF-8, which a file name need not be. */
static void print_escaped(FILE *out, const char *text)
{
    char *valid = utf8_valid(text);
    if (valid == NULL) {
        abort();
    }
    for (const char *at = valid; *at != '\0'; at++) {
        if (*at == '<' || *at == '&' || *at == '>') {
            fprintf(out, "&#%d;", *at);
        } else if ((unsigned char)*at >= ' ') {
            fputc(*at, out);
        }
    }
    free(valid);
}

/* Chooses the steps that get a column: all, or as many as there is room for, the last one among
 * them. */
static void choose_steps(struct strip *strip)
{
    uint32_t count = strip->timeline->steps_count;
    strip->columns = count < COLUMNS_MAX ? count : COLUMNS_MAX;
    for (uint32_t i = 0; i < strip->columns; i++) {
        strip->steps[i] = strip->columns == count
                              ? i
                              : (uint32_t)((uint64_t)i * (count - 1) / (strip->columns - 1));
    }
    strip->column_width = plot_width_max / strip->columns;
    if (strip->column_width > column_width_max) {
        strip->column_width = column_width_max;
    }
}

static int compare_frames(const void *a, const void *b)
{
    pfn_t left = *(const pfn_t *)a;
    pfn_t right = *(const pfn_t *)b;
    return left < right ? -1 : left > right;
}

/* Rows lie between frames at which a span begins at any time; where there are too many, between
 * every so many of them. */
static void choose_rows(struct strip *strip)
{
    const struct timeline *timeline = strip->timeline;
    const struct range *last = &timeline->map.ranges[timeline->map.ranges_count - 1];
    pfn_t *edges = malloc((timeline->spans_count + 1) * sizeof(*edges));
    uint32_t count = 0;
    if (edges == NULL) {
        abort();
    }
    for (uint32_t i = 0; i < timeline->spans_count; i++) {
        edges[i] = timeline->spans[i].pfn;
    }
    edges[timeline->spans_count] = last->start + last->frames;
    qsort(edges, timeline->spans_count + 1, sizeof(*edges), compare_frames);
    for (uint32_t i = 0; i <= timeline->spans_count; i++) {
        if (count == 0 || edges[i] != edges[count - 1]) {
            edges[count++] = edges[i];
        }
    }
    strip->rows = count < 2 ? 1 : count - 1 < ROWS_MAX ? count - 1 : ROWS_MAX;
    for (uint32_t i = 0; i <= strip->rows; i++) {
        strip->edges[i] = edges[(uint64_t)i * (count - 1) / strip->rows];
    }
    free(edges);
}

/* The height of a row grows with the logarithm of its frames: all are seen. */
static void place_rows(struct strip *strip)
{
    double sum = 0;
    for (uint32_t i = 0; i < strip->rows; i++) {
        uint64_t frames = strip->edges[i + 1] - strip->edges[i];
        strip->y[i] = sum;
        sum += 3 + (64 - __builtin_clzll(frames));
    }
    strip->y[strip->rows] = sum;
    double scale = plot_height_max / sum;
    scale = scale > row_scale_max ? row_scale_max : scale;
    for (uint32_t i = 0; i <= strip->rows; i++) {
        strip->y[i] *= scale;
    }
}

/* Of each row, the span that has most of it. */
static void fill_column(struct strip *strip, const struct span_list *list, uint32_t column)
{
    uint32_t at = 0;
    for (uint32_t row = 0; row < strip->rows; row++) {
        pfn_t first = strip->edges[row];
        pfn_t end = strip->edges[row + 1];
        uint64_t most = 0;
        while (at < list->count && list->spans[at].pfn + list->spans[at].frames <= first) {
            at++;
        }
        for (uint32_t i = at; i < list->count && list->spans[i].pfn < end; i++) {
            const struct shown_span *span = &list->spans[i];
            pfn_t from = span->pfn > first ? span->pfn : first;
            pfn_t to = span->pfn + span->frames < end ? span->pfn + span->frames : end;
            if (to - from > most) {
                most = to - from;
                strip->cells[row][column] = *span;
            }
        }
        strip->used[strip->cells[row][column].look] = true;
    }
}

static void fill_cells(struct strip *strip)
{
    struct span_list list = {0};
    uint32_t column = 0;
    for (uint32_t i = 0; i < strip->timeline->steps_count; i++) {
        const struct shown_step *step = &strip->timeline->steps[i];
        span_list_apply(&list, strip->timeline->spans + step->spans_first, step->spans_count);
        if (column < strip->columns && strip->steps[column] == i) {
            fill_column(strip, &list, column++);
        }
    }
    span_list_free(&list);
}

static bool cell_is(const struct strip *strip, uint32_t row, uint32_t column,
                    const struct shown_span *span)
{
    return !strip->drawn[row][column] && span_equal(&strip->cells[row][column], span);
}

/* Draws the largest box of one span from @row and @column on that is not drawn yet. */
static void draw_box(struct strip *strip, uint32_t row, uint32_t column)
{
    const struct shown_span span = strip->cells[row][column];
    uint32_t right = column;
    uint32_t bottom = row;
    bool whole = true;
    while (right < strip->columns && cell_is(strip, row, right, &span)) {
        right++;
    }
    while (whole && bottom < strip->rows) {
        for (uint32_t i = column; i < right && whole; i++) {
            whole = cell_is(strip, bottom, i, &span);
        }
        bottom += whole ? 1 : 0;
    }
    for (uint32_t i = row; i < bottom; i++) {
        for (uint32_t j = column; j < right; j++) {
            strip->drawn[i][j] = true;
        }
    }
    double x = plot_left + column * strip->column_width;
    double width = (right - column) * strip->column_width;
    double height = strip->y[bottom] - strip->y[row];
    fprintf(strip->out,
            "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n",
            look_styles[span.look].key, x, plot_top + strip->y[row], width, height);
    if (width >= 18 && height >= 10 && span.look != LOOK_HOLE) {
        fprintf(strip->out, "<text class=\"l\" x=\"%.1f\" y=\"%.1f\">%s", x + width / 2,
                plot_top + strip->y[row] + height / 2, look_styles[span.look].letter);
        if (span.order != SHOWN_NO_ORDER) {
            fprintf(strip->out, "%u", span.order);
        }
        fputs("</text>\n", strip->out);
    }
}

static void draw_addresses(const struct strip *strip)
{
    double last = -100;
    for (uint32_t i = 0; i <= strip->rows; i++) {
        if (strip->y[i] - last >= 11) {
            fprintf(strip->out, "<text class=\"a\" x=\"%.0f\" y=\"%.1f\">0x%" PRIx64 "</text>\n",
                    plot_left - 6, plot_top + strip->y[i] + 4, strip->edges[i]);
            last = strip->y[i];
        }
    }
}

/* Below each column, the number of its operation, where there is room. */
static void draw_numbers(const struct strip *strip)
{
    double bottom = plot_top + strip->y[strip->rows] + 14;
    uint32_t every = (uint32_t)(30 / strip->column_width) + 1;
    for (uint32_t i = 0; i < strip->columns; i += every) {
        uint32_t done = strip->timeline->steps[strip->steps[i]].done;
        double x = plot_left + (i + 0.5) * strip->column_width;
        if (done == 0 || done > strip->timeline->ops) {
            fprintf(strip->out, "<text class=\"n\" x=\"%.1f\" y=\"%.1f\">%s</text>\n", x, bottom,
                    done == 0 ? "boot" : "end");
        } else {
            fprintf(strip->out, "<text class=\"n\" x=\"%.1f\" y=\"%.1f\">%u</text>\n", x, bottom,
                    done - 1);
        }
    }
}

static void draw_finding(const struct strip *strip)
{
    const struct shown_finding *finding = &strip->timeline->finding;
    double x = plot_left + (strip->columns - 1) * strip->column_width;
    if (finding->name[0] == '\0') {
        fprintf(strip->out,
                "<text class=\"good\" x=\"10\" y=\"42\">nothing was found wrong</text>\n");
        return;
    }
    fprintf(strip->out, "<text class=\"bad\" x=\"10\" y=\"40\">&#10005; op %u: ", finding->op);
    print_escaped(strip->out, finding->name);
    fputs(": ", strip->out);
    print_escaped(strip->out, finding->sentence);
    fputs("</text>\n<text class=\"bad m\" x=\"10\" y=\"57\">", strip->out);
    print_escaped(strip->out, finding->detail);
    fprintf(
        strip->out,
        "</text>\n<rect class=\"mark\" x=\"%.1f\" y=\"%.0f\" width=\"%.1f\" height=\"%.1f\"/>\n", x,
        plot_top - 2, strip->column_width, strip->y[strip->rows] + 4);
}

/* Lines that @count things take in @columns. */
static unsigned lines_of(unsigned count, unsigned columns)
{
    return (count + columns - 1) / columns;
}

static double draw_legend(const struct strip *strip, double top)
{
    unsigned shown = 0;
    for (unsigned i = 0; i < LOOKS; i++) {
        const struct look_style *style = &look_styles[i];
        double x = 10 + shown % LEGEND_COLUMNS * legend_column;
        unsigned line = shown / LEGEND_COLUMNS;
        double y = top + line * legend_line;
        if (!strip->used[i]) {
            continue;
        }
        fprintf(strip->out,
                "<rect class=\"%s\" x=\"%.0f\" y=\"%.0f\" width=\"22\" height=\"14\"/>"
                "<text class=\"l\" x=\"%.0f\" y=\"%.0f\">%s</text>"
                "<text x=\"%.0f\" y=\"%.0f\">%s</text>\n",
                style->key, x, y, x + 11, y + 7, style->letter, x + 28, y + 11, style->label);
        shown++;
    }
    return top + lines_of(shown, LEGEND_COLUMNS) * legend_line;
}

/* The operations in words, where they are few; else the last ones. */
static uint32_t listed_first(const struct strip *strip)
{
    uint32_t done = strip->timeline->steps[strip->timeline->steps_count - 1].done;
    uint32_t end = done < strip->program->ops_count ? done : strip->program->ops_count;
    return end > LISTED_OPS ? end - LISTED_OPS : 0;
}

static uint32_t listed_end(const struct strip *strip)
{
    uint32_t end = listed_first(strip) + LISTED_OPS;
    return end < strip->program->ops_count ? end : strip->program->ops_count;
}

static void draw_ops(const struct strip *strip, double top)
{
    const struct shown_finding *finding = &strip->timeline->finding;
    uint32_t first = listed_first(strip);
    uint32_t end = listed_end(strip);
    uint32_t each = lines_of(end - first, LIST_COLUMNS);
    for (uint32_t i = first; i < end; i++) {
        char text[TEXT_MAX] = "";
        FILE *line = fmemopen(text, sizeof(text), "w");
        if (line != NULL) {
            case_print_op(line, &strip->program->ops[i]);
            fclose(line);
        }
        bool bad = finding->name[0] != '\0' && finding->op == i;
        fprintf(strip->out, "<text class=\"%s\" x=\"%u\" y=\"%.0f\">%s%u: ", bad ? "m bad" : "m",
                10 + (i - first) / each * (WIDTH / LIST_COLUMNS),
                top + (i - first) % each * text_line, bad ? "&#10005; " : "", i);
        print_escaped(strip->out, text);
        fputs("</text>\n", strip->out);
    }
}

static void print_theme(FILE *out, bool dark)
{
    fprintf(out, "svg{--ink:%s;--soft:%s;--paper:%s;--edge:%s;--bad:%s;--good:%s}\n",
            dark ? "#e9ebef" : "#16191f", dark ? "#a4abb8" : "#555b66", dark ? "#14171b" : "#fff",
            dark ? "#8a92a0" : "#6d7480", dark ? "#ff8f8f" : "#b3161f",
            dark ? "#7fd396" : "#1b6b35");
    for (unsigned i = 0; i < LOOKS; i++) {
        fprintf(out, ".b-%s{fill:%s}", look_styles[i].key,
                dark ? look_styles[i].dark : look_styles[i].light);
    }
    fputc('\n', out);
}

static void print_patterns(FILE *out)
{
    static const struct {
        const char *hatch;
        const char *path;
    } paths[] = {{"none", ""},
                 {"slash", "M-1 1L1-1M0 6L6 0M5 7L7 5"},
                 {"back", "M-1 5L1 7M0 0L6 6M5-1L7 1"},
                 {"cross", "M0 6L6 0M0 0L6 6"},
                 {"dots", "M1 2h2M4 5h2"},
                 {"hole", "M-1 1L1-1M0 6L6 0M5 7L7 5"}};
    fputs("<defs>\n", out);
    for (unsigned i = 0; i < LOOKS; i++) {
        unsigned path = 0;
        while (strcmp(paths[path].hatch, look_styles[i].hatch) != 0) {
            path++;
        }
        fprintf(out,
                "<pattern id=\"%s\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\">"
                "<rect class=\"b-%s\" width=\"6\" height=\"6\"/><path d=\"%s\"/></pattern>\n",
                look_styles[i].key, look_styles[i].key, paths[path].path);
    }
    fputs("</defs>\n", out);
}

static void print_style(FILE *out)
{
    fputs("<style>\n", out);
    print_theme(out, false);
    fputs("@media (prefers-color-scheme:dark){\n", out);
    print_theme(out, true);
    fputs("}\ntext{font:12px system-ui,sans-serif;fill:var(--ink)}\n"
          ".m,.a{font-family:ui-monospace,Menlo,Consolas,\"DejaVu Sans Mono\",monospace}\n"
          ".m{font-size:11.5px}\n"
          ".a{text-anchor:end;font-size:11px;fill:var(--soft)}\n"
          ".n{text-anchor:middle;font-size:10.5px;fill:var(--soft)}\n"
          ".l{text-anchor:middle;dominant-baseline:central;font-size:10.5px}\n"
          ".bad{fill:var(--bad);font-weight:600}.good{fill:var(--good)}\n"
          ".mark{fill:none;stroke:var(--bad);stroke-width:3}\n"
          ".paper{fill:var(--paper)}\n"
          "pattern path{fill:none;stroke:var(--edge);stroke-width:.8}\n",
          out);
    for (unsigned i = 0; i < LOOKS; i++) {
        fprintf(out, ".%s{fill:url(#%s);stroke:var(--edge);stroke-width:.6}", look_styles[i].key,
                look_styles[i].key);
    }
    fputs("\n</style>\n", out);
    print_patterns(out);
}

void strip_print(FILE *out, const struct timeline *timeline, const struct program *program,
                 const char *file)
{
    struct strip *strip = calloc(1, sizeof(*strip));
    if (strip == NULL) {
        abort();
    }
    strip->out = out;
    strip->timeline = timeline;
    strip->program = program;
    choose_steps(strip);
    choose_rows(strip);
    place_rows(strip);
    fill_cells(strip);
    double bottom = plot_top + strip->y[strip->rows];
    unsigned looks = 0;
    for (unsigned i = 0; i < LOOKS; i++) {
        looks += strip->used[i] ? 1 : 0;
    }
    uint32_t ops = listed_end(strip) - listed_first(strip);
    double height = bottom + 26 + lines_of(looks, LEGEND_COLUMNS) * legend_line + 20 +
                    lines_of(ops, LIST_COLUMNS) * text_line;
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %.0f\" role=\"img\" "
            "aria-label=\"Memory over the operations of a case\">\n",
            WIDTH, height);
    print_style(out);
    fprintf(out, "<rect class=\"paper\" width=\"%d\" height=\"%.0f\"/>\n", WIDTH, height);
    fputs("<text x=\"10\" y=\"20\" style=\"font-size:15px;font-weight:600\">", out);
    print_escaped(out, file);
    fputs("</text>\n", out);
    for (uint32_t row = 0; row < strip->rows; row++) {
        for (uint32_t column = 0; column < strip->columns; column++) {
            if (!strip->drawn[row][column]) {
                draw_box(strip, row, column);
            }
        }
    }
    draw_addresses(strip);
    draw_numbers(strip);
    draw_finding(strip);
    draw_ops(strip, draw_legend(strip, bottom + 26) + 16);
    fputs("</svg>\n", out);
    free(strip);
}

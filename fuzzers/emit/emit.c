/* SPDX-License-Identifier: MIT
 *
 * emit.c: from the recorder's log to C.
 */
#include "fuzzers/emit/emit.h"

#include "fuzzers/emit/emit_pieces.h"
#include "fuzzers/emit/emit_text.h"
#include "fuzzers/time_limit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    FRAMES_MAX = 1 << 18, /* a test keeps a few bytes of each, and looks at all of them often */
    ENDED_MAX = 300
};

/* One line of the log, without its end. */
struct log_line {
    char *text;
    size_t room;
    char tag;
    uint32_t op;
    const char *rest; /* behind the tag, and the operation where there is one */
};

/* What the log says of the whole case. */
struct summary {
    uint32_t pieces;
    bool opened;
    bool endless;
    char violated[ENDED_MAX];
};

struct piece {
    const char *text;
    const char *before;
    const char *behind;
};

static const struct piece pieces[] = {
#define X(id, name, before_boot, behind_boot) {emit_piece_##name, before_boot, behind_boot},
    EMIT_PIECE_TABLE(X)
#undef X
};

static uint64_t frames_of(const struct boot_map *map)
{
    const struct range *last = &map->ranges[map->ranges_count - 1];
    return last->start + last->frames - map->ranges[0].start;
}

const char *emit_refuses(const struct record_options *options, const struct program *program)
{
    static char reason[CASE_ERROR_MAX];
    if (emit_map_kind(options->subject->name) == NULL) {
        return "the subject is not the core: a test calls the core only";
    }
    if (program_threads(program) > 0) {
        return "it has threads: one thread would fail in another way; potad-stress emit-c has "
               "tests "
               "of what potad-stress explore finds";
    }
    if (frames_of(&program->map) > FRAMES_MAX) {
        snprintf(reason, sizeof(reason),
                 "its map spans %" PRIu64 " frames; the flat array of a test has at most %d",
                 frames_of(&program->map), FRAMES_MAX);
        return reason;
    }
    return NULL;
}

/* Return: whether there was one more line. */
static bool next_line(FILE *log, struct log_line *line)
{
    ssize_t length = getline(&line->text, &line->room, log);
    if (length <= 0) {
        return false;
    }
    line->text[strcspn(line->text, "\n")] = '\0';
    line->tag = line->text[0];
    line->rest = line->text[1] == '\t' ? line->text + 2 : "";
    if (line->tag == 'C' || line->tag == 'N') {
        char *end;
        line->op = (uint32_t)strtoul(line->rest, &end, 10);
        line->rest = *end == '\t' ? end + 1 : end;
    }
    return true;
}

/* Goes to where the run begins that counts. */
static void seek_run(FILE *log)
{
    struct log_line line = {0};
    long start = 0;
    rewind(log);
    while (next_line(log, &line)) {
        start = line.tag == 'R' ? ftell(log) : start;
    }
    free(line.text);
    if (fseek(log, start, SEEK_SET) != 0) {
        abort();
    }
}

static struct summary summarise(FILE *log)
{
    struct summary summary = {.pieces = 1U << PIECE_MEMORY | 1U << PIECE_BLOCKS};
    struct log_line line = {0};
    seek_run(log);
    while (next_line(log, &line)) {
        if (line.tag == 'P') {
            summary.pieces |= 1U << strtoul(line.rest, NULL, 10);
        } else if (line.tag == 'V') {
            summary.opened = true;
            int name = (int)strcspn(line.rest, "\t");
            snprintf(summary.violated, sizeof(summary.violated), "%.*s: %s", name, line.rest,
                     line.rest + name + 1);
        } else if (line.tag == 'E' || line.tag == 'C' || line.tag == 'N') {
            summary.opened = true;
        }
    }
    free(line.text);
    const uint32_t owned = 1U << PIECE_FAILURES | 1U << PIECE_MOVES | 1U << PIECE_REFS;
    summary.pieces |= (summary.pieces & owned) != 0 ? 1U << PIECE_OWNERS : 0;
    return summary;
}

/* What a case that ended the process has said of it. */
static void find_last_words(FILE *words, struct summary *summary)
{
    static const char mark[] = "potad: violated: ";
    struct log_line line = {0};
    snprintf(summary->violated, sizeof(summary->violated), "%s",
             summary->endless ? "timeout: it comes to no end" : "the case ends the process");
    rewind(words);
    while (next_line(words, &line)) {
        if (strncmp(line.text, mark, strlen(mark)) == 0) {
            snprintf(summary->violated, sizeof(summary->violated), "%s", line.text + strlen(mark));
            break;
        }
    }
    free(line.text);
    summary->opened = true;
}

static const char *status_text(const char *status)
{
    static const char *const texts[] = {
        "STATUS_OK",   "STATUS_NO_MEMORY", "STATUS_ACCEPT_FAILED", "STATUS_INVALID",
        "STATUS_BUSY", "STATUS_EXISTS",    "STATUS_NOT_FOUND",
    };
    unsigned long index = strtoul(status, NULL, 10);
    return index < sizeof(texts) / sizeof(texts[0]) ? texts[index] : "ANY_STATUS";
}

/* What a call answered, as what it is to answer. A core that has shown a bug may have refused, for
 * want of memory or patience, what one without it grants: that is given back then. */
static const char *answer_text(const struct summary *summary, const char *call, const char *status)
{
    const char *text = status_text(status);
    bool gives_up =
        strncmp(call, "compact(", strlen("compact(")) == 0 && strcmp(text, "STATUS_BUSY") == 0;
    bool starved =
        strcmp(text, "STATUS_NO_MEMORY") == 0 || strcmp(text, "STATUS_ACCEPT_FAILED") == 0;
    return summary->violated[0] != '\0' && (starved || gives_up) ? "REFUSED" : text;
}

/* A status, or words that have one in them. */
static void print_expected(FILE *out, const char *text)
{
    static const char other[] = "OTHER_THAN(";
    if (strncmp(text, other, strlen(other)) == 0) {
        fprintf(out, "%s%s)", other, status_text(text + strlen(other)));
    } else {
        fputs(text, out);
    }
}

/* A call whose status is not known yet: what was to be expected of it comes later in the log. */
struct pending {
    char *text;
    uint32_t op;
    char status[32];
};

static void pending_print(FILE *out, struct pending *pending)
{
    if (pending->text != NULL) {
        fprintf(out, "    %s, ", pending->text);
        print_expected(out, pending->status);
        fputs(");", out);
        if (pending->op != RECORD_BOOT) {
            fprintf(out, " /* op %" PRIu32 " */", pending->op);
        }
        fputc('\n', out);
        free(pending->text);
        pending->text = NULL;
    }
}

static void print_call(FILE *out, const struct log_line *line)
{
    fprintf(out, "    %s);", line->rest);
    if (line->tag == 'N' && line->op != RECORD_BOOT) {
        fprintf(out, " /* op %" PRIu32 " */", line->op);
    }
    fputc('\n', out);
}

static void print_operations(FILE *out, FILE *log, const struct summary *summary)
{
    struct log_line line = {0};
    struct pending pending = {0};
    seek_run(log);
    while (next_line(log, &line)) {
        if (line.tag == 'S' && pending.text != NULL) {
            snprintf(pending.status, sizeof(pending.status), "%s",
                     answer_text(summary, pending.text, line.rest));
        } else if (line.tag == 'X' && pending.text != NULL) {
            snprintf(pending.status, sizeof(pending.status), "%s", line.rest);
        } else if (line.tag == 'C') {
            pending_print(out, &pending);
            pending = (struct pending){.text = strdup(line.rest), .op = line.op};
            snprintf(pending.status, sizeof(pending.status), "ANY_STATUS");
        } else if (line.tag == 'N' || line.tag == 'A') {
            pending_print(out, &pending);
            print_call(out, &line);
        }
    }
    pending_print(out, &pending);
    free(line.text);
    if (summary->violated[0] != '\0') {
        fputs("    /* Here, or when all is freed, the case was violated. */\n", out);
    }
}

/* The map, what the test does at first and at last, and main(). */
static void print_frame(FILE *out, FILE *log, const struct record_options *options,
                        const struct program *program, const struct summary *summary)
{
    fprintf(out, "\n%s/* The case. */\n", summary->endless ? "#include <unistd.h>\n\n" : "");
    emit_map(out, &program->map, emit_map_kind(options->subject->name));
    fputs("\nstatic void operations(void)\n{\n", out);
    for (unsigned i = 0; i < EMIT_PIECES; i++) {
        if ((summary->pieces >> i & 1) != 0 && pieces[i].before != NULL) {
            fprintf(out, "    %s(T);\n", pieces[i].before);
        }
    }
    fputs("    boot(T, &map);\n", out);
    for (unsigned i = 0; i < EMIT_PIECES; i++) {
        if ((summary->pieces >> i & 1) != 0 && pieces[i].behind != NULL) {
            fprintf(out, "    %s(T);\n", pieces[i].behind);
        }
    }
    print_operations(out, log, summary);
    fputs("}\n\nstatic void free_all(void)\n{\n", out);
#define X(piece, function)                                                                         \
    if ((summary->pieces >> (piece)&1) != 0) {                                                     \
        fputs("    " function "(T);\n", out);                                                      \
    }
    EMIT_TEARDOWN_TABLE(X)
#undef X
    fputs("}\n\nint main(void)\n{\n", out);
    if (summary->endless) {
        fprintf(out, "    alarm(%" PRIu32 "); /* it came to no end */\n", options->seconds);
    }
    fputs("    /* Twice: each time it must end in the same state. */\n"
          "    operations();\n    check_state(T, false);\n    free_all();\n"
          "    operations();\n    check_state(T, true);\n    free_all();\n    return 0;\n}\n",
          out);
}

static void print_test(FILE *out, FILE *log, const struct record_options *options,
                       const struct program *program, const struct summary *summary,
                       const char *name)
{
    fprintf(out,
            "/* SPDX-License-Identifier: MIT\n *\n"
            " * Made of the case %s by potad-case emit-c, for %s.\n *\n"
            " *   cc -I REPO THIS.c LIBpotad_core.a && ./a.out\n *\n"
            " * with -DPOTAD_CHECK_LOCKS and -fsanitize=... where the library was built with "
            "these.\n"
            " * Exit status: 0 nothing found; 1 a violation was found, with its name.\n *\n"
            " * When it was made: %s\n */\n",
            name, options->subject->name,
            summary->violated[0] == '\0' ? "nothing was violated." : summary->violated);
    fprintf(out, "#define FIRST_FRAME ((pfn_t)%#" PRIx64 ")\n", program->map.ranges[0].start);
    fprintf(out, "enum { FRAMES = %" PRIu64 ", SLOTS = %" PRIu32 " };\n\n",
            frames_of(&program->map), program->slots);
    for (unsigned i = 0; i < EMIT_PIECES; i++) {
        if ((summary->pieces >> i & 1) != 0) {
            fprintf(out, "%s\n", pieces[i].text);
        }
    }
    print_frame(out, log, options, program, summary);
}

/* Runs @program in a process of its own, which ends as @status says. Return: whether it could. */
static bool run_apart(const struct record_options *options, const struct program *program,
                      FILE *log, FILE *words, int *status)
{
    pid_t child = fork();
    if (child == 0) {
        dup2(fileno(words), STDERR_FILENO);
        time_limit_set(options->seconds);
        record_run(options, program, log);
        _exit(0);
    }
    return child > 0 && waitpid(child, status, 0) == child;
}

enum emit_result emit_test(const struct record_options *options, const struct program *program,
                           const char *name, FILE *out)
{
    enum emit_result result = EMIT_NO_FILES;
    int status = 0;
    FILE *log = tmpfile();
    FILE *words = tmpfile();
    if (log != NULL && words != NULL && run_apart(options, program, log, words, &status)) {
        struct summary summary = summarise(log);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            summary.endless = WIFSIGNALED(status) && WTERMSIG(status) == TIME_LIMIT_SIGNAL;
            find_last_words(words, &summary);
        }
        result = summary.opened ? EMIT_WRITTEN : EMIT_NOT_RUN;
        if (summary.opened) {
            print_test(out, log, options, program, &summary, name);
        }
    }
    if (log != NULL) {
        fclose(log);
    }
    if (words != NULL) {
        fclose(words);
    }
    return result;
}

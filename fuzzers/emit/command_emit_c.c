/* SPDX-License-Identifier: MIT
 *
 * command_emit_c.c: potad-case emit-c.
 */
#include "fuzzers/emit/emit.h"
#include "fuzzers/input.h"
#include "fuzzers/potad_case.h"
#include "fuzzers/time_limit.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

enum { VALIDATE_PERIOD = 16 /* as fuzz targets do */ };

struct emit_options {
    struct record_options record;
    const struct case_limits *limits; /* for files that are no cases; NULL: they are errors */
    const char *output;
};

static const struct option options[] = {
    {"help", no_argument, NULL, 'h'},          {"output", required_argument, NULL, 'o'},
    {"subject", required_argument, NULL, 's'}, {"validate", required_argument, NULL, 'v'},
    {"timeout", required_argument, NULL, 'T'}, {"raw", no_argument, NULL, 'r'},
    {"target", required_argument, NULL, 't'},  {NULL, 0, NULL, 0},
};

static void usage(void)
{
    puts("usage: potad-case emit-c [OPTION]... FILE\n\n"
         "Writes a case as a C test that calls the core, and needs nothing else of this tree than\n"
         "the core's headers and library:\n\n"
         "  potad-case emit-c FILE -o test.c\n"
         "  cc -I REPO test.c LIBpotad_core.a && ./a.out\n\n"
         "Add -DPOTAD_CHECK_LOCKS and -fsanitize=address,undefined where the library was built so\n"
         "(all presets but release). The test exits with 1 where it fails, and names the check as\n"
         "the harness does; with 0 where the bug is away. The case is run once, to see what each\n"
         "operation answers; where that is what is wrong, the test has what the model says.\n\n"
         "  -o, --output FILE  write to FILE (default: standard output)\n"
         "  --subject NAME     core, core-tree or core-both (default core)\n"
         "  --validate N       full validation every N operations (default 16, as the fuzz "
         "targets;\n"
         "                     0: at the end only)\n"
         "  --timeout SECONDS  of processor time; a case that takes longer has no end, and a test\n"
         "                     that ends itself then (default 60)\n"
         "  --raw              take a file that is no case as bytes that a fuzz target was given\n"
         "  --target NAME      that target (default page_fuzzer); implies --raw\n\n"
         "The way back from text to binary is potad-case asm.\n\n"
         "Exit status: 0 the test was written, 2 bad usage or bad input, or a case that has no\n"
         "test of this kind: with threads (see potad-stress emit-c), or too large a map; 3 the "
         "case\n"
         "does not run, because its map has no room for metadata.");
}

/* Takes one option. Return: NULL, or what is wrong with it. */
static const char *take_option(struct emit_options *emit, int option)
{
    switch (option) {
    case 'o':
        emit->output = optarg;
        return NULL;
    case 's':
        emit->record.subject = subject_find(optarg);
        return emit->record.subject == NULL ? "no such subject" : NULL;
    case 'v':
        return parse_count(optarg, &emit->record.validate_period) ? NULL
                                                                  : "--validate needs a number";
    case 'T':
        return parse_count(optarg, &emit->record.seconds) && emit->record.seconds > 0
                   ? NULL
                   : "--timeout needs a number of seconds from 1 on";
    case 'r':
        emit->limits = emit->limits == NULL ? &case_limits_page : emit->limits;
        return NULL;
    case 't':
        emit->limits = case_limits_find(optarg);
        return emit->limits == NULL ? "no such target" : NULL;
    default:
        return "unknown option, or one without its value";
    }
}

/* Says on stderr why there is no test of @path. */
static int refuse(const char *path, const char *reason, int status)
{
    fprintf(stderr, "potad-case emit-c: %s: %s\n", path, reason);
    return status;
}

/* Writes @text, @size bytes, to @path, or to standard output. Return: an exit status. */
static int write_output(const char *path, const char *text, size_t size)
{
    FILE *file = path == NULL ? stdout : fopen(path, "w");
    bool written = file != NULL && fwrite(text, 1, size, file) == size;
    if (path != NULL && file != NULL) {
        written = fclose(file) == 0 && written;
    }
    return written
               ? EXIT_NOTHING_FOUND
               : refuse(path == NULL ? "standard output" : path, strerror(errno), EXIT_BAD_INPUT);
}

static int emit_file(const struct emit_options *emit, const struct program *program,
                     const char *path)
{
    char *text = NULL;
    size_t size = 0;
    const char *slash = strrchr(path, '/');
    const char *reason = emit_refuses(&emit->record, program);
    if (reason != NULL) {
        return refuse(path, reason, EXIT_BAD_INPUT);
    }
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) {
        abort();
    }
    enum emit_result result =
        emit_test(&emit->record, program, slash == NULL ? path : slash + 1, out);
    int status = EXIT_INCONCLUSIVE;
    if (fclose(out) != 0) {
        abort();
    }
    if (result == EMIT_WRITTEN) {
        status = write_output(emit->output, text, size);
    } else if (result == EMIT_NOT_RUN) {
        refuse(path, "nothing was run: the map has no room for metadata", status);
    } else {
        refuse(path, strerror(errno), status);
    }
    free(text);
    return status;
}

int command_emit_c(int argc, char **argv)
{
    struct emit_options emit = {.record = {.subject = subjects[0],
                                           .validate_period = VALIDATE_PERIOD,
                                           .seconds = TIME_LIMIT_SECONDS}};
    int option;
    while ((option = getopt_long(argc, argv, "o:", options, NULL)) != -1) {
        if (option == 'h') {
            usage();
            return EXIT_NOTHING_FOUND;
        }
        const char *wrong = take_option(&emit, option);
        if (wrong != NULL) {
            return usage_error("emit-c", option == '?' ? unknown_option(argv) : optarg, wrong);
        }
    }
    if (optind + 1 != argc) {
        return usage_error("emit-c", NULL, "one FILE is needed");
    }
    struct program program;
    program_init(&program);
    int status = input_read_case(argv[optind], emit.limits, &program)
                     ? emit_file(&emit, &program, argv[optind])
                     : EXIT_BAD_INPUT;
    program_free(&program);
    return status;
}

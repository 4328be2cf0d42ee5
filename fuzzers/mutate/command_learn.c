/* SPDX-License-Identifier: MIT
 *
 * command_learn.c: potad-case learn: prints the idioms of a trace as idioms.c.
 */
#include "fuzzers/mutate/learn.h"
#include "fuzzers/potad_case.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

static const struct option options[] = {{"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};

static void usage(void)
{
    puts("usage: potad-case learn TRACE\n\n"
         "Finds what the CPUs of a kernel trace (ftrace text, plain, .gz, .xz, or - for standard\n"
         "input) do again and again, and prints it as fuzzers/mutate/idioms.c, which mutations\n"
         "are made of:\n\n"
         "  potad-case learn corpus/traces/linux-6.18-build-20k.txt.xz >fuzzers/mutate/idioms.c");
}

static const char *migratetype_id(uint8_t type)
{
    static const char *const ids[MIGRATETYPES] = {
        [MIGRATE_UNMOVABLE] = "MIGRATE_UNMOVABLE",
        [MIGRATE_MOVABLE] = "MIGRATE_MOVABLE",
        [MIGRATE_RECLAIMABLE] = "MIGRATE_RECLAIMABLE",
    };
    return ids[type];
}

static void print_step(const struct idiom_step *step)
{
    static const char *const ids[IDIOM_ACTIONS] = {
#define X(id, name) [id] = #id,
        IDIOM_ACTION_TABLE(X)
#undef X
    };
    const char *type = step->action == IDIOM_ALLOC ? migratetype_id(step->type) : "0";
    printf("{%s, %u, %s, %u}", ids[step->action], step->order, type, step->count);
}

static void print_idioms(const struct idiom *found, uint32_t count)
{
    puts("/* SPDX-License-Identifier: MIT\n"
         " *\n"
         " * idioms.c: made by `potad-case learn`; not to be edited. {times seen, steps, {what, "
         "order,\n"
         " * type, how many in a row}...}\n"
         " */\n"
         "#include \"fuzzers/mutate/idioms.h\"\n\n"
         "/* clang-format off */\n"
         "const struct idiom idioms[] = {");
    for (uint32_t i = 0; i < count; i++) {
        printf("    {%u, %u, {", found[i].seen, found[i].steps_count);
        for (uint32_t step = 0; step < found[i].steps_count; step++) {
            fputs(step == 0 ? "" : ",\n            ", stdout);
            print_step(&found[i].steps[step]);
        }
        puts("}},");
    }
    puts("};\n\nconst uint32_t idioms_count = sizeof(idioms) / sizeof(idioms[0]);");
}

/* Return: the exit status. */
static int learn(const char *path)
{
    char error[TRACE_ERROR_MAX];
    struct idiom found[IDIOMS_MAX];
    struct trace_event event;
    struct trace *trace = trace_open(path, error);
    if (trace == NULL) {
        fprintf(stderr, "potad-case learn: %s\n", error);
        return EXIT_BAD_INPUT;
    }
    struct learner *learner = learner_open();
    enum trace_result result;
    while ((result = trace_next(trace, &event)) == TRACE_EVENT) {
        learner_feed(learner, &event);
    }
    uint32_t count = learner_idioms(learner, found);
    int status = EXIT_NOTHING_FOUND;
    if (result == TRACE_ERROR) {
        fprintf(stderr, "potad-case learn: %s\n", trace_error(trace));
        status = EXIT_BAD_INPUT;
    } else if (count == 0) {
        fprintf(stderr, "potad-case learn: %s: no page is allocated in it\n", path);
        status = EXIT_BAD_INPUT;
    } else {
        print_idioms(found, count);
    }
    learner_close(learner);
    trace_close(trace);
    return status;
}

int command_learn(int argc, char **argv)
{
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option != 'h') {
            return usage_error("learn", unknown_option(argv), "unknown option");
        }
        usage();
        return EXIT_NOTHING_FOUND;
    }
    if (optind + 1 != argc) {
        return usage_error("learn", NULL, "one TRACE is needed");
    }
    return learn(argv[optind]);
}

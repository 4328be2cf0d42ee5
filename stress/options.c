/* SPDX-License-Identifier: MIT */
#include "stress/options.h"

#include "stress/explore/strategy.h"
#include "stress/run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

/* The default for seconds is short enough to wait for. A seed is one that JSON holds exactly. */
#define SECONDS_DEFAULT 10
#define SECONDS_MAX     ((uint64_t)7 * 24 * 3600)
#define SEED_MAX        (((uint64_t)1 << 53) - 1)
#define THREADS_DEFAULT 4
#define JOBS_MAX        64
#define OPS_MAX         12

enum { EXPLORE_THREADS_DEFAULT = 3 };

enum option_kind { OPTION_TEXT, OPTION_NUMBER, OPTION_FLAG, OPTION_DISTURB };

enum {
    RUN = 1 << COMMAND_RUN,
    EXPLORE = 1 << COMMAND_EXPLORE,
    REPLAY = 1 << COMMAND_REPLAY,
    EMIT_C = 1 << COMMAND_EMIT_C
};

struct option {
    uint64_t commands; /* that have it, as bits */
    const char *name;
    const char *argument;
    const char *help;
    enum option_kind kind;
    size_t offset; /* into struct options */
    uint64_t min;
    uint64_t max;
};

/* One name may stand for several commands, each with its own bounds. */
static const struct option known[] = {
    {RUN, "workload", "W", "what the threads do; `potad-stress list` names them; required",
     OPTION_TEXT, offsetof(struct options, workload), 0, 0},
    {RUN, "threads", "N", "threads that work (default 4)", OPTION_NUMBER,
     offsetof(struct options, threads), 1, THREADS_MAX},
    {EXPLORE, "strategy", "NAME",
     "portfolio (default), random, sticky, pos, pct2 to pct6, exhaustive0 to exhaustive3",
     OPTION_TEXT, offsetof(struct options, strategy), 0, 0},
    {EXPLORE, "threads", "N", "of a random case (default 3)", OPTION_NUMBER,
     offsetof(struct options, threads), 2, EXPLORE_THREADS},
    {EXPLORE, "ops", "N", "operations of each thread of a random case (default 4)", OPTION_NUMBER,
     offsetof(struct options, ops), 1, OPS_MAX},
    {RUN, "seconds", "S", "how long (default 10)", OPTION_NUMBER, offsetof(struct options, seconds),
     1, SECONDS_MAX},
    {EXPLORE, "seconds", "S", "how long (default 10; with --pairs: until all are covered)",
     OPTION_NUMBER, offsetof(struct options, seconds), 1, SECONDS_MAX},
    {EXPLORE, "executions", "N", "how many in each process at most", OPTION_NUMBER,
     offsetof(struct options, executions), 1, SEED_MAX},
    {RUN | EXPLORE, "seed", "X", "where all random choices come from (default: random, printed)",
     OPTION_NUMBER, offsetof(struct options, seed), 0, SEED_MAX},
    {EXPLORE, "jobs", "N", "processes, each with a seed of its own (default 1)", OPTION_NUMBER,
     offsetof(struct options, jobs), 1, JOBS_MAX},
    {EXPLORE, "out", "DIR", "where failures are saved (default out)", OPTION_TEXT,
     offsetof(struct options, out), 0, 0},
    {EXPLORE, "keep", NULL, "saves a failure as it was found, not made small", OPTION_FLAG,
     offsetof(struct options, keep), 0, 0},
    {EXPLORE, "pairs", NULL, "cases of every two operations, with a strategy that covers them",
     OPTION_FLAG, offsetof(struct options, pairs), 0, 0},
    {EXPLORE, "any-cpu", NULL, "which CPU a thread is on is a choice, too", OPTION_FLAG,
     offsetof(struct options, any_cpu), 0, 0},
    {EXPLORE, "reuse", NULL,
     "owners put descriptors on other blocks without a grace period between", OPTION_FLAG,
     offsetof(struct options, reuse), 0, 0},
    {EXPLORE, "weak", NULL, "loads may see older values, where weak memory lets them", OPTION_FLAG,
     offsetof(struct options, weak), 0, 0},
    {RUN | EXPLORE, "json", "FILE", "writes the summary as JSON, too", OPTION_TEXT,
     offsetof(struct options, json), 0, 0},
    {RUN | EXPLORE, "subject", "NAME", "the allocator (default core)", OPTION_TEXT,
     offsetof(struct options, subject), 0, 0},
    {RUN, "frames", "N", "size of the memory, of 4 KiB each (default: the workload's own)",
     OPTION_NUMBER, offsetof(struct options, frames), WORLD_FRAMES_MIN, WORLD_FRAMES_MAX},
    {RUN, "cpus", "N", "CPUs with lists (default: one a thread, or the trace's; 0: none)",
     OPTION_NUMBER, offsetof(struct options, cpus), 0, CPUS_MAX},
    {RUN, "disturb", "LIST", "what comes in between: see below (default: nothing)", OPTION_DISTURB,
     offsetof(struct options, disturb), 0, 0},
    {RUN, "trace", "FILE",
     "the trace that the workload replays: plain, .gz, .xz; -: standard input", OPTION_TEXT,
     offsetof(struct options, trace), 0, 0},
    {REPLAY, "times", "N", "how often (default 1)", OPTION_NUMBER, offsetof(struct options, times),
     1, SEED_MAX},
    {REPLAY, "all", NULL, "shows all steps, not only those that matter to another thread",
     OPTION_FLAG, offsetof(struct options, all), 0, 0},
    {REPLAY, "html", "OUT", "writes it as a page to step through, too: a lane for each thread",
     OPTION_TEXT, offsetof(struct options, html), 0, 0},
    {EMIT_C, "output", "OUT", "the test; -o is short for it (default: standard output)",
     OPTION_TEXT, offsetof(struct options, output), 0, 0},
};

enum { KNOWN = sizeof(known) / sizeof(known[0]) };

static const struct {
    const char *name;
    const char *summary;
} commands[COMMANDS] = {
#define X(id, name, summary) [id] = {name, summary},
    COMMAND_TABLE(X)
#undef X
};

static bool parse_number(const struct option *option, const char *text, uint64_t *number,
                         char *error)
{
    char *end;
    errno = 0;
    *number = strtoull(text, &end, 0);
    bool digit = text[0] >= '0' && text[0] <= '9';
    if (!digit || *end != '\0' || errno != 0 || *number < option->min || *number > option->max) {
        snprintf(error, OPTIONS_ERROR_MAX,
                 "--%s: '%.40s' is not a number from %" PRIu64 " to %" PRIu64, option->name, text,
                 option->min, option->max);
        return false;
    }
    return true;
}

static bool parse_disturb(const struct option *option, const char *text, struct disturb_list *list,
                          char *error)
{
    char why[DISTURB_ERROR_MAX];
    if (!disturb_parse(text, list, why)) {
        snprintf(error, OPTIONS_ERROR_MAX, "--%s: %s", option->name, why);
        return false;
    }
    return true;
}

static bool store(const struct option *option, const char *value, struct options *options,
                  char *error)
{
    char *field = (char *)options + option->offset;
    uint64_t number;
    if (option->kind == OPTION_FLAG) {
        const bool yes = true;
        memcpy(field, &yes, sizeof(yes));
        return true;
    }
    if (option->kind == OPTION_TEXT) {
        memcpy(field, &value, sizeof(value));
        return true;
    }
    if (option->kind == OPTION_DISTURB) {
        return parse_disturb(option, value, &options->disturb, error);
    }
    if (!parse_number(option, value, &number, error)) {
        return false;
    }
    memcpy(field, &number, sizeof(number));
    options->seed_given = options->seed_given || option->offset == offsetof(struct options, seed);
    return true;
}

/* The option of @command that @argument, --name or --name=value, is about; *@value is behind the =,
 * or NULL. */
static const struct option *find_option(enum command command, const char *argument,
                                        const char **value)
{
    argument = strcmp(argument, "-o") == 0 ? "--output" : argument;
    if (strncmp(argument, "--", 2) != 0) {
        return NULL;
    }
    size_t length = strcspn(argument + 2, "=");
    *value = argument[2 + length] == '=' ? argument + 2 + length + 1 : NULL;
    for (unsigned i = 0; i < KNOWN; i++) {
        const char *name = known[i].name;
        if ((known[i].commands >> command & 1) != 0 && strlen(name) == length &&
            strncmp(name, argument + 2, length) == 0) {
            return &known[i];
        }
    }
    return NULL;
}

/* Short, so that it is easily typed again. */
static uint64_t random_seed(void)
{
    uint32_t seed;
    if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed)) {
        return (uint64_t)time(NULL);
    }
    return seed;
}

uint64_t options_seed(const struct options *options)
{
    return options->seed_given ? options->seed : random_seed();
}

static bool is_help(const char *argument)
{
    return strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0;
}

/* Reads the option at *@index, and its value. */
static bool parse_option(int count, char *const *arguments, int *index, struct options *options,
                         char *error)
{
    const char *value = NULL;
    const char *argument = arguments[*index];
    const struct option *option = find_option(options->command, argument, &value);
    if (option == NULL || (option->kind == OPTION_FLAG && value != NULL)) {
        snprintf(error, OPTIONS_ERROR_MAX, "%s: no such option: '%.60s'",
                 commands[options->command].name, argument);
        return false;
    }
    if (value == NULL && option->kind != OPTION_FLAG && ++*index < count) {
        value = arguments[*index];
    }
    if (value == NULL && option->kind != OPTION_FLAG) {
        snprintf(error, OPTIONS_ERROR_MAX, "--%s: needs a value: %s", option->name,
                 option->argument);
        return false;
    }
    return store(option, value, options, error);
}

/* Reads what stands behind the command: options and, where the command has any, files, in any
 * order; behind "--", files only. Files are moved to the front. */
static bool parse_options(int count, char **arguments, struct options *options, char *error)
{
    bool files = options->command == COMMAND_EXPLORE || options->command == COMMAND_REPLAY ||
                 options->command == COMMAND_EMIT_C;
    bool ended = false;
    options->files = arguments + 2;
    for (int i = 2; i < count; i++) {
        if (files && (ended || arguments[i][0] != '-')) {
            arguments[2 + options->files_count++] = arguments[i];
        } else if (files && strcmp(arguments[i], "--") == 0) {
            ended = true;
        } else if (is_help(arguments[i])) {
            options->help = true;
        } else if (!parse_option(count, arguments, &i, options, error)) {
            return false;
        }
    }
    return true;
}

static bool check_required(const struct options *options, char *error)
{
    if (options->command == COMMAND_RUN && options->workload == NULL) {
        snprintf(error, OPTIONS_ERROR_MAX, "--workload: run needs one, see potad-stress list");
        return false;
    }
    if (options->json != NULL && strcmp(options->json, "-") == 0) {
        snprintf(error, OPTIONS_ERROR_MAX, "--json: needs a FILE: standard output has the text");
        return false;
    }
    if (options->pairs && strncmp(options->strategy, "exhaustive", strlen("exhaustive")) != 0) {
        snprintf(error, OPTIONS_ERROR_MAX, "--pairs: only --strategy exhaustive covers them");
        return false;
    }
    if (options->command == COMMAND_REPLAY && options->files_count != 1) {
        snprintf(error, OPTIONS_ERROR_MAX, "replay needs one FILE");
        return false;
    }
    if (options->command == COMMAND_EMIT_C && options->files_count != 1) {
        snprintf(error, OPTIONS_ERROR_MAX, "emit-c needs one FILE");
        return false;
    }
    return true;
}

bool options_parse(int count, char **arguments, struct options *options, char *error)
{
    *options = (struct options){
        .subject = "core",
        .threads = THREADS_DEFAULT,
        .cpus = OPTIONS_CPUS_ANY,
        .strategy = "portfolio",
        .out = "out",
        .ops = 4,
        .jobs = 1,
        .times = 1,
    };
    if (count < 2) {
        snprintf(error, OPTIONS_ERROR_MAX,
                 "no command: run, explore, replay, emit-c, list or --help");
        return false;
    }
    if (is_help(arguments[1])) {
        options->help = true;
        return true;
    }
    for (unsigned command = COMMAND_NONE + 1; command < COMMANDS; command++) {
        if (strcmp(arguments[1], commands[command].name) == 0) {
            options->command = (enum command)command;
        }
    }
    if (options->command == COMMAND_NONE) {
        snprintf(error, OPTIONS_ERROR_MAX, "no such command: '%.60s'", arguments[1]);
        return false;
    }
    if (options->command == COMMAND_EXPLORE) {
        options->threads = EXPLORE_THREADS_DEFAULT;
    }
    if (!parse_options(count, arguments, options, error)) {
        return false;
    }
    if (options->seconds == 0 && !options->pairs) {
        options->seconds = SECONDS_DEFAULT;
    }
    return options->help || check_required(options, error);
}

static void print_options(FILE *out, enum command command)
{
    fprintf(out, "\noptions:\n");
    for (unsigned i = 0; i < KNOWN; i++) {
        const struct option *option = &known[i];
        if ((option->commands >> command & 1) == 0) {
            continue;
        }
        int width = fprintf(out, "  --%s %s", option->name,
                            option->argument == NULL ? "" : option->argument);
        fprintf(out, "%*s%s", 20 - width, "", option->help);
        if (option->kind == OPTION_NUMBER && option->max != SEED_MAX) {
            fprintf(out, ", %" PRIu64 " to %" PRIu64, option->min, option->max);
        }
        fprintf(out, "\n");
    }
}

static void print_run_help(FILE *out)
{
    fprintf(
        out,
        "usage: potad-stress run --workload W [option ...]\n\n"
        "Boots an allocator on simulated memory and lets threads work on it. Beside each\n"
        "frame, a cookie of its owner is kept: blocks that overlap, or change hands while\n"
        "they are held, are found at once. Every half second all threads stop, and the\n"
        "allocator is checked and compared with the cookies; every second, all is freed,\n"
        "memory must be whole again, and the allocator is booted anew.\n\n"
        "Each thread is on a CPU of its own, which keeps small blocks for it. With fewer CPUs,\n"
        "threads share them. In every other round, threads that enter their CPU's lists pay\n"
        "for the order of memory themselves, instead of those who claim lists (membarrier).\n\n"
        "The workload range works on a range tree instead. What readers were told beside its\n"
        "one writer is compared, at each stop, with what was so at the time; --frames says\n"
        "into how many units its keys are cut.\n\n"
        "The workload trace replays a kernel's mm_page_alloc and mm_page_free events: what CPU c\n"
        "did, thread c modulo their number does, on the lists of CPU c. A free waits until its\n"
        "block is allocated. A round is the whole trace; all is freed behind it.\n");
    print_options(out, COMMAND_RUN);
    fprintf(out, "\nLIST is names with commas between them; one that never happened makes a run\n"
                 "inconclusive:\n");
    for (unsigned i = 0; i < DISTURBANCES; i++) {
        fprintf(out, "  %-10s %s\n", disturb_name((enum disturbance)i),
                disturb_summary((enum disturbance)i));
    }
    fprintf(out, "  %-10s those that make sense for the workload and this machine\n", "all");
    fprintf(out,
            "\nOne seed draws the same operations each time; how the threads' operations\n"
            "interleave is up to the system, so a failure may take several runs to return.\n"
            "Ctrl-C ends a run in order.\n\n"
            "exit status: 0 nothing found, 1 a violation was found, 2 bad usage or a bad trace,\n"
            "             3 inconclusive: a path that the workload is there for was not taken\n");
}

static void print_explore_help(FILE *out)
{
    fprintf(
        out,
        "usage: potad-stress explore [option ...] [CASE ...]\n\n"
        "Executes cases of two to four threads (operations with thread=N, see potad-case ops)\n"
        "again and again from the same state, each time in another order of their steps: atomics\n"
        "and locks of the allocator. Without CASE, cases are random, a new one every 2,000\n"
        "executions. Checked are: who owns each frame, at every step; deadlock and livelock; the\n"
        "allocator's invariants, and that memory is whole, at the end; and what its assertions, "
        "the\n"
        "order of locks and sanitizers say.\n\n"
        "What is found is executed ten times more, made small, and saved as one file, a case and\n"
        "its schedule: `potad-stress replay FILE` shows what happened, and `potad-stress emit-c "
        "FILE`\n"
        "makes a C test of it.\n");
    print_options(out, COMMAND_EXPLORE);
    fprintf(out,
            "\nThe strategies are told of in stress/explore/README.md. exhaustiveN ends when\n"
            "all executions with at most N preemptions have been. Ctrl-C ends it in order.\n\n"
            "exit status: 0 nothing found, 1 a violation was found, 2 bad usage or a bad case,\n"
            "             3 inconclusive: what was found did not happen again\n");
}

static void print_replay_help(FILE *out)
{
    fprintf(out, "usage: potad-stress replay [option ...] FILE\n\n"
                 "Executes the case of FILE as its schedule says, and prints a table of what\n"
                 "happened, a column a thread, a line a step. FILE is what potad-stress explore\n"
                 "has saved, or any case with threads, which is executed without preemptions.\n"
                 "With --html - the page is on standard output, and the table on stderr.\n");
    print_options(out, COMMAND_REPLAY);
    fprintf(out,
            "\nexit status: 0 nothing is wrong, 1 a violation was found, 2 bad usage or file,\n"
            "             3 not what the file says was found\n");
}

static void print_emit_c_help(FILE *out)
{
    fprintf(out,
            "usage: potad-stress emit-c FILE [-o TEST.c]\n\n"
            "Executes FILE, what potad-stress explore has saved, once, and writes it as a C\n"
            "test with threads that take turns in just this way. It needs nothing else of\n"
            "this tree than the core's headers and the core's library that is built with\n"
            "POTAD_EXPLORED:\n\n"
            "  potad-stress emit-c out/overlap-1.ops -o test.c\n"
            "  cc -pthread -I REPO test.c build/release/core/libpotad_core_explored.a\n"
            "  ./a.out\n\n"
            "Its first lines say what else the library of this build asks for: the same\n"
            "sanitizers, and -DPOTAD_CHECK_LOCKS. It exits with 1 where it fails, and names\n"
            "the check as explore does; with 0 where the bug is away. Of answers that no\n"
            "order of the calls explains, it requires that they are not all the same again.\n");
    print_options(out, COMMAND_EMIT_C);
    fprintf(out, "\nexit status: 0 the test was written, 2 bad usage or file, or one that has no\n"
                 "             test of this kind, 3 not what the file says was found\n");
}

static void print_list_help(FILE *out)
{
    fprintf(out, "usage: potad-stress list\n\n"
                 "Lists the workloads, a line each, and the subjects: the allocators that this\n"
                 "program was built with.\n");
}

static void print_program_help(FILE *out)
{
    fprintf(out, "usage: potad-stress COMMAND [option ...]\n\n"
                 "Runs an allocator on many threads and checks what it does.\n\ncommands:\n");
    for (unsigned command = COMMAND_NONE + 1; command < COMMANDS; command++) {
        fprintf(out, "  %-8s %s\n", commands[command].name, commands[command].summary);
    }
    fprintf(out, "\n`potad-stress COMMAND --help` is the manual of a command.\n");
}

void options_print_help(FILE *out, enum command command)
{
    switch (command) {
    case COMMAND_RUN:
        print_run_help(out);
        break;
    case COMMAND_EXPLORE:
        print_explore_help(out);
        break;
    case COMMAND_REPLAY:
        print_replay_help(out);
        break;
    case COMMAND_EMIT_C:
        print_emit_c_help(out);
        break;
    case COMMAND_LIST:
        print_list_help(out);
        break;
    default:
        print_program_help(out);
        break;
    }
}

/* SPDX-License-Identifier: MIT */
#include "stress/options.h"

#include "stress/run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The default for seconds is short enough to wait for. A seed is one that JSON holds exactly. */
#define SECONDS_DEFAULT 10
#define SECONDS_MAX     ((uint64_t)7 * 24 * 3600)
#define SEED_MAX        (((uint64_t)1 << 53) - 1)
#define THREADS_DEFAULT 4

enum option_kind { OPTION_TEXT, OPTION_NUMBER };

struct option {
    const char *name;
    const char *argument;
    const char *help;
    enum option_kind kind;
    size_t offset; /* into struct options */
    uint64_t min;
    uint64_t max;
};

/* All are options of run. */
static const struct option options_of_run[] = {
    {"workload", "W", "what the threads do; `potad-stress list` names them; required", OPTION_TEXT,
     offsetof(struct options, workload), 0, 0},
    {"threads", "N", "threads that work (default 4)", OPTION_NUMBER,
     offsetof(struct options, threads), 1, THREADS_MAX},
    {"seconds", "S", "how long (default 10)", OPTION_NUMBER, offsetof(struct options, seconds), 1,
     SECONDS_MAX},
    {"seed", "X", "where all random choices come from (default: random, and printed)",
     OPTION_NUMBER, offsetof(struct options, seed), 0, SEED_MAX},
    {"json", "FILE", "writes the summary as JSON, too", OPTION_TEXT, offsetof(struct options, json),
     0, 0},
    {"subject", "NAME", "the allocator (default core)", OPTION_TEXT,
     offsetof(struct options, subject), 0, 0},
    {"frames", "N", "size of the memory, of 4 KiB each (default: the workload's own)",
     OPTION_NUMBER, offsetof(struct options, frames), WORLD_FRAMES_MIN, WORLD_FRAMES_MAX},
    {"cpus", "N", "CPUs with lists (default: one a thread, or the trace's; 0: none)", OPTION_NUMBER,
     offsetof(struct options, cpus), 0, CPUS_MAX},
    {"trace", "FILE", "the trace that the workload replays: plain, .gz, .xz; -: standard input",
     OPTION_TEXT, offsetof(struct options, trace), 0, 0},
};

enum { OPTIONS_OF_RUN = sizeof(options_of_run) / sizeof(options_of_run[0]) };

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

static bool store(const struct option *option, const char *value, struct options *options,
                  char *error)
{
    char *field = (char *)options + option->offset;
    uint64_t number;
    if (option->kind == OPTION_TEXT) {
        memcpy(field, &value, sizeof(value));
        return true;
    }
    if (!parse_number(option, value, &number, error)) {
        return false;
    }
    memcpy(field, &number, sizeof(number));
    options->seed_given = options->seed_given || option->offset == offsetof(struct options, seed);
    return true;
}

/* The option that @argument, --name or --name=value, is about; *@value is behind the =, or NULL. */
static const struct option *find_option(const char *argument, const char **value)
{
    if (strncmp(argument, "--", 2) != 0) {
        return NULL;
    }
    size_t length = strcspn(argument + 2, "=");
    *value = argument[2 + length] == '=' ? argument + 2 + length + 1 : NULL;
    for (unsigned i = 0; i < OPTIONS_OF_RUN; i++) {
        const char *name = options_of_run[i].name;
        if (strlen(name) == length && strncmp(name, argument + 2, length) == 0) {
            return &options_of_run[i];
        }
    }
    return NULL;
}

static bool is_help(const char *argument)
{
    return strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0;
}

/* Reads what stands behind the command. */
static bool parse_options(int count, char *const *arguments, struct options *options, char *error)
{
    for (int i = 2; i < count; i++) {
        const char *value = NULL;
        if (is_help(arguments[i])) {
            options->help = true;
            continue;
        }
        const struct option *option =
            options->command == COMMAND_RUN ? find_option(arguments[i], &value) : NULL;
        if (option == NULL) {
            snprintf(error, OPTIONS_ERROR_MAX, "%s: no such option: '%.60s'",
                     commands[options->command].name, arguments[i]);
            return false;
        }
        if (value == NULL && ++i < count) {
            value = arguments[i];
        }
        if (value == NULL) {
            snprintf(error, OPTIONS_ERROR_MAX, "--%s: needs a value: %s", option->name,
                     option->argument);
            return false;
        }
        if (!store(option, value, options, error)) {
            return false;
        }
    }
    return true;
}

bool options_parse(int count, char *const *arguments, struct options *options, char *error)
{
    *options = (struct options){
        .subject = "core",
        .threads = THREADS_DEFAULT,
        .seconds = SECONDS_DEFAULT,
        .cpus = OPTIONS_CPUS_ANY,
    };
    if (count < 2) {
        snprintf(error, OPTIONS_ERROR_MAX, "no command: run, list or --help");
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
    if (!parse_options(count, arguments, options, error)) {
        return false;
    }
    if (options->command == COMMAND_RUN && options->workload == NULL && !options->help) {
        snprintf(error, OPTIONS_ERROR_MAX, "--workload: run needs one, see potad-stress list");
        return false;
    }
    return true;
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
        "block is allocated. A round is the whole trace; all is freed behind it.\n\noptions:\n");
    for (unsigned i = 0; i < OPTIONS_OF_RUN; i++) {
        const struct option *option = &options_of_run[i];
        int width = fprintf(out, "  --%s %s", option->name, option->argument);
        fprintf(out, "%*s%s", 20 - width, "", option->help);
        if (option->kind == OPTION_NUMBER) {
            fprintf(out, ", %" PRIu64 " to %" PRIu64, option->min, option->max);
        }
        fprintf(out, "\n");
    }
    fprintf(out,
            "\nOne seed draws the same operations each time; how the threads' operations\n"
            "interleave is up to the system, so a failure may take several runs to return.\n"
            "Ctrl-C ends a run in order.\n\n"
            "exit status: 0 nothing found, 1 a violation was found, 2 bad usage or a bad trace,\n"
            "             3 inconclusive: a path that the workload is there for was not taken\n");
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
        fprintf(out, "  %-6s %s\n", commands[command].name, commands[command].summary);
    }
    fprintf(out, "\n`potad-stress COMMAND --help` is the manual of a command.\n");
}

void options_print_help(FILE *out, enum command command)
{
    switch (command) {
    case COMMAND_RUN:
        print_run_help(out);
        break;
    case COMMAND_LIST:
        print_list_help(out);
        break;
    default:
        print_program_help(out);
        break;
    }
}

/* SPDX-License-Identifier: MIT
 *
 * potad_case.c: potad-case, the tool for single cases.
 */
#include "fuzzers/potad_case.h"

#include "fuzzers/input.h"
#include "fuzzers/subject.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} commands[] = {
    {"show", command_show, "print a case as text, or what it does as a page or a picture"},
    {"asm", command_asm, "turn a text case into a binary one"},
    {"run", command_run, "run cases, or a kernel trace, against the model"},
    {"sweep", command_sweep, "make each operation of cases fail at each of its steps"},
    {"shrink", command_shrink, "make a failing case smaller, holding its signature"},
    {"triage", command_triage, "group failing cases by signature, and shrink one of each"},
    {"emit-c", command_emit_c, "write a case as a C test that needs the core only"},
    {"from-trace", command_from_trace, "cut cases out of a kernel trace"},
    {"learn", command_learn, "find what a kernel trace does often, for the mutator"},
    {"map", command_map, "print a machine's memory map as a case"},
    {"list", command_list, "list operations, fault sites, subjects and fuzz targets"},
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static void usage(FILE *out)
{
    fputs("usage: potad-case COMMAND [OPTION]... [FILE]...\n\n", out);
    for (unsigned i = 0; i < COMMANDS; i++) {
        fprintf(out, "  %-12s %s\n", commands[i].name, commands[i].summary);
    }
    fputs("\n'potad-case COMMAND --help' is the manual of each. FILE may be - for standard input.\n"
          "Exit status: 0 nothing found, 1 a violation was found, 2 bad usage or bad input,\n"
          "3 a case could not run.\n",
          out);
}

int usage_error(const char *command, const char *culprit, const char *reason)
{
    const char *before = culprit == NULL ? "" : ": '";
    const char *after = culprit == NULL ? "" : "'";
    fprintf(stderr, "potad-case %s%s%s%s: %s; see 'potad-case %s --help'\n", command, before,
            culprit == NULL ? "" : culprit, after, reason, command);
    return EXIT_BAD_INPUT;
}

const char *unknown_option(char **argv)
{
    return argv[optind - 1];
}

bool parse_count(const char *text, uint32_t *count)
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 0);
    *count = (uint32_t)value;
    return errno == 0 && end != text && *end == '\0' && value <= UINT32_MAX && *text != '-';
}

static const struct option asm_options[] = {
    {"help", no_argument, NULL, 'h'},
    {"output", required_argument, NULL, 'o'},
    {NULL, 0, NULL, 0},
};

/* Writes the binary form of @program to @path. Return: whether it could. */
static bool write_binary(const char *path, const struct program *program)
{
    size_t size = case_encoded_bytes(program);
    uint8_t *data = malloc(size);
    if (data == NULL) {
        abort();
    }
    case_encode(program, data);
    FILE *file = strcmp(path, "-") == 0 ? stdout : fopen(path, "wb");
    bool written = file != NULL && fwrite(data, 1, size, file) == size;
    written = file != NULL && fclose(file) == 0 && written;
    free(data);
    if (!written) {
        fprintf(stderr, "potad-case asm: %s: %s\n", path, strerror(errno));
    }
    return written;
}

int command_asm(int argc, char **argv)
{
    const char *output = NULL;
    int option;
    while ((option = getopt_long(argc, argv, "o:", asm_options, NULL)) != -1) {
        switch (option) {
        case 'h':
            puts("usage: potad-case asm FILE -o OUTPUT\n\n"
                 "Turns a text case (or a binary one) into a binary case: a seed for a fuzzer.");
            return EXIT_NOTHING_FOUND;
        case 'o':
            output = optarg;
            break;
        default:
            return usage_error("asm", unknown_option(argv),
                               "unknown option, or one without its value");
        }
    }
    if (optind + 1 != argc || output == NULL) {
        return usage_error("asm", NULL, "one FILE and -o OUTPUT are needed");
    }
    struct program program;
    program_init(&program);
    bool done = input_read_case(argv[optind], NULL, &program) && write_binary(output, &program);
    program_free(&program);
    return done ? EXIT_NOTHING_FOUND : EXIT_BAD_INPUT;
}

int command_map(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        puts(
            "usage: potad-case map FILE\n\n"
            "Prints a memory map as a case without operations: its range lines can be copied into\n"
            "others. FILE is a copy of /proc/iomem (as root sees it), or the BIOS-e820 lines of a\n"
            "kernel's log. Two lines of our own say what those do not, in hex, ends included:\n\n"
            "  node N START-END       the node of memory (default 0)\n"
            "  zone CLASS START-END   its class: dma, normal, highmem or movable (default: dma\n"
            "                         below 16 MiB, normal from there on)");
        return EXIT_NOTHING_FOUND;
    }
    if (argc > 1 && argv[1][0] == '-' && argv[1][1] != '\0') {
        return usage_error("map", argv[1], "unknown option");
    }
    if (argc != 2) {
        return usage_error("map", NULL, "one FILE is needed");
    }
    struct program program;
    program_init(&program);
    bool read = input_read_map(argv[1], &program.map);
    if (read) {
        case_print(stdout, &program);
    }
    program_free(&program);
    return read ? EXIT_NOTHING_FOUND : EXIT_BAD_INPUT;
}

int command_list(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--help") != 0) {
        return usage_error("list", argv[1], "nothing is expected here");
    }
    if (argc > 1) {
        puts("usage: potad-case list\n\n"
             "Lists what cases are made of, the subjects to run them on, and the fuzz targets.");
        return EXIT_NOTHING_FOUND;
    }
    puts("operations:");
#define X(id, name, page, slab, range, space, schedule, operands, help)                            \
    printf("  %-18s %s\n", name, help);
    OP_TABLE(X)
#undef X
    puts("operands:");
#define X(id, name, member, kind, help) printf("  %-18s %s\n", name "=", help);
    OPERAND_TABLE(X)
#undef X
    puts("fault sites, for fault=SITE:NTH:once or fault=SITE:NTH:always:");
#define X(id, name, what) printf("  %-18s %s\n", name, what);
    FAULT_SITE_TABLE(X)
#undef X
    printf("threads, for programs that run at once:\n  thread=1 to %u      %s\n", CASE_THREADS_MAX,
           "beside those of other threads before and behind it; without, alone");
    puts("fuzz targets:");
    for (const struct case_limits *const *limits = case_limits_all; *limits != NULL; limits++) {
        printf("  %-18s %u operations at most, %u slots\n", (*limits)->name, (*limits)->ops,
               (*limits)->slots);
    }
    puts("subjects:");
    for (const struct subject *const *subject = subjects; *subject != NULL; subject++) {
        printf("  %-18s %s\n", (*subject)->name, (*subject)->summary);
    }
    return EXIT_NOTHING_FOUND;
}

/* What was printed must have been written, or the status is worth nothing. */
static int finish_output(int status)
{
    if ((fflush(stdout) != 0 || ferror(stdout) != 0) && status != EXIT_VIOLATION) {
        fprintf(stderr, "potad-case: standard output: %s\n", strerror(errno));
        return EXIT_BAD_INPUT;
    }
    return status;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        usage(stderr);
        return EXIT_BAD_INPUT;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        usage(stdout);
        return EXIT_NOTHING_FOUND;
    }
    for (unsigned i = 0; i < COMMANDS; i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            /* getopt's own messages would not name the command. */
            opterr = 0;
            return finish_output(commands[i].run(argc - 1, argv + 1));
        }
    }
    fprintf(stderr, "potad-case: unknown command '%s'; see 'potad-case --help'\n", argv[1]);
    return EXIT_BAD_INPUT;
}

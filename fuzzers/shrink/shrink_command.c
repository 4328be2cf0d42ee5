/* SPDX-License-Identifier: MIT */
#include "fuzzers/shrink/shrink_command.h"

#include "fuzzers/interrupt.h"
#include "fuzzers/potad_case.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECONDS_MAX = 86400 };

struct shrink_common shrink_common_defaults(void)
{
    return (struct shrink_common){.subject = subjects[0],
                                  .validate_period = TRIAL_VALIDATE_PERIOD,
                                  .trial_seconds = TRIAL_SECONDS,
                                  .seconds = SHRINK_SECONDS};
}

void shrink_common_usage(void)
{
    puts("  --subject NAME     the allocator under test (default core; see potad-case list)\n"
         "  --raw              take a file that is no case as bytes that a fuzz target was given\n"
         "  --target NAME      that target (default page_fuzzer); implies --raw\n"
         "  --validate N       full validation every N operations (default 16, as the fuzz "
         "targets;\n"
         "                     0: at the end only)\n"
         "  --timeout SECONDS  of processor time; a run that takes longer has no end (default 10)\n"
         "  --seconds N        then leave a case as small as it is (default 60)\n"
         "  --json FILE        write the results as JSON");
}

static bool parse_number(const char *text, uint32_t least, uint32_t most, uint32_t *number)
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 0);
    *number = (uint32_t)value;
    return errno == 0 && *text >= '0' && *text <= '9' && *end == '\0' && value >= least &&
           value <= most;
}

const char *shrink_common_take(struct shrink_common *common, int option)
{
    switch (option) {
    case 's':
        common->subject = subject_find(optarg);
        return common->subject == NULL ? "no such subject" : NULL;
    case 'r':
        common->limits = common->limits == NULL ? &case_limits_page : common->limits;
        return NULL;
    case 't':
        common->limits = case_limits_find(optarg);
        return common->limits == NULL ? "no such target" : NULL;
    case 'v':
        return parse_number(optarg, 0, UINT32_MAX, &common->validate_period)
                   ? NULL
                   : "--validate needs a number";
    case 'T':
        return parse_number(optarg, 1, SECONDS_MAX, &common->trial_seconds)
                   ? NULL
                   : "--timeout needs a number of seconds from 1 on";
    case 'S':
        return parse_number(optarg, 1, SECONDS_MAX, &common->seconds)
                   ? NULL
                   : "--seconds needs a number from 1 on";
    case 'j':
        common->json = optarg;
        return strcmp(optarg, "-") == 0 ? JSON_NEEDS_A_FILE : NULL;
    default:
        return "unknown option, or one without its value";
    }
}

struct shrink_plan shrink_common_plan(const struct shrink_common *common, const char *label)
{
    interrupt_watch();
    return (struct shrink_plan){.subject = common->subject,
                                .label = label,
                                .validate_period = common->validate_period,
                                .trial_seconds = common->trial_seconds,
                                .seconds = common->seconds,
                                .stop = &interrupted};
}

void shrink_print_case(FILE *out, const struct shrink_common *common,
                       const struct signature *signature, const struct program *program)
{
    fprintf(out, "# signature: %s\n", signature->text);
    if (common->subject != subjects[0]) {
        fprintf(out, "# subject: %s\n", common->subject->name);
    }
    case_print(out, program);
}

static bool write_failed(const struct shrink_output *output)
{
    fprintf(stderr, "potad-case shrink: %s: %s\n",
            output->path == NULL ? "standard output" : output->path, strerror(errno));
    return false;
}

bool shrink_output_open(struct shrink_output *output, const char *path)
{
    bool standard = path == NULL || strcmp(path, "-") == 0;
    *output =
        (struct shrink_output){.path = standard ? NULL : path, .file = standard ? stdout : NULL};
    if (standard) {
        return true;
    }
    const int flags = O_WRONLY | O_CREAT | O_CLOEXEC;
    int descriptor = open(path, flags | O_EXCL, 0666);
    output->made = descriptor >= 0;
    if (descriptor < 0 && errno == EEXIST) {
        descriptor = open(path, flags, 0666); /* also through a link that leads nowhere yet */
    }
    output->file = descriptor < 0 ? NULL : fdopen(descriptor, "w");
    return output->file != NULL || write_failed(output);
}

bool shrink_output_write(struct shrink_output *output, const struct shrink_common *common,
                         const struct signature *signature, const struct program *program)
{
    struct stat status;
    int descriptor = fileno(output->file);
    bool written = output->path == NULL || fstat(descriptor, &status) != 0 ||
                   !S_ISREG(status.st_mode) || ftruncate(descriptor, 0) == 0;
    shrink_print_case(output->file, common, signature, program);
    written = fflush(output->file) == 0 && !ferror(output->file) && written;
    if (output->path != NULL) {
        written = fclose(output->file) == 0 && written;
    }
    return written || write_failed(output);
}

void shrink_output_drop(struct shrink_output *output)
{
    if (output->path != NULL) {
        fclose(output->file);
    }
    if (output->made) {
        unlink(output->path);
    }
}

void shrink_print_figures(FILE *out, const char *path, const struct shrink_result *result)
{
    fprintf(out,
            "potad: %s\n"
            "potad: violated: %s: %s\n"
            "potad: signature: %s\n"
            "potad: operations %u -> %u, executions %" PRIu64 ", processes %" PRIu64
            ", seconds %.2f%s\n",
            path, result->trial.signature.name, result->trial.detail, result->trial.signature.text,
            result->ops_before, result->ops_after, result->executions, result->forks,
            result->seconds, result->stopped ? " (stopped: it may go further)" : "");
}

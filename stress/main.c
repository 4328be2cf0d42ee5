/* SPDX-License-Identifier: MIT
 *
 * main.c: potad-stress, the commands.
 */
#include "stress/command_emit_c.h"
#include "stress/command_explore.h"
#include "stress/disturb_turn.h"
#include "stress/options.h"
#include "stress/run.h"
#include "stress/script.h"

#include <errno.h>
#include <string.h>

static enum result list(void)
{
    printf("workloads:\n");
    for (const struct workload *const *workload = workloads; *workload != NULL; workload++) {
        printf("  %-10s %s\n", (*workload)->name, (*workload)->summary);
    }
    printf("subjects:\n");
    for (const struct subject *const *subject = subjects; *subject != NULL; subject++) {
        printf("  %-10s %s\n", (*subject)->name, (*subject)->summary);
    }
    return RESULT_NOTHING_FOUND;
}

/* Finds what @options name. Return: whether it is all there; if not, one line says what is not. */
static bool resolve(const struct options *options, struct plan *plan)
{
    *plan = (struct plan){
        .workload = workload_find(options->workload),
        .subject = subject_find(options->subject),
        .threads = (unsigned)options->threads,
        .seconds = options->seconds,
        .seed = options_seed(options),
    };
    if (plan->workload == NULL) {
        fprintf(stderr, "potad-stress: --workload: there is no '%s', see potad-stress list\n",
                options->workload);
        return false;
    }
    if (plan->subject == NULL) {
        fprintf(stderr, "potad-stress: --subject: there is no '%s', see potad-stress list\n",
                options->subject);
        return false;
    }
    const char *only = plan->workload->subject;
    if (only != NULL && strcmp(only, plan->subject->name) != 0) {
        fprintf(stderr, "potad-stress: --subject: %s is for %s only\n", plan->workload->name, only);
        return false;
    }
    if (plan->threads < plan->workload->threads_min) {
        fprintf(stderr, "potad-stress: --threads: %s needs at least %u\n", plan->workload->name,
                plan->workload->threads_min);
        return false;
    }
    if (plan->threads > 1 && (plan->subject->capabilities & SUBJECT_THREADS) == 0) {
        fprintf(stderr, "potad-stress: --threads: %s is for one thread only\n",
                plan->subject->name);
        return false;
    }
    plan->cpus = (uint32_t)(options->cpus == OPTIONS_CPUS_ANY ? plan->threads : options->cpus);
    plan->frames = options->frames != 0 ? options->frames : plan->workload->frames;
    return true;
}

/* Reads the trace, if the workload wants one. Return: as resolve(). */
static bool resolve_trace(const struct options *options, struct plan *plan, struct script *script)
{
    char error[TRACE_ERROR_MAX];
    const struct workload *workload = plan->workload;
    if (workload->wants_trace != (options->trace != NULL)) {
        fprintf(stderr, "potad-stress: --trace: %s %s\n", workload->name,
                workload->wants_trace ? "needs one" : "replays none");
        return false;
    }
    if (options->trace == NULL) {
        return true;
    }
    if (!script_open(script, options->trace, plan->threads, error)) {
        fprintf(stderr, "potad-stress: %s\n", error);
        return false;
    }
    plan->script = script;
    plan->cpus = options->cpus == OPTIONS_CPUS_ANY ? script->cpus : plan->cpus;
    return true;
}

/* Takes what is to disturb the run. Return: as resolve(); what makes no sense is left out only
 * where all was asked for. */
static bool resolve_disturb(const struct options *options, struct plan *plan)
{
    for (unsigned i = 0; i < DISTURBANCES; i++) {
        enum disturbance disturbance = (enum disturbance)i;
        uint32_t bit = options->disturb.asked & (uint32_t)1 << i;
        const char *refusal = bit == 0 ? NULL : disturb_refusal(plan, disturbance);
        if (refusal == NULL) {
            plan->disturb |= bit;
            continue;
        }
        fprintf(stderr, "potad-stress: --disturb: %s%s: %s\n",
                options->disturb.all ? "all without " : "", disturb_name(disturbance), refusal);
        if (!options->disturb.all) {
            return false;
        }
    }
    return true;
}

static enum result run(const struct options *options)
{
    struct plan plan;
    struct script script = {.path = NULL};
    if (!resolve(options, &plan) || !resolve_trace(options, &plan, &script)) {
        return RESULT_BAD_USAGE;
    }
    if (!resolve_disturb(options, &plan)) {
        script_close(&script);
        return RESULT_BAD_USAGE;
    }
    if (options->json != NULL) {
        plan.json = fopen(options->json, "w");
        if (plan.json == NULL) {
            fprintf(stderr, "potad-stress: --json: %s: %s\n", options->json, strerror(errno));
            script_close(&script);
            return RESULT_BAD_USAGE;
        }
    }
    enum result result = run_execute(&plan);
    script_close(&script);
    if (plan.json != NULL) {
        bool written = fflush(plan.json) == 0 && ferror(plan.json) == 0;
        if (fclose(plan.json) != 0 || !written) {
            fprintf(stderr, "potad-stress: --json: %s: it could not be written\n", options->json);
            result = result == RESULT_VIOLATION ? result : RESULT_BAD_USAGE;
        }
    }
    return result;
}

int main(int count, char **arguments)
{
    struct options options;
    char error[OPTIONS_ERROR_MAX];
    if (!options_parse(count, arguments, &options, error)) {
        fprintf(stderr, "potad-stress: %s\n", error);
        return RESULT_BAD_USAGE;
    }
    if (options.help) {
        options_print_help(stdout, options.command);
        return RESULT_NOTHING_FOUND;
    }
    switch (options.command) {
    case COMMAND_EXPLORE:
        return (int)command_explore(&options);
    case COMMAND_REPLAY:
        return (int)command_replay(&options);
    case COMMAND_EMIT_C:
        return (int)command_emit_c(&options);
    case COMMAND_LIST:
        return (int)list();
    default:
        return (int)run(&options);
    }
}

/* SPDX-License-Identifier: MIT */
#include "stress/explore/attempt.h"

#include "stress/explore/determinism.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    REPLAY_SECONDS = 20,      /* at most, should it wait for anything */
    REPLAY_MILLISECONDS = 500 /* of the CPU: far more than one takes */
};

struct attempt *attempt_open(void)
{
    void *memory = mmap(NULL, sizeof(struct attempt), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

struct explore_log *attempt_log(struct attempt *attempt)
{
    attempt->log =
        (struct explore_log){.steps = attempt->steps_logged, .capacity = ATTEMPT_LOG_MAX};
    return &attempt->log;
}

void attempt_close(struct attempt *attempt)
{
    munmap(attempt, sizeof(*attempt));
}

/* Of this process, for those who end it. */
static struct attempt *attempt_own;

/* NOLINTNEXTLINE(bugprone-reserved-identifier): the sanitizers' */
__attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)(void));

/* ThreadSanitizer gives other threads a second at the end of each process: here there are none, and
 * those of free runs have been joined. */
const char *__tsan_default_options(void); /* NOLINT(bugprone-reserved-identifier) */
const char *__tsan_default_options(void)  /* NOLINT(bugprone-reserved-identifier) */
{
    return "atexit_sleep_ms=0";
}

static void note_death(void)
{
    struct attempt *attempt = attempt_own;
    if (explorer_active != NULL && explorer_active->finding.name[0] != '\0') {
        attempt->finding = explorer_active->finding; /* tsan */
    } else if (!attempt_found(attempt)) {
        snprintf(attempt->finding.name, sizeof(attempt->finding.name), "sanitizer");
        snprintf(attempt->finding.text, sizeof(attempt->finding.text), "its report is above");
    }
}

static void print_nowhere(void)
{
    int nowhere = open("/dev/null", O_WRONLY);
    if (nowhere >= 0) {
        dup2(nowhere, STDOUT_FILENO);
        dup2(nowhere, STDERR_FILENO);
        close(nowhere);
    }
}

/* By its default action: whoever goes round in a loop gets no further to hear of it. */
enum { HANG_SIGNAL = SIGPROF };

void attempt_expect_end(unsigned milliseconds)
{
    const struct itimerval timer = {
        .it_value = {.tv_sec = milliseconds / 1000,
                     .tv_usec = (suseconds_t)(milliseconds % 1000) * 1000},
    };
    setitimer(ITIMER_PROF, &timer, NULL);
}

int attempt_start(struct attempt *attempt, bool quiet, void (*work)(void *context), void *context)
{
    fflush(NULL);
    attempt->finding.name[0] = '\0';
    attempt->bad_program = false;
    attempt->hash = 0;
    int process = fork();
    if (process != 0) {
        return process;
    }
    attempt_own = attempt;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* whoever waits may be killed */
    if (quiet) {
        print_nowhere();
    }
    if (__sanitizer_set_death_callback != NULL) {
        __sanitizer_set_death_callback(note_death);
    }
    work(context);
    fflush(NULL);
    _exit(0);
}

void attempt_wait(struct attempt *attempt, int process)
{
    int status;
    while (waitpid(process, &status, 0) < 0 && errno == EINTR) {
    }
    if (attempt_found(attempt) || (WIFEXITED(status) && WEXITSTATUS(status) == 0)) {
        return;
    }
    if (WIFSIGNALED(status) && WTERMSIG(status) == HANG_SIGNAL) {
        snprintf(attempt->finding.name, sizeof(attempt->finding.name), HANG_NAME);
        snprintf(attempt->finding.text, sizeof(attempt->finding.text),
                 "thread %u goes on, and comes to no step any more",
                 schedule_last_thread(&attempt->schedule) + 1);
    } else if (WIFSIGNALED(status)) {
        snprintf(attempt->finding.name, sizeof(attempt->finding.name), "crash");
        snprintf(attempt->finding.text, sizeof(attempt->finding.text), "signal %d: %s",
                 WTERMSIG(status), strsignal(WTERMSIG(status)));
    } else {
        snprintf(attempt->finding.name, sizeof(attempt->finding.name), "exit");
        snprintf(attempt->finding.text, sizeof(attempt->finding.text),
                 "the process ended with status %d", WEXITSTATUS(status));
    }
}

struct replay_work {
    struct attempt *attempt;
    const struct program *program;
    const struct stage_options *options;
    struct schedule *schedule; /* a copy: that of the attempt is written anew */
    bool twice;
    bool log;
};

static void replay_work(void *context)
{
    const struct replay_work *work = context;
    struct attempt *attempt = work->attempt;
    struct explorer explorer;
    struct strategy *strategy = strategy_replay(work->schedule);
    alarm(REPLAY_SECONDS);
    attempt_expect_end(REPLAY_MILLISECONDS);
    if (strategy == NULL || !explorer_open(&explorer, &attempt->schedule)) {
        abort();
    }
    struct stage *stage = stage_open(work->program, work->options, &explorer, attempt->error);
    if (stage == NULL) {
        attempt->bad_program = true;
        return;
    }
    explorer.log = work->log || work->twice ? attempt_log(attempt) : NULL;
    struct explore_finding finding;
    bool good = stage_execute(stage, strategy, &finding);
    attempt->hash = explorer.hash;
    if (!good || (work->twice && !determinism_check(stage, &attempt->log, &finding))) {
        attempt->finding = finding;
    }
}

void attempt_replay(struct attempt *attempt, const struct program *program,
                    const struct stage_options *options, const struct schedule *schedule,
                    const char *name, bool log)
{
    struct schedule *copy = malloc(sizeof(*copy));
    if (copy == NULL) {
        abort();
    }
    schedule_copy(copy, schedule);
    bool twice = strcmp(name, DETERMINISM_NAME) == 0;
    struct replay_work work = {attempt, program, options, copy, twice, log};
    attempt->log.count = 0;
    int process = attempt_start(attempt, !log, replay_work, &work);
    if (process > 0) {
        attempt_wait(attempt, process);
    }
    free(copy);
}

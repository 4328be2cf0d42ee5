/* SPDX-License-Identifier: MIT */
#include "stress/crash.h"

#include "stress/run.h"

#include <execinfo.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_THREAD__)
#define CRASH_UNDER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CRASH_UNDER_TSAN 1
#endif
#endif

enum { STACK_MAX = 32, REPORT_GRACE_SECONDS = 1 };

static const struct {
    int number;
    const char *name;
} fatal_signals[] = {
    {SIGABRT, "SIGABRT"}, {SIGSEGV, "SIGSEGV"}, {SIGBUS, "SIGBUS"},
    {SIGILL, "SIGILL"},   {SIGFPE, "SIGFPE"},
};

enum { FATAL_SIGNALS = sizeof(fatal_signals) / sizeof(fatal_signals[0]) };

/* A signal handler gets no context but what is static. */
static const char *crash_replay;
static struct sigaction before[FATAL_SIGNALS];

_Noreturn void crash_exit(int status)
{
    /* Not _exit(): ThreadSanitizer waits there for its own locks, which a stuck thread may hold. */
    syscall(SYS_exit_group, status);
    __builtin_unreachable();
}

/* Only what may be called in a signal handler. */
static void say(const char *text)
{
    ssize_t written = write(STDERR_FILENO, text, strlen(text));
    (void)written;
}

/* Lets a sanitizer report what it knows. */
static void hand_on(unsigned index, siginfo_t *info, void *machine)
{
#ifdef CRASH_UNDER_TSAN
    /* Its own handler may deadlock with a race that another thread reports: that report, about the
     * same bug most likely, is worth a moment's wait. */
    struct timespec time = {.tv_sec = REPORT_GRACE_SECONDS};
    (void)index;
    (void)info;
    (void)machine;
    syscall(SYS_nanosleep, &time, NULL);
#else
    bool handled = (before[index].sa_flags & SA_SIGINFO) != 0;
    if (handled && before[index].sa_sigaction != NULL) {
        before[index].sa_sigaction(fatal_signals[index].number, info, machine);
    }
#endif
}

/* Whether the violation was named already: by the assertion, or by simmem_watch(). */
static bool is_named(int number, const siginfo_t *info)
{
    const struct worker *worker = worker_current;
    pfn_t pfn;
    return number == SIGABRT || (number == SIGSEGV && worker != NULL &&
                                 simmem_frame_of(&worker->world->memory, info->si_addr, &pfn));
}

static void last_words(int number, siginfo_t *info, void *machine)
{
    const struct worker *worker = worker_current;
    void *stack[STACK_MAX];
    unsigned index = 0;
    while (index + 1 < FATAL_SIGNALS && fatal_signals[index].number != number) {
        index++;
    }
    say(is_named(number, info) ? "potad-stress: ended by " : "potad-stress: violated: crash: ");
    say(fatal_signals[index].name);
    if (worker != NULL) {
        say(" in operation ");
        say(relaxed_text(&worker->operation));
    }
    say("\nreplay: ");
    say(crash_replay);
    say("\n        (draws the same operations; the timing of threads is not replayed)\n");
    backtrace_symbols_fd(stack, backtrace(stack, STACK_MAX), STDERR_FILENO);
    hand_on(index, info, machine);
    crash_exit(RESULT_VIOLATION);
}

void crash_install(const char *replay)
{
    struct sigaction action = {.sa_sigaction = last_words, .sa_flags = SA_SIGINFO};
    void *stack[1];
    crash_replay = replay;
    /* The first call may load a library, which a signal handler must not do. */
    backtrace(stack, 1);
    for (unsigned i = 0; i < FATAL_SIGNALS; i++) {
        sigaction(fatal_signals[i].number, &action, &before[i]);
    }
}

/* SPDX-License-Identifier: MIT */
#include "fuzzers/shrink/trial.h"

#include "fuzzers/time_limit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    KIND_MAX = 64,
    OUTPUT_MAX = 4096, /* of what the worker prints, as far as it is read */
    SIGNAL_STACK_BYTES = 1 << 18,
    WALL_FACTOR =
        30, /* a run may wait so much longer than it may run: others need the machine, too */
    MS = 1000,
    LAST_WORDS_MS = 5000
};

/* What the two processes share. */
struct trial_shared {
    /* The question. */
    uint32_t validate_period;
    uint32_t seconds;
    bool twice;
    size_t bytes;
    /* The answer; what is behind the line, also of one who dies. */
    bool booted;
    bool violated;
    char name[KIND_MAX];
    char detail[REPORT_MAX];
    uint32_t op;
    /* ---- */
    int signal;            /* that ended it; 0: none did */
    bool touched;          /* a frame that it must not touch */
    char report[KIND_MAX]; /* kind of a sanitizer's */
    struct call_stack stack;
    uint8_t program[];
};

static _Noreturn void give_up(const char *what)
{
    fprintf(stderr, "potad: cannot run programs apart: %s: %s\n", what, strerror(errno));
    abort();
}

/* The worker. What is static is there once in its process. */

static struct trial_shared *own;
static struct executor executor;

/* NOLINTBEGIN(bugprone-reserved-identifier): the sanitizers' */
__attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)(void));
__attribute__((weak)) const char *__asan_get_report_description(void);
__attribute__((weak)) void *__asan_get_report_address(void);
__attribute__((weak)) void __ubsan_get_current_report_data(const char **kind, const char **message,
                                                           const char **file, unsigned *line,
                                                           unsigned *column, char **address);
void __ubsan_on_report(void);
/* NOLINTEND(bugprone-reserved-identifier) */

/* Not _exit(): a sanitizer may wait there for a lock that is held. */
static _Noreturn void die(void)
{
    syscall(SYS_exit_group, 1);
    __builtin_unreachable();
}

static bool is_simulated(const void *address)
{
    pfn_t pfn;
    return simmem_frame_of(&executor.harness.mem, address, &pfn);
}

/* Context: before AddressSanitizer prints what it has found, which takes long. */
static void note_report(void)
{
    call_stack_take(&own->stack);
    snprintf(own->report, sizeof(own->report), "asan-%s", __asan_get_report_description());
    own->touched = is_simulated(__asan_get_report_address());
    die();
}

/* Called by UndefinedBehaviorSanitizer likewise. */
/* NOLINTNEXTLINE(bugprone-reserved-identifier) */
void __ubsan_on_report(void)
{
    const char *kind;
    const char *message;
    const char *file;
    unsigned line;
    unsigned column;
    char *address;
    if (own == NULL || __ubsan_get_current_report_data == NULL) {
        return; /* in no worker, it is printed as usual */
    }
    call_stack_take(&own->stack);
    __ubsan_get_current_report_data(&kind, &message, &file, &line, &column, &address);
    snprintf(own->report, sizeof(own->report), "ubsan-%s", kind);
    snprintf(own->detail, sizeof(own->detail), "%s", message);
    die();
}

/* Of the other sanitizers, who have printed it. */
static void note_death(void)
{
    call_stack_take(&own->stack);
    die();
}

static void note_violation(void)
{
    call_stack_take(&own->stack);
}

static void note_signal(int number, siginfo_t *info, void *machine)
{
    (void)machine;
    call_stack_take(&own->stack);
    own->signal = number;
    own->touched = number == SIGSEGV && is_simulated(info->si_addr);
    die();
}

static void catch_signals(void)
{
    static const int numbers[] = {SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGPROF};
    static char memory[SIGNAL_STACK_BYTES]; /* the other one may be used up */
    const stack_t stack = {.ss_sp = memory, .ss_size = sizeof(memory)};
    struct sigaction action = {.sa_sigaction = note_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    sigaltstack(&stack, NULL);
    for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        sigaction(numbers[i], &action, NULL);
    }
    signal(SIGINT, SIG_IGN); /* who asks decides when to end */
}

static void run_program(struct program *program)
{
    struct case_error error;
    own->booted = false;
    own->violated = false;
    own->stack.depth = 0;
    /* What no file can hold is no case. */
    if (!case_decode(program, own->program, own->bytes, &error)) {
        return;
    }
    executor.validate_period = own->validate_period;
    time_limit_set(own->seconds);
    bool clean =
        own->twice ? executor_run_twice(&executor, program) : executor_run(&executor, program);
    time_limit_set(0);
    own->booted = executor.harness.opened;
    own->violated = !clean;
    if (own->violated) {
        snprintf(own->name, sizeof(own->name), "%s", executor.harness.report.name);
        memcpy(own->detail, executor.harness.report.detail, sizeof(own->detail));
        own->op = executor.op_index;
    }
}

static _Noreturn void serve(const struct trials *trials, int channel)
{
    struct program program;
    char turn;
    own = trials->shared;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(trials->output, STDOUT_FILENO);
    dup2(trials->output, STDERR_FILENO);
    call_stack_take(&own->stack); /* the first time, it loads a library */
    executor_init(&executor, trials->subject, trials->slots);
    executor.harness.on_violation = note_violation;
    simmem_on_report = note_report;
    if (__sanitizer_set_death_callback != NULL) {
        __sanitizer_set_death_callback(note_death);
    }
    catch_signals();
    program_init(&program);
    while (read(channel, &turn, 1) == 1) {
        run_program(&program);
        fflush(NULL);
        if (write(channel, &turn, 1) != 1) {
            break;
        }
    }
    _exit(0);
}

/* Who asks. */

void trials_open(struct trials *trials, const struct subject *subject,
                 const struct program *program)
{
    *trials = (struct trials){.subject = subject,
                              .slots = program->slots,
                              .validate_period = TRIAL_VALIDATE_PERIOD,
                              .seconds = TRIAL_SECONDS,
                              .channel = -1};
    trials->shared_bytes = sizeof(*trials->shared) + case_encoded_bytes(program);
    void *memory =
        mmap(NULL, trials->shared_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        give_up("mmap");
    }
    trials->shared = memory;
    trials->output = memfd_create("output", MFD_CLOEXEC);
    if (trials->output < 0 || fcntl(trials->output, F_SETFL, O_APPEND) != 0) {
        give_up("memfd_create");
    }
}

/* Return: how it ended. */
static int worker_end(struct trials *trials)
{
    int status = 0;
    close(trials->channel);
    while (waitpid(trials->worker, &status, 0) < 0 && errno == EINTR) {
    }
    trials->worker = 0;
    return status;
}

void trials_close(struct trials *trials)
{
    if (trials->worker != 0) {
        worker_end(trials);
    }
    munmap(trials->shared, trials->shared_bytes);
    close(trials->output);
    *trials = (struct trials){0};
}

static void worker_start(struct trials *trials)
{
    int ends[2];
    fflush(NULL);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        give_up("socketpair");
    }
    int process = fork();
    if (process < 0) {
        give_up("fork");
    }
    if (process == 0) {
        close(ends[0]);
        serve(trials, ends[1]);
    }
    close(ends[1]);
    trials->channel = ends[0];
    trials->worker = process;
    trials->forks++;
}

/* Waits for the answer for @ms. Return: as poll(). */
static int channel_wait(const struct trials *trials, int ms)
{
    struct pollfd waiting = {.fd = trials->channel, .events = POLLIN};
    int ready = poll(&waiting, 1, ms);
    while (ready < 0 && errno == EINTR) {
        ready = poll(&waiting, 1, ms);
    }
    return ready;
}

/* Waits for the answer, as long as may be. Return: whether there is one; if not, the worker is
 * dead, or is late, and was told to say where it stands. */
static bool answer_wait(const struct trials *trials, bool *late)
{
    char turn;
    int ready = channel_wait(trials, (int)trials->seconds * WALL_FACTOR * MS);
    *late = ready == 0;
    if (*late) {
        kill(trials->worker, SIGPROF);
        channel_wait(trials, LAST_WORDS_MS);
        return false;
    }
    return ready > 0 && read(trials->channel, &turn, 1) == 1;
}

/* The first line that the worker printed behind @mark, or NULL. */
static const char *said(const char *output, const char *mark, char *line, size_t bytes)
{
    const char *at = strstr(output, mark);
    if (at == NULL) {
        return NULL;
    }
    at += strlen(mark);
    snprintf(line, bytes, "%.*s", (int)strcspn(at, "\n"), at);
    return line;
}

/* "EXPRESSION (FILE:LINE)" without the place, which moves: what tells assertions apart. */
static void name_assertion(char *name, size_t bytes, const char *line)
{
    const char *place = strrchr(line, '(');
    size_t length = place == NULL || place == line ? strlen(line) : (size_t)(place - line) - 1;
    snprintf(name, bytes, "assert(%.*s)", (int)length, line);
}

/* Not sigabbrev_np(): glibc has that from 2.32 on, and images that fuzz targets are built in do
 * not. */
static void name_signal(char *name, size_t bytes, int number)
{
    static const char *const names[] = {
        [SIGHUP] = "HUP",   [SIGINT] = "INT",   [SIGQUIT] = "QUIT", [SIGILL] = "ILL",
        [SIGTRAP] = "TRAP", [SIGABRT] = "ABRT", [SIGBUS] = "BUS",   [SIGFPE] = "FPE",
        [SIGKILL] = "KILL", [SIGSEGV] = "SEGV", [SIGPIPE] = "PIPE", [SIGALRM] = "ALRM",
        [SIGTERM] = "TERM", [SIGXCPU] = "XCPU", [SIGXFSZ] = "XFSZ", [SIGPROF] = "PROF",
        [SIGSYS] = "SYS",
    };
    unsigned index = (unsigned)number;
    if (index < sizeof(names) / sizeof(names[0]) && names[index] != NULL) {
        snprintf(name, bytes, "SIG%s", names[index]);
    } else {
        snprintf(name, bytes, "SIG%d", number);
    }
}

/* Why the worker died, from what it left behind. */
static void name_crash(const struct trial_shared *shared, const char *output, int status,
                       char *name, size_t bytes, char *detail)
{
    char line[REPORT_MAX];
    if (shared->touched) {
        snprintf(name, bytes, "%s", check_name(CHECK_FORBIDDEN_TOUCH));
        snprintf(detail, REPORT_MAX, "%s", check_sentence(CHECK_FORBIDDEN_TOUCH));
    } else if (shared->report[0] != '\0') {
        snprintf(name, bytes, "%s", shared->report);
        snprintf(detail, REPORT_MAX, "%s",
                 shared->detail[0] != '\0' ? shared->detail : shared->report);
    } else if (said(output, "potad: violated: assert: ", line, sizeof(line)) != NULL) {
        name_assertion(name, bytes, line);
        memcpy(detail, line, sizeof(line));
    } else if (said(output, "potad: violated: lock-order: ", line, sizeof(line)) != NULL) {
        snprintf(name, bytes, "lock-order");
        memcpy(detail, line, sizeof(line));
    } else if (shared->signal != 0 || WIFSIGNALED(status)) {
        int number = shared->signal != 0 ? shared->signal : WTERMSIG(status);
        name_signal(name, bytes, number);
        snprintf(detail, REPORT_MAX, "%s", strsignal(number));
    } else {
        snprintf(name, bytes, "exit");
        snprintf(detail, REPORT_MAX, "the process ended with status %d", WEXITSTATUS(status));
    }
}

/* Says in @trial how the worker came to its end. */
static void settle_dead(struct trials *trials, bool late, struct trial *trial)
{
    struct trial_shared *shared = trials->shared;
    char output[OUTPUT_MAX] = "";
    char name[SIGNATURE_NAME_MAX];
    if (late) {
        kill(trials->worker, SIGKILL);
    }
    int status = worker_end(trials);
    ssize_t size = pread(trials->output, output, sizeof(output) - 1, 0);
    output[size > 0 ? size : 0] = '\0';
    bool endless = late || shared->signal == SIGPROF;
    if (endless) {
        snprintf(name, sizeof(name), "timeout");
        snprintf(trial->detail, sizeof(trial->detail), "no end within %u s", trials->seconds);
    } else {
        name_crash(shared, output, status, name, sizeof(name), trial->detail);
    }
    trial->end = TRIAL_FAILED;
    trial->crashed = true;
    signature_make(&trial->signature, name, &shared->stack, endless);
}

static void settle(const struct trials *trials, struct trial *trial)
{
    const struct trial_shared *shared = trials->shared;
    trial->end = shared->booted ? TRIAL_CLEAN : TRIAL_NOT_RUN;
    if (shared->violated) {
        trial->end = TRIAL_FAILED;
        trial->op = shared->op;
        memcpy(trial->detail, shared->detail, sizeof(trial->detail));
        signature_make(&trial->signature, shared->name, &shared->stack, false);
    }
}

static uint64_t now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000U + (uint64_t)time.tv_nsec;
}

void trial_run(struct trials *trials, const struct program *program, struct trial *trial)
{
    struct trial_shared *shared = trials->shared;
    uint64_t start = now_ns();
    bool late = false;
    shared->validate_period = trials->validate_period;
    shared->seconds = trials->seconds;
    shared->twice = trials->twice;
    shared->bytes = case_encoded_bytes(program);
    shared->signal = 0;
    shared->touched = false;
    shared->report[0] = '\0';
    shared->detail[0] = '\0';
    shared->stack.depth = 0;
    case_encode(program, shared->program);
    if (ftruncate(trials->output, 0) != 0) {
        give_up("ftruncate");
    }
    if (trials->worker == 0) {
        worker_start(trials);
    }
    *trial = (struct trial){.op = program->ops_count};
    trials->executions++;
    if (send(trials->channel, "", 1, MSG_NOSIGNAL) == 1 && answer_wait(trials, &late)) {
        settle(trials, trial);
    } else {
        settle_dead(trials, late, trial);
    }
    trial->ns = now_ns() - start;
}

void trial_run_first(struct trials *trials, const struct program *program, struct trial *trial)
{
    trial_run(trials, program, trial);
    if (trial->end == TRIAL_CLEAN && !trials->twice) {
        trials->twice = true;
        trial_run(trials, program, trial);
        trials->twice = trial->end == TRIAL_FAILED;
    }
}

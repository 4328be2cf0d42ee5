/* SPDX-License-Identifier: MIT
 *
 * simmem_watch.c: names the violation when a frame is touched that must not be.
 */
#include "fuzzers/check.h"
#include "fuzzers/simmem.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define WATCH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WATCH_ASAN 1
#endif
#endif

static const struct simmem *volatile watched;

void (*simmem_on_report)(void);

/* Context: a signal handler may call it. Return: whether the touch is of watched memory. */
static bool say_touched(const void *address)
{
    pfn_t pfn;
    if (watched == NULL || !simmem_frame_of(watched, address, &pfn)) {
        return false;
    }
    char line[200];
    int length =
        snprintf(line, sizeof(line),
                 "potad: violated: forbidden-touch: %s\npotad:   frame %#llx, address %p\n",
                 check_sentence(CHECK_FORBIDDEN_TOUCH), (unsigned long long)pfn, address);
    ssize_t written = write(STDERR_FILENO, line, (size_t)length);
    (void)written;
    return true;
}

#ifdef WATCH_ASAN

#include <sanitizer/asan_interface.h>

/* Called by AddressSanitizer before it reports a touch of poisoned memory. */
void __asan_on_error(void);
void __asan_on_error(void)
{
    say_touched(__asan_get_report_address());
    if (simmem_on_report != NULL) {
        simmem_on_report();
    }
}

#endif

/* Who handled SIGSEGV before: a sanitizer or an engine, perhaps. */
static struct sigaction handled_before;

static void on_fault(int number, siginfo_t *info, void *context)
{
    (void)context;
    bool touched = say_touched(info->si_addr);
    if (touched && handled_before.sa_handler == SIG_DFL) {
        _exit(1);
    }
    /* The access is made again, and whoever was here before tells the rest. */
    sigaction(number, &handled_before, NULL);
}

void simmem_watch(const struct simmem *mem)
{
    static bool installed;
    watched = mem;
    if (!installed) {
        struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
        sigemptyset(&action.sa_mask);
        sigaction(SIGSEGV, &action, &handled_before);
        installed = true;
    }
}

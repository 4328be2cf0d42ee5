/* SPDX-License-Identifier: MIT
 *
 * trial.h: runs of programs that may crash, hang, or be ended by a sanitizer, each of which is an
 * answer as any other. They are run in a process of their own, which goes on to the next program
 * for as long as it lives: so a violation costs two turns of the scheduler, and only a crash a
 * fork.
 *
 *   who asks ── program, in shared memory ──> worker: executor_run()
 *            <── what came of it, or its end ──
 */
#ifndef POTAD_FUZZERS_SHRINK_TRIAL_H
#define POTAD_FUZZERS_SHRINK_TRIAL_H

#include "fuzzers/executor.h"
#include "fuzzers/shrink/signature.h"

enum trial_end {
    TRIAL_CLEAN,
    TRIAL_NOT_RUN, /* the map has no room for metadata */
    TRIAL_FAILED
};

struct trial {
    enum trial_end end;
    struct signature signature; /* of TRIAL_FAILED; also the next two */
    char detail[REPORT_MAX];    /* in one line */
    uint32_t op;                /* at which it was found, the number of operations: behind all */
    bool crashed;               /* it ended the process */
    uint64_t ns;
};

struct trial_shared;

struct trials {
    const struct subject *subject;
    uint32_t validate_period; /* as executor.validate_period */
    uint32_t seconds;         /* of processor time that one run may take */
    bool twice;               /* each program is run twice, and must end in the same state */
    uint64_t executions;
    uint64_t forks;
    /* Its own: */
    uint32_t slots; /* that programs have at most */
    struct trial_shared *shared;
    size_t shared_bytes;
    int output;  /* what the worker prints */
    int channel; /* to the worker */
    int worker;  /* process, 0: there is none */
};

enum { TRIAL_VALIDATE_PERIOD = 16, TRIAL_SECONDS = 10 }; /* as the fuzz targets */

/* Makes one for @subject, for programs no larger than @program. Aborts where there is no memory or
 * no process. */
void trials_open(struct trials *trials, const struct subject *subject,
                 const struct program *program);
void trials_close(struct trials *trials);

/* Runs @program. */
void trial_run(struct trials *trials, const struct program *program, struct trial *trial);

/* The same, and where it runs clean, once more twice in a row, as all later ones then are: what
 * differs from run to run is a violation, too. */
void trial_run_first(struct trials *trials, const struct program *program, struct trial *trial);

#endif

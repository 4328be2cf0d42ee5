/* SPDX-License-Identifier: MIT
 *
 * finding.h: what a run can find wrong, by name, and the first one that it did. Where the fuzzers
 * check the same, the name is theirs (fuzzers/check.h).
 */
#ifndef POTAD_STRESS_FINDING_H
#define POTAD_STRESS_FINDING_H

#include "stress/relaxed.h"

#include <pthread.h>

/* X(id, name, sentence) */
#define FINDING_TABLE(X)                                                                           \
    X(FINDING_OVERLAP, "overlap", "a frame was given out while it had an owner")                   \
    X(FINDING_OWNERSHIP, "ownership", "a frame that is given back has another owner")              \
    X(FINDING_CONTAINMENT, "containment", "a block or object is not where or what was asked for")  \
    X(FINDING_METADATA_HOME, "metadata-home", "metadata in frames that are not for it")            \
    X(FINDING_ACCEPT, "accept", "memory is used before it was accepted, or accepted twice")        \
    X(FINDING_FAILED_FRAME, "failed-frame", "a frame was given out after it had failed")           \
    X(FINDING_LOOKUP, "lookup", "a frame does not lead to what it belongs to")                     \
    X(FINDING_OBJECT_CORRUPT, "object-corrupt", "a slab object changed under its owner")           \
    X(FINDING_RESERVE, "reserve", "an object that was set aside could not be taken")               \
    X(FINDING_STATUS, "status", "a call answered what it had no reason to")                        \
    X(FINDING_MIGRATE, "migrate", "an owner was told what it had no reason to hear of a move")     \
    X(FINDING_COMPACT, "compact", "compaction did not keep to its limits")                         \
    X(FINDING_LIFETIME, "lifetime", "a reference leads to what has ended")                         \
    X(FINDING_INVARIANT, "invariant", "the subject's own validation failed")                       \
    X(FINDING_ACCOUNTING, "accounting", "the subject's numbers are not those of the shadow table") \
    X(FINDING_NOT_WHOLE, "not-whole", "all is free, and memory is not as after boot")              \
    X(FINDING_UNTRUE_READ, "untrue-read", "a reader was told what was not so during its call")     \
    X(FINDING_PASSED_OVER, "passed-over", "a reader was not told what was there all the time")     \
    X(FINDING_GRACE_PERIOD, "grace-period",                                                        \
      "a grace period ended before a section that it is for")                                      \
    X(FINDING_NO_PROGRESS, "no-progress", "a thread was stuck in one operation")

/* What only the explorer finds, or somebody says whom it runs: X(name, sentence) */
#define EXPLORED_TABLE(X)                                                                          \
    X("deadlock", "no thread can go on: each waits for another")                                   \
    X("livelock", "threads go on and on, and none gets to an end")                                 \
    X("hang", "threads that go on come to a step, or to an end")                                   \
    X("linearizability", "no order of the calls, one after another, has them answer so")           \
    X("lock-order", "locks are taken in one order, and what they cover is changed with them held") \
    X("assert", "an assertion of the allocator failed")                                            \
    X("boot", "the allocator boots where its map has room")                                        \
    X("tsan", "ThreadSanitizer saw a data race")                                                   \
    X("sanitizer", "a sanitizer ended the process")                                                \
    X("crash", "a signal ended the process")                                                       \
    X("exit", "the process ended by itself")

enum finding {
#define X(id, name, sentence) id,
    FINDING_TABLE(X)
#undef X
        FINDINGS
};

enum { FINDING_TEXT_MAX = 240 };

/* The first finding of a run; later ones are mostly its consequences. */
struct findings {
    pthread_mutex_t lock;
    relaxed_word_t any; /* 1 as soon as something was found */
    enum finding first;
    char text[FINDING_TEXT_MAX]; /* what, where, and by whom */
};

void findings_init(struct findings *findings);
void findings_destroy(struct findings *findings);

/* Records a finding and prints it to stderr, unless it is not the first. Context: any thread. */
void findings_add(struct findings *findings, enum finding finding, const char *text);

static inline bool findings_any(const struct findings *findings)
{
    return relaxed_load(&findings->any) != 0;
}

const char *finding_name(enum finding finding);
const char *finding_sentence(enum finding finding);

/* The sentence of what has @name: a finding, what only the explorer finds, a check of the fuzzers
 * or an invariant of the core. Return: "" where there is none. */
const char *finding_sentence_of(const char *name);

#endif

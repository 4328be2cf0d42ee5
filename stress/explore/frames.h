/* SPDX-License-Identifier: MIT
 *
 * frames.h: what can be said of a history of any length, frame by frame, in one walk through it.
 * All that is found is wrong in every order of the calls; what depends on the order is for
 * linear.h. The time follows the calls and the frames that they are about: 0.2 us for 12 calls of
 * one to four frames. Whoever gives something back has been told of it before he begins.
 *
 *   alloc  ├────────┤                             the call that grants the frame
 *   free                        ├──────┤          the one that gives it back
 *                   |═══════════|                 surely owned
 *          |───────────────────────────|          owned at most
 */
#ifndef POTAD_STRESS_FRAMES_H
#define POTAD_STRESS_FRAMES_H

#include "stress/explore/calls.h"
#include "stress/finding.h"

/* A judge for maps whose spans lie in @frames frames from @start, and what its latest finding is
 * about. */
struct frames_judge {
    uint32_t call; /* the number of the call that cannot be */
    pfn_t pfn;     /* of a frame that it is about */

    /* The rest is the judge's own. */
    pfn_t start;
    uint64_t frames;
    const struct calls *calls;
    const struct call_rules *rules;
    struct frame_state *states;
    struct life *lives; /* of extents that were in use */
    uint32_t lives_count;
    uint32_t lives_max;
    struct call_note *notes;  /* of each call */
    struct name_state *names; /* of descriptors: a hash table */
    uint64_t names_mask;
    uint64_t generation; /* states of older ones are of older histories */
    uint32_t calls_max;
    bool unknown; /* there is an allocation that never returned */
};

/* Makes a judge of up to @calls_max calls. Return: whether there was memory; frames_judge_close()
 * in any case. */
bool frames_judge_open(struct frames_judge *judge, pfn_t start, uint64_t frames, uint32_t calls_max)
    __attribute__((warn_unused_result));
void frames_judge_close(struct frames_judge *judge);

/* Judges @calls; never allocates.
 * Return: the first finding by time, or FINDINGS:
 * - FINDING_OVERLAP: a frame is granted while it is surely owned.
 * - FINDING_OWNERSHIP: what is given back was not granted so.
 * - FINDING_CONTAINMENT: a block is not aligned, or not in memory that was asked for.
 * - FINDING_FAILED_FRAME: a frame is granted that had failed before the call and was not mended.
 * - FINDING_LOOKUP: a lookup or tryget answers what was at no time of it.
 * - FINDING_LIFETIME: a reference is had, or dropped, while its descriptor had ended.
 * Nothing is found in a record with lost calls, nor with more calls, or parts of splits, than there
 * is room for: eight for each call on average. */
enum finding judge_frames(struct frames_judge *judge, const struct calls *calls,
                          const struct call_rules *rules);

#endif

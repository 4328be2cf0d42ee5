/* SPDX-License-Identifier: MIT
 *
 * trim.h: makes an input smaller step by step, as long as somebody else says that it still does the
 * same: runs of operations go, large ones first, then choices of a schedule.
 */
#ifndef POTAD_FUZZERS_MUTATE_TRIM_H
#define POTAD_FUZZERS_MUTATE_TRIM_H

#include "fuzzers/case.h"

struct trim {
    const struct case_limits *limits;
    struct program program; /* as small as it is by now */
    struct program tried;   /* the last proposal */
    uint8_t *behind;        /* what is behind the program, with the mark */
    size_t behind_bytes;
    size_t behind_tried;
    uint8_t *bytes; /* of the last proposal */
    uint32_t chunk; /* operations that go at once; 0: it is the turn of what is behind them */
    uint32_t at;    /* from here on */
    uint32_t step;
    uint32_t steps; /* at most */
};

void trim_init(struct trim *trim, const struct case_limits *limits);
void trim_close(struct trim *trim);

/* Begins with the input @data. Return: steps that there may be; 0: it cannot become smaller. */
uint32_t trim_begin(struct trim *trim, const uint8_t *data, size_t size);

/* Proposes an input that is smaller than the last one that was good. Context: the last step said
 * that there is one more. Return: its size; the bytes are *@out until the next call. */
size_t trim_propose(struct trim *trim, const uint8_t **out);

/* Hears whether the proposal is as good. Return: the number of the next step; from what
 * trim_begin() said on, there is none. */
uint32_t trim_judge(struct trim *trim, bool good);

#endif

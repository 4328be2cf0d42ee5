/* SPDX-License-Identifier: MIT
 *
 * harness_range.h: a map by ranges on the subject, with a flat model beside it. While the subject
 * works on one operation there are two models, before and after it: what readers see between a
 * writer's steps is in one of them.
 */
#ifndef POTAD_FUZZERS_HARNESS_RANGE_H
#define POTAD_FUZZERS_HARNESS_RANGE_H

#include "fuzzers/case.h"
#include "fuzzers/range_model.h"

struct harness;

/* A reader that stays in its section, with what it began with. */
struct harness_section {
    void *handle; /* NULL: none is open */
    uint64_t root;
    struct range_model then;
    uint64_t changes; /* made when it began */
};

struct harness_range {
    void *tree; /* NULL: there is none */
    struct range_model now;
    struct range_model next; /* what the present operation makes of it */
    struct harness_section sections[CASE_SECTIONS];
    unsigned sections_open;
    struct range_entry *changes; /* made since the first open section began; value 0: emptied */
    uint64_t changes_count;
    uint64_t changes_capacity;
    uint64_t first; /* the keys of the present operation */
    uint64_t last;
    uint64_t steps;   /* of it */
    uint64_t storing; /* the value that it stores under all of them; 0: it does not */
    bool writing;
    uint64_t prepared; /* stores that cannot fail */
    uint64_t serial;   /* the value stored last: each has its own */
    uint64_t random;
};

/* Makes the map, if there is none. Context of all that follows but _reset() and _free(): there is.
 * Return: whether there is one. */
bool harness_range_open(struct harness *harness);

/* Empties it, from sections to nodes. */
void harness_range_close(struct harness *harness);

/* @first > @last: what is refused. */
void harness_range_store(struct harness *harness, uint64_t first, uint64_t last, bool only_empty);
void harness_range_clear(struct harness *harness, uint64_t first, uint64_t last);
void harness_range_erase(struct harness *harness, uint64_t key);
void harness_range_load(struct harness *harness, uint64_t key);
void harness_range_gap(struct harness *harness, const struct range_gap_request *request);
void harness_range_prepare(struct harness *harness, uint64_t stores);

/* @entries: in any order; each value that is not 0 is given a serial one. */
void harness_range_build(struct harness *harness, struct range_entry *entries, uint64_t count);

/* Begins section @slot, or ends it. */
void harness_range_enter(struct harness *harness, unsigned slot);
void harness_range_exit(struct harness *harness, unsigned slot);

/* Compares all of the map with the model, and has the subject check itself. */
void harness_range_validate(struct harness *harness);

/* For a new boot; for good. */
void harness_range_reset(struct harness_range *range);
void harness_range_free(struct harness_range *range);

#endif

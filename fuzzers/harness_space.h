/* SPDX-License-Identifier: MIT
 *
 * harness_space.h: spaces of units that need not be memory on the subject, each with its model. The
 * descriptor of each allocated block, and of each part of a run, carries a pattern of its own.
 */
#ifndef POTAD_FUZZERS_HARNESS_SPACE_H
#define POTAD_FUZZERS_HARNESS_SPACE_H

#include "fuzzers/case.h"
#include "fuzzers/space_model.h"
#include "fuzzers/subject.h"

_Static_assert((int)CASE_SPACES <= (int)SUBJECT_SPACES_MAX, "each has its subject's");

struct harness;

struct harness_space {
    bool used;
    uint32_t homes;
    uint64_t descriptor_bytes;
    uint64_t blocks; /* allocated */
    struct space_model model;
};

struct harness_space_block {
    struct subject_space_block block;
    uint32_t space;
    bool used;
    uint64_t serial; /* tells its descriptor's pattern from that of any other */
};

enum {
    /* The blocks of a run first rise in size, then fall: each size comes once on either side. */
    HARNESS_RUN_PARTS = 2 * ORDERS
};

struct harness_space_run {
    struct unit_run run;
    uint32_t space;
    bool used;
    uint64_t serial;                            /* of its first part */
    const void *descriptors[HARNESS_RUN_PARTS]; /* of its parts; of more than these, the first */
};

struct harness_spaces {
    struct harness_space spaces[CASE_SPACES];
    struct harness_space_block *blocks; /* as many as harness->blocks */
    struct harness_space_run runs[CASE_CONTIGS];
    uint32_t blocks_end; /* behind the last number used since boot */
    uint64_t serial;
};

/* Makes space @number, which there is not. Context of those below: there is. */
void harness_space_add(struct harness *harness, uint32_t number,
                       const struct subject_space_config *config);
void harness_space_remove(struct harness *harness, uint32_t number);

/* Allocates block number @index, an unused one. Return: whether there is a block now. */
bool harness_space_alloc(struct harness *harness, uint32_t number, order_t order, uint32_t index);
void harness_space_free(struct harness *harness, uint32_t index);

/* Splits block @index; its other parts become the @parts, order(block) - @order unused numbers.
 * Return: whether it is split now. */
bool harness_space_split(struct harness *harness, uint32_t index, order_t order,
                         const uint32_t *parts);

/* Allocates the run that @request asks for as number @index, an unused one. Return: whether there
 * is a run now. */
bool harness_space_alloc_run(struct harness *harness, uint32_t number,
                             const struct unit_run_request *request, uint32_t index);
void harness_space_free_run(struct harness *harness, uint32_t index);

void harness_space_lookup(struct harness *harness, uint32_t number, uint64_t unit);

/* Has the subject check all spaces, and looks up a unit of each block. */
void harness_space_validate(struct harness *harness);

/* A hash of all spaces. */
uint64_t harness_space_hash(struct harness *harness);

/* For a new boot; for good. */
void harness_space_reset(struct harness_spaces *spaces);
void harness_space_close(struct harness_spaces *spaces);

#endif

/* SPDX-License-Identifier: MIT */
#include "stress/explore/pairs.h"

#include <stdlib.h>
#include <string.h>

/* What threads find: blocks of several kinds, folios at frames 96 and 98, in memory that runs of
 * CMA may come from, objects, runs, references; 40 is free, 73 is in use and 90 has failed. */
static const char set_up[] =
    "potad-case 2\n"
    "slots 64\n"
    "cpus 2\n"
    "pageblock 3\n"
    "range zone=0 start=0x0 frames=96\n"
    "range zone=0 start=0x60 frames=16 cma\n"
    "cache-create cache=0 size=64 align=8\n"
    "cache-bulk slot=0 cache=0 count=4\n"
    "alloc slot=0 order=3 zone=any type=unmovable\n"
    "alloc slot=1 order=0 zone=any type=movable\n"
    "alloc slot=2 order=1 zone=any type=movable\n"
    "alloc slot=3 order=0 zone=any type=unmovable\n"
    "alloc-desc slot=16 order=1 zone=any desc=folio\n"
    "alloc-desc slot=17 order=0 zone=any desc=folio\n"
    "ref-folio slot=16\n"
    "ref-folio slot=17\n"
    "contig slot=0 zone=any units=3 align=1 type=unmovable frame=0 within=0\n"
    "contig slot=1 zone=any units=2 align=1 type=unmovable frame=0 within=0\n"
    "memory-failure frame=90\n";

/* The operations, as each thread does them. Two threads that use something take it from the same
 * slot on, so that the second one gets the next. */
static const char *const operations[] = {
    "alloc slot=32 order=0 zone=any type=unmovable",
    "alloc slot=32 order=3 zone=any type=movable",
    "alloc-desc slot=32 order=1 zone=any desc=folio",
    "alloc-node slot=32 order=0 type=unmovable node=0 below=normal reserve=0",
    "alloc-compact slot=32 order=3 zone=any type=unmovable",
    "free slot=1",
    "free slot=16",
    "split slot=0 order=1",
    "lookup frame=90",
    "memory-failure frame=40",
    "memory-failure frame=73",
    "memory-failure frame=96",
    "unpoison frame=90",
    "cache-create cache=1 size=2000 align=16",
    "cache-alloc slot=8 cache=0",
    "cache-bulk slot=8 cache=0 count=3",
    "cache-free slot=0",
    "cache-destroy cache=1",
    "shrink",
    "contig slot=2 zone=any units=5 align=1 type=movable frame=0 within=0",
    "contig-cma slot=2 zone=any units=5 align=1 frame=0 within=0",
    "contig-free slot=0",
    "compact order=4 zone=any type=unmovable count=0",
    "ref slot=8 frame=96",
    "ref-folio slot=16",
    "put slot=0",
    "cpu-offline cpu=1",
    "cpu-online cpu=1",
};

enum {
    OPERATIONS = sizeof(operations) / sizeof(operations[0]),
    TEXT_MAX = 4096,
    PAIRS = OPERATIONS * (OPERATIONS + 1) / 2
};

uint32_t pairs_count(void)
{
    return PAIRS;
}

void pairs_make(struct program *program, uint32_t index)
{
    char text[TEXT_MAX];
    struct case_error error;
    uint32_t first = 0;
    while (index >= OPERATIONS - first) {
        index -= OPERATIONS - first;
        first++;
    }
    const char *one = operations[first];
    const char *other = operations[first + index];
    snprintf(text, sizeof(text), "%s%s thread=1\n%s thread=2\n%s thread=1\n%s thread=2\n", set_up,
             one, one, other, other);
    program_free(program);
    program_init(program);
    if (!case_parse(program, text, strlen(text), &error)) {
        fprintf(stderr, "potad-stress: a pair cannot be read: %s\n", error.text);
        abort();
    }
}

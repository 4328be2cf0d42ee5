/* SPDX-License-Identifier: MIT
 *
 * range_scene.h: one range tree, its one writer, and its readers.
 *
 *   thread 0: writer          ──► tree ──► threads 1 to N: readers, in sections of the epoch
 *      │ begun, done                          │ what they were told, between which two moments
 *      ▼                                      ▼
 *   history: what was true  ◄── compared ──  reads              while all stand still
 *
 * Nodes come from malloc() and go back to free(), so that sanitizers see each node that is touched
 * too late.
 */
#ifndef POTAD_STRESS_RANGE_SCENE_H
#define POTAD_STRESS_RANGE_SCENE_H

#include "stress/history.h"
#include "stress/run.h"

enum {
    READS_MAX = 1 << 15, /* of one reader between two checks */
    HOT_UNITS = 256      /* units that all threads prefer */
};

/* The writer's time: see history.h. */
struct range_clock {
    _Alignas(CACHE_LINE) relaxed_word_t begun;
    relaxed_word_t done;
    relaxed_word_t hot; /* the first of HOT_UNITS */
};

struct range_reader {
    /* Number of its open section, or 0: written by the reader inside of it. */
    _Alignas(CACHE_LINE) relaxed_word_t section;
    uint64_t sections;
    struct read *reads;
    uint32_t count;
};

/* What the writer does at the moment, and its accounts. Other threads touch none of it. */
struct range_writer {
    bool thins;            /* erases more than it stores, until goal */
    uint32_t goal;         /* ranges */
    uint32_t cursor;       /* where it erases on */
    uint32_t erased_first; /* units of the last range that it erased */
    uint32_t erased_last;
    uint64_t serial;               /* of the last value */
    uint64_t now;                  /* operations begun */
    uint64_t taken;                /* nodes, from malloc() */
    uint64_t given;                /* to free() */
    uint64_t events[RANGE_EVENTS]; /* of the tree, as far as they were counted */
    unsigned height;
};

struct range_scene {
    struct range_clock clock;
    struct range_tree tree;
    struct epoch epoch;
    struct range_source source;
    struct keyspace keys;
    struct history history;
    struct range_writer writer;
    unsigned threads;
    struct range_reader readers[THREADS_MAX]; /* that of the writer is unused */
};

extern const struct scene scene_range;

/* A random unit, often one of the hot ones. */
uint32_t range_scene_unit(struct range_scene *scene, struct random *random);

/* One piece of work of the writer, and of a reader. */
void range_writer_step(struct worker *worker, struct range_scene *scene);
void range_reader_step(struct worker *worker, struct range_scene *scene);

/* Empties the tree, sometimes. */
void range_writer_drain(struct worker *worker, struct range_scene *scene);

#endif

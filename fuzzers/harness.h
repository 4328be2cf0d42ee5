/* SPDX-License-Identifier: MIT
 *
 * harness.h: one subject on simulated memory, with the model beside it. Each function here does
 * one operation on both and compares what can be compared at a cost that fuzzing bears; the first
 * difference is kept as the violation, and nothing more is done after it.
 *
 *   executor, trace ──> harness ──> subject ──> (port) ──> harness: memory, model, faults
 *
 * One thread.
 */
#ifndef POTAD_FUZZERS_HARNESS_H
#define POTAD_FUZZERS_HARNESS_H

#include "fuzzers/check.h"
#include "fuzzers/fault.h"
#include "fuzzers/harness_range.h"
#include "fuzzers/harness_space.h"
#include "fuzzers/model.h"
#include "fuzzers/simmem.h"
#include "fuzzers/subject.h"

enum { REPORT_MAX = 240 };

struct report {
    const char *name; /* of the violated check or invariant; NULL: none is */
    const char *sentence;
    char detail[REPORT_MAX];
};

/* A block that the harness holds. */
struct harness_block {
    _Alignas(MEMDESC_ALIGN) struct memdesc descriptor; /* for a type other than MEMDESC_NONE */
    struct subject_block block;
    enum memdesc_type type;
    enum migratetype migratetype;
    bool used;
    bool moving;   /* has agreed to move, and not heard yet what became of it */
    bool ended;    /* its owner has dropped it; there are other references left */
    uint32_t refs; /* the harness has to it, beside the owner's own */
};

/* A reference that the harness holds. */
struct harness_ref {
    uint32_t block; /* number */
    bool used;
};

struct harness_refs {
    struct harness_ref held[CASE_REFS];
    uint32_t ended;            /* blocks that are */
    struct harness_block *due; /* whose last reference is just being dropped: is to be released */
};

/* A run that the harness holds. */
struct harness_contig {
    struct contig contig;
    enum migratetype migratetype; /* of its parts */
    bool used;
};

struct harness_cache {
    void *handle;
    uint64_t size;
    uint64_t align;
    uint64_t live;
    struct kmem_reserve reserve;
    uint64_t reserved; /* objects that are to be in it */
    bool used;
};

struct harness_object {
    unsigned char *object;
    struct harness_cache *cache;
    uint64_t serial; /* tells its pattern from that of any other object */
    bool used;
};

/* What the owners of one type of descriptor hear of failures. */
struct harness_ear {
    struct harness *harness;
    enum memdesc_type type;
};

/* What owners have heard in the present operation. */
struct harness_told {
    uint32_t count;
    enum memdesc_type type; /* of the last one */
    const struct memdesc *descriptor;
    pfn_t pfn;
};

/* CPUs, and what they keep. */
struct harness_cpus {
    uint32_t asked;   /* for the next boot; 0: there are none, and the port has no cpu_enter() */
    uint32_t count;   /* of this boot: these came online first */
    uint32_t current; /* that the harness is on; CPUS_MAX: none */
    uint64_t online;  /* bit n: CPU n is */
    struct subject_cached *kept; /* when they were listed last */
    uint32_t kept_count;
    uint32_t kept_room;
};

/* What owners have heard in the present operation of moves. */
struct harness_compaction {
    order_t order;  /* of the block that is to be made; 0: none is */
    uint64_t tried; /* frames of blocks that were asked about */
    uint64_t moved; /* and of those that have moved */
};

struct harness {
    const struct subject *subject;
    void *instance;
    struct port port;
    struct simmem mem;
    struct model model;
    struct fault_plan fault;
    struct report report;
    struct harness_block *blocks; /* a block's number in the model is its index here */
    uint32_t blocks_count;
    uint32_t blocks_used;
    uint32_t blocks_end; /* behind the last number used since boot */
    struct harness_contig contigs[CASE_CONTIGS];
    uint64_t contig_parts; /* blocks that the runs are made of */
    uint32_t moving;       /* blocks that are */
    struct harness_compaction compaction;
    struct harness_refs refs;
    bool opened;               /* the subject has booted */
    bool freeing;              /* the present operation must not allocate */
    bool unchanged;            /* the present operation was to leave all as it was */
    pfn_t boot_metadata_start; /* what the subject exposed while it booted */
    uint64_t boot_metadata_frames;
    uint64_t boot_free_blocks;
    uint64_t boot_hash;
    uint64_t operations;
    uint64_t objects_made;
    struct harness_ear ears[MEMDESC_TYPES];
    struct harness_told told;
    struct harness_range range;
    struct harness_spaces spaces;
    struct harness_cpus cpus;
    uint64_t exposed;           /* frames, since boot */
    void (*on_violation)(void); /* called where one is found, for its stack; NULL: nobody asks */
};

/* Makes a harness for @subject with @blocks block slots, at most CASE_SLOTS_MAX. Aborts where
 * there is no memory. */
void harness_init(struct harness *harness, const struct subject *subject, uint32_t blocks);
void harness_close(struct harness *harness);

/* Boots the subject on @map, in memory of an earlier boot where it fits. Return: whether it runs;
 * if not, harness->report says why, or the map has no room for metadata, as the model agrees. */
bool harness_boot(struct harness *harness, const struct boot_map *map);

/* Allocates what @request asks for as block number @index, an unused one. Return: whether there is
 * a block now; a violation may have been found either way. */
bool harness_alloc(struct harness *harness, const struct subject_request *request, uint32_t index);

/* Frees block @index, or drops the owner's own reference to it: where there are others, the block
 * stays in use, and has ended. */
void harness_free(struct harness *harness, uint32_t index);

/* Splits block @index; its other parts become the @parts, order(block) - @order unused numbers.
 * Return: whether it is split now. */
bool harness_split(struct harness *harness, uint32_t index, order_t order, const uint32_t *parts);

void harness_lookup(struct harness *harness, pfn_t pfn);

/* Takes a reference to the descriptor that frame @pfn leads to, as number @index, an unused one,
 * if there is one to be had. */
void harness_ref_get(struct harness *harness, pfn_t pfn, uint32_t index);

/* Drops reference @index. Return: the number of its block, not in use any more if this was the last
 * one. */
uint32_t harness_ref_put(struct harness *harness, uint32_t index);

/* Return of both: whether there is a cache, and whether it is gone. */
bool harness_cache_create(struct harness *harness, uint64_t size, uint64_t align,
                          struct harness_cache *cache);
bool harness_cache_destroy(struct harness *harness, struct harness_cache *cache);

enum { HARNESS_BULK_MAX = 64 };

/* Allocates @count (at most HARNESS_BULK_MAX) objects, all or none. */
bool harness_cache_alloc(struct harness *harness, struct harness_cache *cache, uint32_t count,
                         struct harness_object **objects);
void harness_cache_free(struct harness *harness, struct harness_object *object);

/* Sets objects aside until there are @count; takes one of them, if there are any; gives the rest
 * back. Return of the second: whether there was one. */
void harness_cache_reserve(struct harness *harness, struct harness_cache *cache, uint32_t count);
bool harness_cache_take(struct harness *harness, struct harness_cache *cache,
                        struct harness_object *object);
void harness_cache_unreserve(struct harness *harness, struct harness_cache *cache);

/* Allocates the run that @request asks for as number @index, an unused one. */
void harness_contig_alloc(struct harness *harness, const struct contig_request *request,
                          uint32_t index);
void harness_contig_free(struct harness *harness, uint32_t index);

/* Has a block made of what is free and what can move. */
void harness_compact(struct harness *harness, const struct compact_request *request);

/* Adds zone @zone of the map, or removes it. */
void harness_zone_add(struct harness *harness, zone_id_t zone);
void harness_zone_remove(struct harness *harness, zone_id_t zone);

/* Goes to the first CPU that is online from @cpu on, around; from CPUS_MAX on, to none. */
void harness_cpu_move(struct harness *harness, uint32_t cpu);

/* Brings CPU @cpu online, or takes it offline: then whoever is on it goes on to the next one. */
void harness_cpu_online(struct harness *harness, uint32_t cpu);
void harness_cpu_offline(struct harness *harness, uint32_t cpu);

/* Takes all offline. */
void harness_cpus_close(struct harness *harness);

void harness_shrink(struct harness *harness);

/* Frame @pfn, any number, fails, or is taken into use again. */
void harness_memory_failure(struct harness *harness, pfn_t pfn);
void harness_unpoison(struct harness *harness, pfn_t pfn);

/* Takes all failed frames into use again. */
void harness_unpoison_all(struct harness *harness);

/* Checks all that the subject can check of itself, the counters, and one frame of every block that
 * is held, another one each time, and one of the whole map. */
void harness_validate(struct harness *harness);

/* Checks that memory is as after boot. Context: everything is freed, and only harness_boot() or
 * harness_close() follows. */
void harness_check_whole(struct harness *harness);

/* A hash of the state: the subject's where it has one, else the model's; and of all spaces. */
uint64_t harness_state_hash(struct harness *harness);

static inline bool harness_violated(const struct harness *harness)
{
    return harness->report.name != NULL;
}

#endif

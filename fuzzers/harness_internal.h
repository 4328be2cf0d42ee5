/* SPDX-License-Identifier: MIT
 *
 * harness_internal.h: what the files of the harness share.
 */
#ifndef POTAD_FUZZERS_HARNESS_INTERNAL_H
#define POTAD_FUZZERS_HARNESS_INTERNAL_H

#include "fuzzers/harness.h"

/* Keeps the first violation. */
void harness_fail(struct harness *harness, enum check check, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Tells who asks to hear of violations that one has been found just now. */
static inline void harness_say_violated(const struct harness *harness)
{
    if (harness->on_violation != NULL) {
        harness->on_violation();
    }
}

/* Compares the subject's counters with the model: after each operation. */
void harness_settle(struct harness *harness);

/* Compares what the subject says of frame @pfn with the model. */
void harness_check_lookup(struct harness *harness, pfn_t pfn);

/* harness_cpu.c: the state of a new boot; and has CPUs come online as far as there is memory. */
void harness_cpus_reset(struct harness *harness);
void harness_cpus_boot(struct harness *harness);

/* Lists what CPUs keep. */
void harness_kept_list(struct harness *harness);

/* The same, and until harness_kept_unmark(), all of it is in use in the model, by
 * HARNESS_KEPT_OWNER and its type. What is not free is a violation. */
void harness_kept_mark(struct harness *harness);
void harness_kept_unmark(struct harness *harness);

/* The block around @pfn of those listed last, or NULL. */
const struct subject_cached *harness_kept_at(const struct harness *harness, pfn_t pfn);

/* What CPUs keep now: *@blocks of all zones, frames of @zone that a block of @type can have. */
uint64_t harness_kept_frames(const struct harness *harness, zone_id_t zone, enum migratetype type,
                             uint64_t *blocks);

/* What a failed operation must leave as it was. */
struct before {
    uint64_t model_hash;
    uint64_t accepted;
    uint64_t metadata_frames;
    uint64_t spare;      /* descriptors of blocks that could be had without memory */
    uint64_t state_hash; /* taken where a fault is armed: it costs more */
    uint64_t exposed;
    uint64_t kept_blocks; /* by CPUs */
    bool kept; /* blocks, descriptors or objects are: an operation may have drained them */
};

struct before harness_remember(struct harness *harness);

/* Frames that became metadata since, at most. */
uint64_t harness_grown(const struct harness *harness, const struct before *before);

/* Compares with what it was (F1), but for memory that was accepted: that cannot be undone. Where
 * CPUs kept something, the operation may have drained that: their blocks are free then, and what
 * described them may be so, too. So there only may be less metadata. Where a fault strikes always,
 * CPUs keep nothing before the operation, and all is compared. */
void harness_check_unchanged(struct harness *harness, const struct before *before);

/* harness_zones.c: whether blocks of @zone may be given for @request at all. */
bool harness_zone_serves(const struct harness *harness, const struct subject_request *request,
                         zone_id_t zone);

/* Free frames of @zone that a block of @type can have. */
uint64_t harness_zone_free(const struct model *model, zone_id_t zone, enum migratetype type);

/* Whether @node tries zone @a before zone @b. */
bool harness_zone_is_before(const struct boot_map *map, uint32_t node, zone_id_t a, zone_id_t b);

/* F2: whether nothing excuses a failure to allocate: some zone that will do has a block, may give
 * it away, and the descriptors for cutting it are there (@spare of them) or can be made. Taken
 * before the operation. */
bool harness_alloc_must_succeed(const struct harness *harness,
                                const struct subject_request *request, uint64_t spare);

/* Checks that the block at @pfn, granted but not yet marked in the model, is one that @request was
 * to get: zone, watermark, type. Where CPUs kept something before, it depends on what, and when it
 * was drained: then only the type of a block that was kept itself is looked at, and for others,
 * that what their zone keeps back is left. */
void harness_check_choice(struct harness *harness, const struct subject_request *request, pfn_t pfn,
                          const struct before *before);

/* Checks that memory was accepted ahead where the zone of the new block at @pfn has little left. */
void harness_check_ahead(struct harness *harness, pfn_t pfn, const struct before *before);

/* Whether the map is small enough for searches that cost as much as it has frames. */
bool harness_can_search(const struct harness *harness);

/* The type that a free block's list must have. */
enum migratetype harness_free_type(const struct harness *harness, pfn_t pfn, order_t order);

/* Compares the counts of free blocks by type. Context: harness_can_search(). */
void harness_check_types(struct harness *harness);

/* Free frames that metadata may go to. */
uint64_t harness_metadata_room(const struct harness *harness);

/* Descriptors of blocks that the subject can take without memory. */
uint64_t harness_spare_descriptors(struct harness *harness);

enum {
    /* A growing allocator takes at most this many frames for slabs of descriptors: with so many
     * left beside the block asked for, it has no excuse. */
    SLACK_FRAMES = 6,
    ADDED_SLACK_FRAMES = 16 /* more for each zone that has come later: for what maps its blocks */
};

static inline uint64_t harness_slack_frames(const struct harness *harness)
{
    const struct boot_map *map = &harness->model.map;
    uint64_t slack = SLACK_FRAMES + harness->subject->slack_frames * map->zones_count;
    for (zone_id_t zone = 0; zone < map->zones_count; zone++) {
        slack += map->zones[zone].later ? ADDED_SLACK_FRAMES : 0;
    }
    return slack;
}

/* Has the subject tell of failures, of blocks of any type. */
void harness_watch(struct harness *harness);

/* Gives @block back, and tells the model. Context: harness->freeing. */
void harness_block_free(struct harness *harness, struct harness_block *block);

/* harness_refs.c: no references are held. */
void harness_refs_reset(struct harness *harness);

/* Whether owners' descriptors of @type can be referred to by others. */
bool harness_type_is_shared(const struct harness *harness, enum memdesc_type type);

/* The owner of @block, of such a type, drops it. */
void harness_block_end(struct harness *harness, struct harness_block *block);

/* The last reference to a descriptor is gone. @context: a struct harness_ear. */
void harness_hear_release(void *context, struct memdesc *descriptor);

#define HARNESS_NO_BLOCK UINT32_MAX

/* Whether @block may not move, for others than its owner have references to it (D3). */
static inline bool harness_block_stays(const struct harness_block *block)
{
    return block->ended || block->refs > 0;
}

/* harness_contig.c: the owner of a frame that is in use, as the model has it, is run number
 * model_owner() less this where that is not below it. */
#define HARNESS_CONTIG_OWNER ((uint32_t)MODEL_OWNERS - CASE_CONTIGS)

/* Below them, while harness_kept_mark() says so: what CPUs keep, by type. */
#define HARNESS_KEPT_OWNER (HARNESS_CONTIG_OWNER - MIGRATETYPES)

/* The run that the frame @pfn, in use, is of, or NULL. */
const struct harness_contig *harness_contig_of(const struct harness *harness, pfn_t pfn);

/* What a subject asks of the owner of a block. @context: a struct harness_ear. */
bool harness_hear_migrate(void *context, struct memdesc *descriptor, struct migration *move,
                          enum migrate_stage stage);

/* A failed call has told all that agreed that they stay, another one that they have moved. */
void harness_check_moves(struct harness *harness);

/* harness_compact.c: an operation begins in which owners may be asked to make room for a block of
 * @order; 0: for none. */
void harness_compact_begin(struct harness *harness, order_t order);

/* Where such a block was @there, nobody is asked. */
void harness_check_need(struct harness *harness, bool there);

/* The owner of @block is asked: checks that its block can be in the way. */
void harness_check_asked(struct harness *harness, const struct harness_block *block);

/* F2: whether nothing excuses that compaction fails where its limits are none: some zone that will
 * do has a window of free and movable blocks only, and these find room without doubt. Taken before
 * the operation. */
bool harness_compact_must_succeed(const struct harness *harness,
                                  const struct subject_request *request);

/* Keeps the subject's own finding as the violation, if it is the first. @whole and @where: as
 * violation_text() has them. */
void harness_fail_invariant(struct harness *harness, const char *whole, const char *where,
                            const struct violation *violation);

/* Writes a pattern that depends on @serial into an object, and compares it with that. */
void harness_pattern_write(unsigned char *object, uint64_t size, uint64_t serial);
void harness_pattern_check(struct harness *harness, const unsigned char *object, uint64_t size,
                           uint64_t serial);

/* Whether all frames of an object are metadata, and accessible. */
bool harness_object_is_contained(const struct harness *harness, const unsigned char *object,
                                 uint64_t size);

/* F2 for objects: whether one of @zones (bit n: zone n; 0: any) that may hold metadata has a block
 * so large that no choice of slab order excuses a failure to have @bytes in objects of @size. */
bool harness_objects_fit(const struct harness *harness, uint32_t zones, uint64_t size,
                         uint64_t bytes);

/* harness_range_read.c: compares what readers find at @key, and all that there is, with the model.
 */
void harness_range_check_key(struct harness *harness, uint64_t key);
void harness_range_check_all(struct harness *harness);

/* Looks at the map as a reader does while the present operation is under way. @context: the
 * harness. */
void harness_range_step(void *context);

/* Looks up some keys from where open sections began; all keys of one that is about to end. */
void harness_range_check_sections(struct harness *harness);
void harness_range_check_section_end(struct harness *harness,
                                     const struct harness_section *section);

/* Fills in harness->port. */
void harness_port_init(struct harness *harness);

#endif

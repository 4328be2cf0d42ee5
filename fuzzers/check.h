/* SPDX-License-Identifier: MIT
 *
 * check.h: the names of what the harness checks from outside, next to the invariants that the
 * subject checks within itself (core/invariant.h). fuzzers/README.md says which planted bug only
 * this one catches.
 */
#ifndef POTAD_FUZZERS_CHECK_H
#define POTAD_FUZZERS_CHECK_H

#include <stddef.h>

/* X(id, name, sentence) */
#define CHECK_TABLE(X)                                                                             \
    X(CHECK_OVERLAP, "overlap", "an allocated block is made of frames that were free")             \
    X(CHECK_ALIGNMENT, "alignment",                                                                \
      "a block of order n starts at a multiple of 2^n, an object "                                 \
      "at a multiple of its alignment")                                                            \
    X(CHECK_CONTAINMENT, "containment",                                                            \
      "a block lies in the zone that was asked for, an object "                                    \
      "in the frames of a slab")                                                                   \
    X(CHECK_LOOKUP, "lookup", "every frame leads to its block's descriptor and extent (F4)")       \
    X(CHECK_COALESCING, "coalescing", "free blocks are as few and as large as can be (F6)")        \
    X(CHECK_DESCRIPTORS, "descriptors", "descriptors in use are as many as blocks and slabs")      \
    X(CHECK_METADATA_HOME, "metadata-home",                                                        \
      "metadata goes only into free, accepted frames of "                                          \
      "zones that allow it (E3)")                                                                  \
    X(CHECK_FORBIDDEN_TOUCH, "forbidden-touch",                                                    \
      "frames that are not exposed are not touched (E2)")                                          \
    X(CHECK_ACCEPT, "accept", "only free, unaccepted frames are accepted, and before use (E2)")    \
    X(CHECK_FREE_ALLOCATES, "free-allocates", "freeing enters no allocation path (A3, F3)")        \
    X(CHECK_FAILURE_STATE, "failure-state", "a failed operation leaves the state as it was (F1)")  \
    X(CHECK_RETRY, "retry",                                                                        \
      "what was refused when a step failed is done when it is tried again (F1)")                   \
    X(CHECK_SPURIOUS, "spurious-failure", "what can be met is met (F2)")                           \
    X(CHECK_STATUS, "status", "an operation answers what the model says")                          \
    X(CHECK_OBJECT, "object-corrupt", "nobody writes into an object but its owner")                \
    X(CHECK_OBJECT_COUNT, "object-count",                                                          \
      "objects in use of a cache are those that were granted or set aside (F5)")                   \
    X(CHECK_RESERVE, "reserve",                                                                    \
      "as many objects as were set aside can be taken, and no more (A4)")                          \
    X(CHECK_OWNER_TOLD, "owner-told",                                                              \
      "the owner of a frame that fails is told, once, and nobody else is (B3)")                    \
    X(CHECK_WHOLE, "not-whole", "when all is free, memory is as it was after boot")                \
    X(CHECK_DETERMINISM, "determinism", "a case run twice ends in the same state")                 \
    X(CHECK_ZONE_ORDER, "zone-order",                                                              \
      "the first zone of the node's list that can give a block gives it")                          \
    X(CHECK_WATERMARK, "watermark",                                                                \
      "what a zone keeps back it gives to those only who may use it; while it has little, it "     \
      "accepts more (E2)")                                                                         \
    X(CHECK_MIGRATETYPE, "migratetype",                                                            \
      "blocks of a type keep company: free blocks are listed, and taken, by their pageblock's")    \
    X(CHECK_RANGE_LOOKUP, "range-lookup", "a key leads to the range that was stored there (B3)")   \
    X(CHECK_GAP_SEARCH, "gap-search", "the gap found is the lowest, or highest, that serves")      \
    X(CHECK_RANGE_READER, "range-reader",                                                          \
      "between two steps of a writer, readers see what was before the operation or is after it")   \
    X(CHECK_RANGE_SNAPSHOT, "range-snapshot",                                                      \
      "a reader in its section finds what was there at some time since it began")                  \
    X(CHECK_RANGE_PREPARED, "range-prepared", "a prepared store does not fail")                    \
    X(CHECK_CONTIG, "contig", "a contiguous run is found where there is one (B6)")                 \
    X(CHECK_MIGRATE, "migrate",                                                                    \
      "an owner that agreed to move hears once what became of it, and its block leads to it")      \
    X(CHECK_REFERENCE, "reference",                                                                \
      "a frame gives a reference to the descriptor of its block, where its type has them and one " \
      "is left (D2)")                                                                              \
    X(CHECK_RELEASE, "release",                                                                    \
      "a block is released when the last reference to it goes, once, and not before (D1)")         \
    X(CHECK_COMPACT, "compact",                                                                    \
      "compaction makes the block that it says, asks only for what is in the way, and stays in "   \
      "its limits (D3)")

enum check {
#define X(id, name, sentence) id,
    CHECK_TABLE(X)
#undef X
        CHECKS
};

/* What can be found, and what is true where it is not. */
struct named_sentence {
    const char *name;
    const char *sentence;
};

/* The sentence of that of the @count ones at @all with @name. Return: NULL if there is none. */
const char *named_sentence_find(const struct named_sentence *all, size_t count, const char *name);

const char *check_name(enum check check);
const char *check_sentence(enum check check);

/* The sentence of the check, or else of the invariant of the core, with @name. Return: NULL if
 * there is none. */
const char *check_sentence_of(const char *name);

#endif

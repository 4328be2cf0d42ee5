/* SPDX-License-Identifier: MIT
 *
 * path.h: what a run counts. A workload names the paths that it is there to take: a run that took
 * none of one of them says so and is inconclusive.
 */
#ifndef POTAD_STRESS_PATH_H
#define POTAD_STRESS_PATH_H

#include "core/port.h"
#include "core/range_tree.h"
#include "fuzzers/subject.h"
#include "stress/disturb.h"

/* What moving blocks takes. */
enum { SUBJECT_MOVES = SUBJECT_CONTIG | SUBJECT_ZONES | SUBJECT_POISON };

/* X(id, name, capabilities without which it cannot be taken, or 0) */
#define PATH_TABLE(X)                                                                              \
    X(PATH_ALLOC, "alloc", 0)                                                                      \
    X(PATH_ALLOC_DESC, "alloc-desc", SUBJECT_DESC)                                                 \
    X(PATH_ALLOC_FAILED, "alloc-failed", 0)                                                        \
    X(PATH_FREE, "free", 0)                                                                        \
    X(PATH_SPLIT, "split", SUBJECT_SPLIT)                                                          \
    X(PATH_SPLIT_FAILED, "split-failed", SUBJECT_SPLIT)                                            \
    X(PATH_LOOKUP, "lookup", SUBJECT_LOOKUP)                                                       \
    X(PATH_RUN, "run", SUBJECT_CONTIG)                                                             \
    X(PATH_RUN_FAILED, "run-failed", SUBJECT_CONTIG)                                               \
    X(PATH_OBJECT_ALLOC, "object-alloc", SUBJECT_CACHE)                                            \
    X(PATH_OBJECT_FAILED, "object-failed", SUBJECT_CACHE)                                          \
    X(PATH_OBJECT_FREE, "object-free", SUBJECT_CACHE)                                              \
    X(PATH_CACHE_CYCLE, "cache-cycle", SUBJECT_CACHE)                                              \
    X(PATH_RESERVE, "reserve", SUBJECT_CACHE | SUBJECT_RESERVE)                                    \
    X(PATH_SHRINK, "shrink", SUBJECT_SHRINK)                                                       \
    X(PATH_ACCEPT, "accept", SUBJECT_UNACCEPTED)                                                   \
    X(PATH_HANDOVER, "handover", 0)                                                                \
    X(PATH_TRACE_REPLAYED, "trace-replayed", 0)                                                    \
    X(PATH_TRACE_WAITED, "trace-waited", 0)                                                        \
    X(PATH_CPU_CROSSED, "cpu-crossed", 0)                                                          \
    X(PATH_MOVE_TRIED, "move-tried", SUBJECT_MOVES)                                                \
    X(PATH_MOVE_AGREED, "move-agreed", SUBJECT_MOVES)                                              \
    X(PATH_MOVE_REFUSED, "move-refused", SUBJECT_MOVES)                                            \
    X(PATH_MOVE_GONE, "move-gone", SUBJECT_MOVES)                                                  \
    X(PATH_MOVE_COMMITTED, "move-committed", SUBJECT_MOVES)                                        \
    X(PATH_MOVE_CANCELLED, "move-cancelled", SUBJECT_MOVES)                                        \
    X(PATH_MOVE_MET, "move-met", SUBJECT_MOVES)                                                    \
    X(PATH_RUN_MOVED, "run-moved", SUBJECT_MOVES)                                                  \
    X(PATH_COMPACT, "compact", SUBJECT_COMPACT)                                                    \
    X(PATH_COMPACT_LIMITED, "compact-limited", SUBJECT_COMPACT)                                    \
    X(PATH_LARGE_MOVED, "large-moved", SUBJECT_COMPACT)                                            \
    X(PATH_FRAME_FAILED, "frame-failed", SUBJECT_POISON)                                           \
    X(PATH_REF, "reference", SUBJECT_REFS)                                                         \
    X(PATH_REUSE, "descriptor-reused", SUBJECT_REFS)                                               \
    X(PATH_FRAME_MENDED, "frame-mended", SUBJECT_POISON)                                           \
    X(PATH_OWNER_TOLD, "owner-told", SUBJECT_POISON)                                               \
    X(PATH_ZONE_ADDED, "zone-added", SUBJECT_HOTPLUG)                                              \
    X(PATH_ZONE_EXISTS, "zone-exists", SUBJECT_HOTPLUG)                                            \
    X(PATH_ZONE_REMOVED, "zone-removed", SUBJECT_HOTPLUG)                                          \
    X(PATH_ZONE_BUSY, "zone-busy", SUBJECT_HOTPLUG)                                                \
    X(PATH_CPU_ONLINE, "cpu-online", SUBJECT_CPUS)                                                 \
    X(PATH_CPU_OFFLINE, "cpu-offline", SUBJECT_CPUS)                                               \
    X(PATH_CPU_BARRIER, "cpu-barrier", SUBJECT_CPUS)                                               \
    X(PATH_RANGE_READ, "range-read", 0)                                                            \
    X(PATH_RANGE_OVERLAPPED, "read-beside-write", 0)                                               \
    X(PATH_RANGE_WRITE, "range-write", 0)                                                          \
    X(PATH_RANGE_FAILED, "range-failed", 0)                                                        \
    X(PATH_RANGE_PREPARED, "store-prepared", 0)                                                    \
    X(PATH_RANGE_BUILT, "range-built", 0)                                                          \
    X(PATH_HEIGHT_GREW, "height-grew", 0)                                                          \
    X(PATH_HEIGHT_SHRANK, "height-shrank", 0)                                                      \
    X(PATH_HEIGHT_THREE, "height-three", 0)                                                        \
    X(PATH_GRACE_WAITED, "grace-period-waited", 0)                                                 \
    X(PATH_GRACE_STALLED, "grace-period-stalled", 0)

/* After these come one for each disturbance (done), each fault site (fired), each window (passed),
 * each event of a range tree, and each of the core. */
enum path {
#define X(id, name, capability) id,
    PATH_TABLE(X)
#undef X
#define X(id, name, what) PATH_##id,
        DISTURB_TABLE(X) FAULT_SITE_TABLE(X)
#undef X
#define X(id, name) PATH_##id,
            WINDOW_TABLE(X)
#undef X
#define X(id, name) PATH_##id,
                RANGE_EVENT_TABLE(X)
#undef X
#define X(id, name) PATH_##id,
                    CORE_EVENT_TABLE(X)
#undef X
                        PATHS
};

/* The paths of @disturbance, of @site, of @window and of @event. */
static inline enum path path_of_disturbance(enum disturbance disturbance)
{
    return (enum path)(PATH_DISTURB_DELAY + (unsigned)disturbance);
}

static inline enum path path_of_fault(enum fault_site site)
{
    return (enum path)(PATH_FAULT_BUDDY_DESC + (unsigned)site);
}

static inline enum path path_of_window(enum window window)
{
    return (enum path)(PATH_WINDOW_SLAB_GROW + (unsigned)window);
}

static inline enum path path_of_event(enum range_event event)
{
    return (enum path)(PATH_RANGE_EVENT_IN_PLACE + (unsigned)event);
}

static inline enum path path_of_core_event(enum core_event event)
{
    return (enum path)(PATH_CORE_EVENT_REFILLED + (unsigned)event);
}

const char *path_name(enum path path);

/* The capabilities without which @path cannot be taken. */
uint32_t path_capabilities(enum path path);

#endif

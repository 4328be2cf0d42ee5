/* SPDX-License-Identifier: MIT
 *
 * contig_find.c: the search. Free blocks of one kind are merged as far as it goes, so a run of free
 * units falls into blocks in one way only: orders rise, then fall, each at most once on either
 * side:
 *
 *   units 1 to 9 free:    | 1 |   2   |       4       | 1 |        orders 0, 1, 2, 0
 *                         1   2       4               8   9
 *
 * Any n units in a row contain an aligned block of order k = floor(log2(n + 1)) - 1: the first
 * multiple of 2^k in them is at most 2^k - 1 units away, and 2^(k+1) - 1 <= n. It is free, so it
 * lies in a free block of order k or more. So the lists of these orders lead to every run of one
 * kind, and a run that is too short is walked once, in at most 2 * ORDERS steps: from the first
 * block of such an order in it.
 *
 * A run of more kinds than one may consist of small pieces only, where memory was accepted piece by
 * piece. But it has blocks of at least two kinds. Leave the kind out that has most blocks, and the
 * blocks of all others lead to every such run: again from the first of these blocks in it.
 *
 * Where alignment leaves fewer places than there are such blocks, the places are tried instead.
 */
#include "core/contig_find.h"

/* A search for runs of blocks of @kinds. Those of kinds @from and of order @least or more lead to
 * every run there is. */
struct contig_search {
    const struct space *space;
    const struct contig_goal *goal;
    pfn_t low; /* the limits, inside the space */
    pfn_t high;
    uint32_t kinds;
    uint32_t from;
    order_t least;
};

static enum contig_kind area_kind(unsigned area)
{
    switch (area) {
    case AREA_CMA:
        return CONTIG_CMA;
    case AREA_UNACCEPTED:
        return CONTIG_UNACCEPTED;
    default:
        return CONTIG_ACCEPTED;
    }
}

static enum contig_kind buddy_contig_kind(const struct buddy *buddy)
{
    if (buddy_is(buddy, BUDDY_UNACCEPTED)) {
        return CONTIG_UNACCEPTED;
    }
    return buddy_is(buddy, BUDDY_CMA) ? CONTIG_CMA : CONTIG_ACCEPTED;
}

static pfn_t buddy_end(const struct buddy *buddy)
{
    return buddy->pfn + order_frames(buddy_order(buddy));
}

/* The free block, of a kind that will do, that unit @pfn of the space is in, or NULL. */
static const struct buddy *free_block_at(const struct contig_search *search, pfn_t pfn)
{
    struct frame_entry entry = block_map_find(&search->space->map, pfn);
    /* From a hole, the search may end in another zone, whose lock is not held here. */
    if (entry.word == 0 || entry.pfn < search->space->start ||
        memdesc_type(entry.word) != MEMDESC_BUDDY_FREE) {
        return NULL;
    }
    const struct buddy *buddy = (const struct buddy *)(const void *)memdesc_head(entry.word);
    bool fits = pfn < buddy_end(buddy) && (search->kinds >> buddy_contig_kind(buddy) & 1) != 0;
    return fits ? buddy : NULL;
}

/* Whether the free units from @start to @end hold the run that is asked for. */
static bool run_fits(const struct contig_search *search, pfn_t start, pfn_t end, pfn_t *found)
{
    pfn_t low = start > search->low ? start : search->low;
    pfn_t high = end < search->high ? end : search->high;
    *found = pfn_align_up(low, search->goal->align);
    return *found < high && high - *found >= search->goal->units;
}

static bool leads_to_runs(const struct contig_search *search, const struct buddy *buddy)
{
    return (search->from >> buddy_contig_kind(buddy) & 1) != 0 &&
           buddy_order(buddy) >= search->least;
}

/* Looks at the run of free blocks around @buddy, which leads to it. */
static bool run_around(const struct contig_search *search, const struct buddy *buddy, pfn_t *found)
{
    pfn_t start = buddy->pfn;
    pfn_t end = buddy_end(buddy);
    if (end <= search->low || start >= search->high) {
        return false;
    }
    if (run_fits(search, start, end, found)) {
        return true;
    }
    while (start > search->low) {
        const struct buddy *left = free_block_at(search, start - 1);
        if (left == NULL) {
            break;
        }
        if (leads_to_runs(search, left)) {
            /* The run is looked at from there, or from further on that side. */
            return false;
        }
        start = left->pfn;
    }
    while (!run_fits(search, start, end, found)) {
        const struct buddy *right = end < search->high ? free_block_at(search, end) : NULL;
        if (right == NULL) {
            return false;
        }
        end = buddy_end(right);
    }
    return true;
}

/* Tries each multiple of the alignment. */
static bool search_places(const struct contig_search *search, pfn_t *found)
{
    pfn_t high = search->high;
    uint64_t units = search->goal->units;
    pfn_t pfn = pfn_align_up(search->low, search->goal->align);
    while (pfn < high && high - pfn >= units) {
        pfn_t at = pfn;
        while (at < pfn + units) {
            const struct buddy *buddy = free_block_at(search, at);
            if (buddy == NULL) {
                break;
            }
            at = buddy_end(buddy);
        }
        if (at >= pfn + units) {
            *found = pfn;
            return true;
        }
        pfn = pfn_align_up(at + 1, search->goal->align);
    }
    return false;
}

/* How many blocks lead to runs. */
static uint64_t count_leads(const struct contig_search *search)
{
    uint64_t count = 0;
    for (unsigned area = 0; area < AREAS; area++) {
        const struct free_area *free = &search->space->areas[area];
        for (order_t order = search->least; order < ORDERS; order++) {
            bool leads = (search->from >> area_kind(area) & 1) != 0;
            count += leads ? free->blocks[order] : 0;
        }
    }
    return count;
}

/* Looks at the runs around all blocks of @order that lead to some; where @alone, only at the block
 * itself. */
static bool search_order(const struct contig_search *search, order_t order, bool alone,
                         pfn_t *found)
{
    for (unsigned area = 0; area < AREAS; area++) {
        const struct free_area *free = &search->space->areas[area];
        if ((search->from >> area_kind(area) & 1) == 0 || (free->nonempty >> order & 1) == 0) {
            continue;
        }
        list_for_each (link, &free->lists[order]) {
            const struct buddy *buddy = buddy_of_link(link);
            bool fits = alone ? run_fits(search, buddy->pfn, buddy_end(buddy), found)
                              : run_around(search, buddy, found);
            if (fits) {
                return true;
            }
        }
    }
    return false;
}

static bool search_runs(const struct contig_search *search, pfn_t *found)
{
    /* Where a run may start: there is room for one, so this is no more than there are units. */
    uint64_t room = search->high - search->low - search->goal->units;
    uint64_t places = (room >> search->goal->align) + 1;
    if (places < count_leads(search)) {
        return search_places(search, found);
    }
    /* The largest first: half of the units, then pieces of a quarter, and so on. */
    for (order_t order = ORDERS; order-- > search->least;) {
        if (search_order(search, order, false, found)) {
            return true;
        }
    }
    return false;
}

/* Runs of one kind: in the smallest block that is sure to hold one, then in blocks in a row. */
static bool search_kind(struct contig_search *search, enum contig_kind kind, pfn_t *found)
{
    uint64_t units = search->goal->units;
    order_t align = search->goal->align;
    order_t whole = units == 1 ? 0 : 64 - (order_t)__builtin_clzll(units - 1);
    search->kinds = 1U << kind;
    search->from = search->kinds;
    search->least = units == UINT64_MAX ? ORDERS - 1 : 62 - (order_t)__builtin_clzll(units + 1);
    for (order_t order = whole > align ? whole : align; order < ORDERS; order++) {
        if (search_order(search, order, true, found)) {
            return true;
        }
    }
    return search_runs(search, found);
}

/* Runs of more than one kind. */
static bool search_mixed(struct contig_search *search, pfn_t *found)
{
    uint64_t most = 0;
    enum contig_kind most_kind = CONTIG_KINDS;
    search->kinds = search->goal->kinds;
    search->least = 0;
    for (unsigned kind = 0; kind < CONTIG_KINDS; kind++) {
        search->from = search->kinds & 1U << kind;
        uint64_t count = count_leads(search);
        if (count > most) {
            most = count;
            most_kind = (enum contig_kind)kind;
        }
    }
    search->from = search->kinds & ~(1U << most_kind);
    return count_leads(search) > 0 && search_runs(search, found);
}

bool contig_find(const struct space *space, const struct contig_goal *goal, pfn_t *found)
{
    struct contig_search search = {
        .space = space,
        .goal = goal,
        .low = goal->low > space->start ? goal->low : space->start,
        .high = goal->high < space->end ? goal->high : space->end,
    };
    ASSERT(goal->units > 0);
    ASSERT(goal->align < ORDERS);
    if (search.low >= search.high || search.high - search.low < goal->units) {
        return false;
    }
    for (unsigned kind = 0; kind < CONTIG_KINDS; kind++) {
        if ((goal->kinds >> kind & 1) != 0 && search_kind(&search, (enum contig_kind)kind, found)) {
            return true;
        }
    }
    return search_mixed(&search, found);
}

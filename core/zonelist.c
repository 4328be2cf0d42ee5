/* SPDX-License-Identifier: MIT
 *
 * zonelist.c: which zones an allocation tries, in which order, and how far it may draw upon them.
 *
 * A node tries its own zones first, the highest class first, then those of the next node, and so
 * on. Each list is one word, so that allocations read it without a lock while zones come and go;
 * what they find in it, they look at under its lock: zone_serves().
 */
#include "core/page_alloc.h"

/* Nodes that are passed on the way from @node to that of @zone. */
static uint32_t node_distance(const struct space *zone, uint32_t node)
{
    return (zone->node + NODES_MAX - node) % NODES_MAX;
}

/* Whether @node tries zone @a before zone @b. */
static bool zone_is_before(const struct potad *potad, uint32_t node, zone_id_t a, zone_id_t b)
{
    const struct space *one = &potad->zones[a];
    const struct space *other = &potad->zones[b];
    if (one->node != other->node) {
        return node_distance(one, node) < node_distance(other, node);
    }
    if (one->zone_class != other->zone_class) {
        return one->zone_class > other->zone_class;
    }
    return a > b;
}

/* The list of @node when @zones are there. */
static uint64_t list_of(const struct potad *potad, uint32_t node, uint32_t zones)
{
    uint8_t order[ZONES_MAX];
    uint32_t count = 0;
    zones_for_each(zones, id)
    {
        uint32_t at = count++;
        for (; at > 0 && zone_is_before(potad, node, id, order[at - 1]); at--) {
            order[at] = order[at - 1];
        }
        order[at] = (uint8_t)id;
    }
    uint64_t list = ZONELIST_END;
    for (uint32_t at = count; at-- > 0;) {
        list = list << 8 | order[at];
    }
    return list;
}

static uint64_t classes_of(const struct potad *potad, uint32_t zones)
{
    uint64_t classes = 0;
    zones_for_each(zones, id)
    {
        const struct space *zone = &potad->zones[id];
        classes |= (uint64_t)1 << (8 * (unsigned)zone->zone_class + id);
        classes |= (uint64_t)zone->metadata_allowed << (ZONES_HOMES + id);
        classes |= zone->watermark_min > 0 ? ZONES_HAVE_WATERMARKS : 0;
        classes |= block_map_has_tree(&zone->map) ? ZONES_HAVE_TREES : 0;
    }
    return classes;
}

void zonelist_init(struct potad *potad)
{
    for (uint32_t node = 0; node < NODES_MAX; node++) {
        atomic_word_poke(&potad->index.lists[node], ZONELIST_END);
    }
    atomic_word_poke(&potad->index.classes, 0);
    atomic_word_poke(&potad->index.births, 0);
    atomic_word_poke(&potad->firsts, ZONELIST_END);
    potad->zones_made = 0;
    atomic_word_poke(&potad->spans.changes, 0);
    for (zone_id_t id = 0; id < ZONES_MAX; id++) {
        atomic_word_poke(&potad->spans.spans[id].start, 0);
        atomic_word_poke(&potad->spans.spans[id].end, 0);
    }
}

/* Makes [start, end) the span of zone @id. Pairs with zone_of(): a word that it sees changed shows
 * it that changes had begun. Context: the lock of the cache of struct buddys. */
static void span_set(struct potad *potad, zone_id_t id, pfn_t start, pfn_t end)
{
    struct zone_spans *spans = &potad->spans;
    uint64_t changes = atomic_word_peek(&spans->changes);
    atomic_word_release(&spans->changes, changes + 1);
    atomic_word_release(&spans->spans[id].start, start);
    atomic_word_release(&spans->spans[id].end, end);
    atomic_word_release(&spans->changes, changes + 2);
}

/* The first zone of @node for blocks of @type, or ZONE_ANY. */
static zone_id_t first_of(const struct potad *potad, uint32_t node, enum migratetype type)
{
    uint32_t zones = zonelist_filter(potad, ZONE_DMA, type);
    uint64_t list = atomic_word_peek(&potad->index.lists[node]);
    zone_id_t id;
    while (zonelist_next(&list, &id) && (zones >> id & 1) == 0) {
    }
    return id & 0xff;
}

/* Has allocations find @zones. Context: as span_set(). */
static void index_set(struct potad *potad, uint32_t zones)
{
    for (uint32_t node = 0; node < NODES_MAX; node++) {
        atomic_word_release(&potad->index.lists[node], list_of(potad, node, zones));
    }
    atomic_word_release(&potad->index.classes, classes_of(potad, zones));
    uint64_t firsts = 0;
    for (uint32_t node = NODES_MAX; node-- > 0;) {
        firsts = firsts << 8 | first_of(potad, node, MIGRATE_MOVABLE);
        firsts = firsts << 8 | first_of(potad, node, MIGRATE_UNMOVABLE);
    }
    atomic_word_release(&potad->firsts, firsts);
}

void zonelist_make(struct potad *potad, zone_id_t id, bool made)
{
    spinlock_lock(&potad->cache_buddy.lock);
    potad->zones_made = made ? potad->zones_made | 1U << id : potad->zones_made & ~(1U << id);
    spinlock_unlock(&potad->cache_buddy.lock);
}

void zonelist_add(struct potad *potad, zone_id_t id)
{
    struct space *zone = &potad->zones[id];
    spinlock_lock(&potad->cache_buddy.lock);
    spinlock_lock(&zone->lock);
    uint64_t births = atomic_word_peek(&potad->index.births) + 1;
    zone->born = births;
    pfn_t start = zone->start;
    pfn_t end = zone->end;
    spinlock_unlock(&zone->lock);
    potad->zones_made |= 1U << id;
    span_set(potad, id, start, end);
    index_set(potad, zones_present(potad) | 1U << id);
    atomic_word_release(&potad->index.births, births);
    spinlock_unlock(&potad->cache_buddy.lock);
}

void zonelist_remove(struct potad *potad, zone_id_t id)
{
    spinlock_lock(&potad->cache_buddy.lock);
    potad->zones_made &= ~(1U << id);
    span_set(potad, id, 0, 0);
    index_set(potad, zones_present(potad) & ~(1U << id));
    spinlock_unlock(&potad->cache_buddy.lock);
}

uint32_t zonelist_filter(const struct potad *potad, enum zone_class below, enum migratetype type)
{
    uint64_t classes = atomic_word_acquire(&potad->index.classes);
    unsigned end = below == ZONE_DMA ? (unsigned)ZONE_CLASSES : (unsigned)below;
    uint64_t wanted = ((uint64_t)1 << 8 * end) - 1;
    if (type != MIGRATE_MOVABLE) {
        wanted &= ~((uint64_t)0xff << 8 * (unsigned)ZONE_MOVABLE);
    }
    return zones_of_classes(classes & wanted);
}

uint64_t zone_watermark(const struct space *zone, enum watermark watermark)
{
    uint64_t min = zone->watermark_min;
    switch (watermark) {
    case WATERMARK_HIGH:
        return min + min / 2;
    case WATERMARK_LOW:
        return min + min / 4;
    case WATERMARK_MIN:
        return min;
    default:
        return 0;
    }
}

/* SPDX-License-Identifier: MIT */
#include "core/range_node.h"

/* What all distances of a leaf can be counted in: log2 of the unit. */
static unsigned entries_shift(const struct range_entry *entries, unsigned count)
{
    uint64_t base = entries[0].first;
    uint64_t bits = (uint64_t)1 << 63;
    for (unsigned i = 0; i < count; i++) {
        bits |= (entries[i].first - base) | (entries[i].last + 1 - base);
    }
    return (unsigned)__builtin_ctzll(bits);
}

static bool fits_narrow(const struct range_entry *entries, unsigned count)
{
    uint64_t span = entries[count - 1].last - entries[0].first;
    return count <= RANGE_NARROW && span >> entries_shift(entries, count) <= RANGE_NEAR_MAX;
}

bool range_leaf_fits(const struct range_entry *entries, unsigned count)
{
    return count <= RANGE_WIDE || fits_narrow(entries, count);
}

static void write_wide(struct range_wide *wide, const struct range_entry *entries, unsigned count)
{
    wide->count = (uint8_t)count;
    wide->live = (uint8_t)count;
    for (unsigned i = 0; i < count; i++) {
        wide->first[i] = entries[i].first;
        wide->last[i] = entries[i].last;
        atomic_word_poke(&wide->value[i], entries[i].value);
    }
    for (unsigned i = count; i < RANGE_WIDE; i++) {
        wide->first[i] = UINT64_MAX;
    }
}

static void write_narrow(struct range_narrow *narrow, const struct range_entry *entries,
                         unsigned count)
{
    uint64_t base = entries[0].first;
    unsigned shift = entries_shift(entries, count);
    narrow->base = base;
    narrow->shift = (uint8_t)shift;
    narrow->count = (uint8_t)count;
    narrow->live = (uint8_t)count;
    for (unsigned i = 0; i < count; i++) {
        narrow->first[i] = (int16_t)((entries[i].first - base) >> shift);
        narrow->last[i] = (int16_t)((entries[i].last - base) >> shift);
        atomic_word_poke(&narrow->value[i], entries[i].value);
    }
    for (unsigned i = count; i < RANGE_NARROW; i++) {
        narrow->first[i] = RANGE_UNUSED;
    }
}

range_word_t range_leaf_write(union range_node *node, const struct range_entry *entries,
                              unsigned count)
{
    range_word_t word = (uint64_t)(uintptr_t)node;
    ASSERT(count > 0);
    ASSERT(range_leaf_fits(entries, count));
    if (fits_narrow(entries, count)) {
        write_narrow(&node->narrow, entries, count);
        return word;
    }
    write_wide(&node->wide, entries, count);
    return word | RANGE_WORD_WIDE;
}

unsigned range_leaf_read(range_word_t leaf, struct range_entry *entries)
{
    unsigned live = 0;
    unsigned count = range_leaf_count(leaf);
    for (unsigned slot = 0; slot < count; slot++) {
        struct range_entry entry = range_leaf_entry(leaf, slot);
        if (entry.value != 0) {
            entries[live++] = entry;
        }
    }
    return live;
}

range_word_t range_inner_write(union range_node *node, unsigned level,
                               const struct range_child *children, unsigned count)
{
    struct range_inner *inner = &node->inner;
    ASSERT(count > 0);
    ASSERT(count <= RANGE_CHILDREN);
    inner->count = (uint8_t)count;
    inner->level = (uint8_t)level;
    for (unsigned i = 0; i < count; i++) {
        atomic_word_poke(&inner->child[i], children[i].word);
        inner->gap[i] = children[i].gap;
    }
    for (unsigned i = 0; i < RANGE_PIVOTS; i++) {
        inner->pivot[i] = i + 1 < count ? children[i].pivot : UINT64_MAX;
    }
    return (uint64_t)(uintptr_t)node;
}

unsigned range_inner_read(const struct range_inner *inner, uint64_t last,
                          struct range_child *children)
{
    unsigned count = 0;
    for (unsigned slot = 0; slot < inner->count; slot++) {
        range_word_t word = range_inner_child(inner, slot);
        if (count > 0 && children[count - 1].word == word) {
            count--;
        }
        uint64_t pivot = slot + 1u < inner->count ? inner->pivot[slot] : last;
        children[count++] =
            (struct range_child){.word = word, .pivot = pivot, .gap = inner->gap[slot]};
    }
    return count;
}

unsigned range_group_first(const struct range_inner *inner, unsigned slot)
{
    range_word_t word = range_inner_child(inner, slot);
    while (slot > 0 && range_inner_child(inner, slot - 1) == word) {
        slot--;
    }
    return slot;
}

unsigned range_group_last(const struct range_inner *inner, unsigned slot)
{
    range_word_t word = range_inner_child(inner, slot);
    while (slot + 1u < inner->count && range_inner_child(inner, slot + 1) == word) {
        slot++;
    }
    return slot;
}

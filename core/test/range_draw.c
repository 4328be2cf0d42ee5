/* SPDX-License-Identifier: MIT */
#include "core/test/range_draw.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SHOWN_SLOTS = 4 };

static void *bed_take(void *context)
{
    struct range_bed *bed = context;
    if (bed->nodes == bed->nodes_max) {
        return NULL;
    }
    bed->nodes++;
    return aligned_alloc(RANGE_NODE_BYTES, RANGE_NODE_BYTES);
}

static void bed_give_back(void *context, void *node)
{
    struct range_bed *bed = context;
    bed->nodes--;
    free(node);
}

void range_bed_open(struct range_bed *bed)
{
    bed->nodes = 0;
    bed->nodes_max = UINT64_MAX;
    bed->source = (struct range_source){
        .context = bed,
        .take = bed_take,
        .give_back = bed_give_back,
    };
    epoch_init(&bed->epoch);
    range_tree_init(&bed->tree, &bed->epoch, &bed->source);
}

void range_bed_close(struct range_bed *bed)
{
    range_bed_validate(bed);
    range_tree_destroy(&bed->tree);
    assert_int_equal(bed->nodes, 0);
}

void range_bed_dry(struct range_bed *bed)
{
    bed->nodes_max = bed->nodes;
}

void range_bed_validate(struct range_bed *bed)
{
    struct violation violation;
    if (!range_tree_validate(&bed->tree, &violation)) {
        fail_msg("%s: key %#llx: %#llx, expected %#llx", invariant_name(violation.invariant),
                 (unsigned long long)violation.pfn, (unsigned long long)violation.actual,
                 (unsigned long long)violation.expected);
    }
}

static void draw_key(FILE *out, uint64_t key)
{
    if (key == UINT64_MAX) {
        fputs("max", out);
    } else {
        fprintf(out, "%llu", (unsigned long long)key);
    }
}

static void draw_slot(FILE *out, range_word_t leaf, unsigned slot)
{
    struct range_entry entry = range_leaf_entry(leaf, slot);
    fputc('[', out);
    draw_key(out, entry.first);
    fputc('-', out);
    draw_key(out, entry.last);
    if (entry.value == 0) {
        fputs(" -]", out);
    } else if (entry.value >= 'A' && entry.value <= 'z') {
        fprintf(out, " %c]", (char)entry.value);
    } else {
        fprintf(out, " %llu]", (unsigned long long)entry.value);
    }
}

static void draw_leaf(FILE *out, range_word_t leaf)
{
    unsigned count = range_leaf_count(leaf);
    fputs(range_word_is_wide(leaf) ? "wide " : "", out);
    for (unsigned slot = 0; slot < count; slot++) {
        if (slot == 1 && count > SHOWN_SLOTS) {
            fprintf(out, "..%u..", count - 2);
            slot = count - 1;
        }
        draw_slot(out, leaf, slot);
    }
    fputc('\n', out);
}

static void draw_node(FILE *out, range_word_t word, unsigned level, int indent)
{
    const struct range_inner *inner = &range_word_node(word)->inner;
    fprintf(out, "%*s", indent, "");
    if (level == 0) {
        draw_leaf(out, word);
        return;
    }
    for (unsigned slot = 0; slot < inner->count; slot++) {
        bool joined = slot > 0 && range_group_first(inner, slot) < slot;
        fputs(slot == 0 ? "[ " : joined ? " = " : " | ", out);
        draw_key(out, slot < RANGE_PIVOTS ? inner->pivot[slot] : UINT64_MAX);
    }
    fputs(" ]\n", out);
    for (unsigned slot = 0; slot < inner->count; slot = range_group_last(inner, slot) + 1) {
        draw_node(out, range_inner_child(inner, slot), level - 1, indent + 2);
    }
}

const char *range_bed_draw(struct range_bed *bed)
{
    range_word_t root = atomic_word_peek(&bed->tree.root);
    bed->drawing[0] = '\0';
    if (root != 0) {
        FILE *out = fmemopen(bed->drawing, sizeof(bed->drawing), "w");
        draw_node(out, range_word_plain(root), range_word_height(root), 0);
        fclose(out);
    }
    return bed->drawing;
}

void range_bed_assert(struct range_bed *bed, const char *expected)
{
    range_bed_validate(bed);
    assert_string_equal(range_bed_draw(bed), expected);
}

/* SPDX-License-Identifier: MIT */
#include "core/block_map.h"

void block_map_init(struct block_map *map, enum block_map_kind kind, struct frame_table *table,
                    struct epoch *epoch)
{
    map->kind = kind;
    map->table = table;
    map->words = 0;
    range_tree_init(&map->tree, epoch, NULL);
}

memdesc_t block_map_read_tree(const struct block_map *map, pfn_t pfn)
{
    memdesc_t word = range_tree_value(&map->tree, pfn);
    ASSERT(!block_map_has_table(map) || frame_table_read(map->table, pfn) == word);
    return word;
}

struct frame_entry block_map_find(const struct block_map *map, pfn_t pfn)
{
    struct frame_entry entry = {.pfn = pfn, .word = 0};
    struct range_entry head;
    if (!block_map_has_tree(map)) {
        return frame_table_find(map->table, pfn);
    }
    if (range_tree_prev(&map->tree, pfn, &head)) {
        entry = (struct frame_entry){.pfn = head.first, .word = head.value};
    }
    if (block_map_has_table(map)) {
        struct frame_entry listed = frame_table_find(map->table, pfn);
        /* From a hole, each may find another block that ends before it; the table even one of
         * another zone, which is not to be looked at here. */
        bool own = range_tree_next(&map->tree, 0, &head) && listed.pfn >= head.first;
        bool covers = own && listed.word != 0 &&
                      pfn - listed.pfn < order_frames(memdesc_head(listed.word)->order);
        ASSERT(!covers || listed.word == entry.word);
        ASSERT(!covers || listed.pfn == entry.pfn);
        entry = listed;
    }
    return entry;
}

pfn_t block_map_next(const struct block_map *map, pfn_t pfn, pfn_t end)
{
    pfn_t next = end;
    struct range_entry head;
    if (block_map_has_tree(map)) {
        bool found = range_tree_next(&map->tree, pfn, &head) && head.first < end;
        next = found ? head.first : end;
    }
    if (block_map_has_table(map)) {
        const atomic_word_t *words = map->table->words;
        while (pfn < end && atomic_word_acquire(&words[pfn - map->table->start]) == 0) {
            pfn++;
        }
        ASSERT(!block_map_has_tree(map) || pfn == next);
        next = pfn;
    }
    return next;
}

void block_map_add(struct block_map *map, pfn_t pfn, memdesc_t word)
{
    if (block_map_has_table(map)) {
        block_map_write_table(map, pfn, word);
    }
    if (block_map_has_tree(map)) {
        enum status status = range_tree_store(&map->tree, pfn, pfn, word);
        ASSERT(status == STATUS_OK);
    }
}

void block_map_write_tree(struct block_map *map, pfn_t pfn, memdesc_t word)
{
    if (word != 0) {
        /* The slot is there: it is rewritten in place. */
        block_map_add(map, pfn, word);
        return;
    }
    if (block_map_has_table(map)) {
        block_map_write_table(map, pfn, 0);
    }
    bool erased = range_tree_erase(&map->tree, pfn, NULL);
    ASSERT(erased);
}

void block_map_cut(struct block_map *map, pfn_t pfn, uint64_t frames,
                   const struct block_heads *heads)
{
    if (heads->count == 0) {
        return;
    }
    for (unsigned i = 0; block_map_has_table(map) && i < heads->count; i++) {
        block_map_write_table(map, heads->heads[i].first, heads->heads[i].value);
    }
    if (block_map_has_tree(map)) {
        enum status status = range_tree_store_many(&map->tree, pfn + 1, pfn + frames - 1,
                                                   heads->heads, heads->count);
        ASSERT(status == STATUS_OK);
    }
}

uint64_t block_map_nodes(const struct block_map *map, unsigned count, unsigned levels)
{
    if (!block_map_has_tree(map) || count == 0) {
        return 0;
    }
    return range_store_many_nodes(range_tree_height(&map->tree) + levels, count);
}

struct epoch_list block_map_detach(struct block_map *map, uint64_t count)
{
    struct epoch_list nodes = {0};
    while (nodes.count < count) {
        struct epoch_link *link = epoch_list_pop(&map->tree.spare);
        epoch_list_push(&nodes, link);
    }
    return nodes;
}

void block_map_attach(struct block_map *map, struct epoch_list *nodes)
{
    while (nodes->count > 0) {
        epoch_list_push(&map->tree.spare, epoch_list_pop(nodes));
    }
}

bool block_map_is_ready(struct block_map *map, uint64_t nodes)
{
    return !block_map_has_tree(map) || range_nodes_ready(&map->tree, nodes);
}

void block_heads_add(struct block_heads *heads, pfn_t pfn, memdesc_t word)
{
    unsigned at = heads->count++;
    ASSERT(at < ORDERS);
    for (; at > 0 && heads->heads[at - 1].first > pfn; at--) {
        heads->heads[at] = heads->heads[at - 1];
    }
    heads->heads[at] = (struct range_entry){pfn, pfn, word};
}

/* SPDX-License-Identifier: MIT
 *
 * block_map.h: from any frame of a zone to its block's word: by a table or by a range tree, as the
 * zone's owner chooses, behind one interface.
 *
 * Both hold a word only where a block starts. The table finds the start by clearing low bits of the
 * frame's number (frame_table.h), the tree as the last range that starts at or before the frame;
 * the extent is the descriptor's to tell. That is why freeing never needs a node: merging two
 * blocks empties one slot of the tree and rewrites a word of another, both in place. Only cutting a
 * block adds ranges, and that happens with nodes in hand, as with descriptors (requirements A3,
 * A4): see block_map_nodes().
 *
 * BLOCK_MAP_BOTH keeps both, and asserts at each answer that they agree.
 *
 * Context of all functions, unless they say otherwise: the lock of the zone.
 */
#ifndef POTAD_CORE_BLOCK_MAP_H
#define POTAD_CORE_BLOCK_MAP_H

#include "core/boot_map.h"
#include "core/frame_table.h"
#include "core/range_tree.h"

struct block_map {
    enum block_map_kind kind;
    struct frame_table *table;
    uint64_t words; /* in the table that this map has made other than 0, and not 0 again */
    struct range_tree tree;
};

/* New words for a cut, by ascending frame. */
struct block_heads {
    unsigned count;
    struct range_entry heads[ORDERS];
};

/* Makes an empty map; @table is not used where @kind is BLOCK_MAP_TREE, @epoch is not where it is
 * BLOCK_MAP_TABLE. */
void block_map_init(struct block_map *map, enum block_map_kind kind, struct frame_table *table,
                    struct epoch *epoch);

static inline bool block_map_has_table(const struct block_map *map)
{
    return map->kind != BLOCK_MAP_TREE;
}

static inline bool block_map_has_tree(const struct block_map *map)
{
    return map->kind != BLOCK_MAP_TABLE;
}

/* What the functions below come to where there is a tree. */
memdesc_t block_map_read_tree(const struct block_map *map, pfn_t pfn);
void block_map_write_tree(struct block_map *map, pfn_t pfn, memdesc_t word);

/* The word of the block that starts at @pfn, or 0. */
static inline memdesc_t block_map_read(const struct block_map *map, pfn_t pfn)
{
    return LIKELY(!block_map_has_tree(map)) ? frame_table_read(map->table, pfn)
                                            : block_map_read_tree(map, pfn);
}

/* The last block that starts at or before @pfn and may cover it: compare the extent. Word 0: none
 * does. Context: also without the lock, for a frame of a block that stays as it is, inside a
 * section of the epoch if there is a tree. */
struct frame_entry block_map_find(const struct block_map *map, pfn_t pfn);

/* The first frame from @pfn on, and before @end, at which a block starts; @end: there is none. */
pfn_t block_map_next(const struct block_map *map, pfn_t pfn, pfn_t end);

/* All writes to the table: counted, because validation cannot read all words of a large block. */
static inline void block_map_write_table(struct block_map *map, pfn_t pfn, memdesc_t word)
{
    map->words -= frame_table_read(map->table, pfn) != 0 ? 1 : 0;
    map->words += word != 0 ? 1 : 0;
    frame_table_write(map->table, pfn, word);
}

/* Rewrites the word of a block that starts at @pfn; 0: none does any more. Needs no node. */
static inline void block_map_write(struct block_map *map, pfn_t pfn, memdesc_t word)
{
    if (LIKELY(!block_map_has_tree(map))) {
        block_map_write_table(map, pfn, word);
    } else {
        block_map_write_tree(map, pfn, word);
    }
}

/* Adds the first word at @pfn. Context: the boot, with nodes enough. */
void block_map_add(struct block_map *map, pfn_t pfn, memdesc_t word);

/* Adds all words of a cut of the block of @frames at @pfn: they are behind @pfn. Context: as many
 * spare nodes as block_map_nodes() says. */
void block_map_cut(struct block_map *map, pfn_t pfn, uint64_t frames,
                   const struct block_heads *heads);

/* Spare nodes that a cut with @count new words needs at most, also when the tree has grown by
 * @levels until then. */
uint64_t block_map_nodes(const struct block_map *map, unsigned count, unsigned levels);

/* Takes @count spare nodes in hand, which must be there; and puts such back. */
struct epoch_list block_map_detach(struct block_map *map, uint64_t count);
void block_map_attach(struct block_map *map, struct epoch_list *nodes);

/* Whether so many are there. */
bool block_map_is_ready(struct block_map *map, uint64_t nodes);

/* Inserts a new word. */
void block_heads_add(struct block_heads *heads, pfn_t pfn, memdesc_t word);

#endif

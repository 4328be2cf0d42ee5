/* SPDX-License-Identifier: MIT */
#include "core/frame_table.h"

struct frame_entry frame_table_find(const struct frame_table *table, pfn_t pfn)
{
    struct frame_entry entry = {.pfn = pfn, .word = 0};
    while (frame_table_has(table, entry.pfn)) {
        entry.word = frame_table_read(table, entry.pfn);
        if (entry.word != 0 || entry.pfn == 0) {
            break;
        }
        entry.pfn &= entry.pfn - 1;
    }
    return entry;
}

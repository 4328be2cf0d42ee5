/* SPDX-License-Identifier: MIT
 *
 * memory_map.h: the memory of a real machine, from the text in which its kernel says what it is.
 * Each line is one of these, and # begins a comment:
 *
 *   00100000-bfffffff : System RAM                                        /proc/iomem, root's
 *     01000000-01ffffff : Kernel code                                     indented: passed over
 *   [    0.000000] BIOS-e820: [mem 0x00100000-0xbfffffff] usable          the kernel's log
 *   BIOS-e820: [mem 0x100000000-0x27fffffff] unaccepted
 *   node 1 0xc040000000-0x1803fffffff                                     our own
 *   zone highmem 0x38000000-0x13fffffff
 *
 * Addresses are of bytes, in hex, both ends included. Memory is what is called System RAM or
 * usable, and, unaccepted, what is called Unaccepted Memory or unaccepted; it is trimmed to whole
 * frames. What those lists do not say, our own lines do: all memory is of node 0, below 16 MiB of
 * class dma and from there on of class normal, unless a line says otherwise.
 */
#ifndef POTAD_FUZZERS_MEMORY_MAP_H
#define POTAD_FUZZERS_MEMORY_MAP_H

#include "fuzzers/case.h"

/* Parses text into a map that a case can hold: a zone for each run of memory of one class and node.
 * Return: false with @error naming the line. */
bool memory_map_parse(struct boot_map *map, const char *text, size_t size, struct case_error *error)
    __attribute__((warn_unused_result));

#endif

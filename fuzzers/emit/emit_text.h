/* SPDX-License-Identifier: MIT
 *
 * emit_text.h: values of the core as C, for all who write tests.
 */
#ifndef POTAD_FUZZERS_EMIT_EMIT_TEXT_H
#define POTAD_FUZZERS_EMIT_EMIT_TEXT_H

#include "core/potad.h"

#include <stdio.h>

/* Texts in static memory, valid until the next call of the same. */
const char *emit_site(enum fault_site site);
const char *emit_migratetype(enum migratetype type);
const char *emit_zone(zone_id_t zone);
const char *emit_request(const struct page_request *request);
const char *emit_contig_request(const struct contig_request *request);
const char *emit_compact_request(const struct compact_request *request);
const char *emit_memdesc_type(enum memdesc_type type);

/* What boot_map.kind is where @subject is the core's. Return: NULL where it is not. */
const char *emit_map_kind(const char *subject);

/* Writes @map, of @kind, to @out, as `static const struct boot_map map`. */
void emit_map(FILE *out, const struct boot_map *map, const char *kind);

#endif

/* SPDX-License-Identifier: MIT
 *
 * op_request.h: what an operation of a case asks of a subject: the same to all who execute cases.
 */
#ifndef POTAD_FUZZERS_OP_REQUEST_H
#define POTAD_FUZZERS_OP_REQUEST_H

#include "fuzzers/case.h"
#include "fuzzers/subject.h"

/* The capabilities of a subject that @op needs. */
uint32_t op_needs(enum op op);

/* What OP_ALLOC, OP_ALLOC_DESC, OP_ALLOC_NODE or OP_ALLOC_COMPACT asks for, but for the descriptor
 * itself. */
struct subject_request op_alloc_request(const struct case_op *op);

/* What OP_CONTIG, OP_CONTIG_LARGE or OP_CONTIG_CMA asks for; @start: of the map. */
struct contig_request op_contig_request(const struct case_op *op, pfn_t start);

/* What OP_COMPACT asks for. */
struct compact_request op_compact_request(const struct case_op *op);

#endif

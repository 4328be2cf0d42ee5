/* SPDX-License-Identifier: MIT
 *
 * all.c: all pieces of an emitted test in one unit, in the order in which they are emitted, so that
 * they are compiled and checked as the rest of the tree is.
 */
/* NOLINTBEGIN(bugprone-suspicious-include): that is what it is for. */
#define FIRST_FRAME ((pfn_t)16)
enum { FRAMES = 1024, SLOTS = 64 };

#include "fuzzers/emit/prelude/memory.c"

#include "fuzzers/emit/prelude/blocks.c"

#include "fuzzers/emit/prelude/owners.c"

#include "fuzzers/emit/prelude/failures.c"

#include "fuzzers/emit/prelude/moves.c"

#include "fuzzers/emit/prelude/refs.c"

#include "fuzzers/emit/prelude/objects.c"

#include "fuzzers/emit/prelude/runs.c"

#include "fuzzers/emit/prelude/zones.c"

#include "fuzzers/emit/prelude/cpus.c"

#include "fuzzers/emit/prelude/pageblocks.c"

#include "fuzzers/emit/prelude/ranges.c"

#include "fuzzers/emit/prelude/spaces.c"
/* NOLINTEND(bugprone-suspicious-include) */

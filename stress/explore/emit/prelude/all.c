/* SPDX-License-Identifier: MIT
 *
 * all.c: all pieces of an emitted test with threads in one unit, in the order in which they are
 * emitted, so that they are compiled and checked as the rest of the tree is.
 */
/* NOLINTBEGIN(bugprone-suspicious-include): that is what it is for. */
#define FIRST_FRAME ((pfn_t)16)
enum { FRAMES = 1024, SLOTS = 64 };

#include "fuzzers/emit/prelude/memory.c"

#include "stress/explore/emit/prelude/turns.c"

#include "stress/explore/emit/prelude/history.c"

#include "stress/explore/emit/prelude/world.c"

#include "stress/explore/emit/prelude/grants.c"

#include "stress/explore/emit/prelude/objects.c"

#include "stress/explore/emit/prelude/runs.c"
/* NOLINTEND(bugprone-suspicious-include) */

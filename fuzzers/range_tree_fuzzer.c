/* SPDX-License-Identifier: MIT
 *
 * range_tree_fuzzer: for any program that stores, erases and finds ranges, in memory that runs out,
 * with any fault: the tree holds what a flat model holds, an erase needs no memory, and a reader,
 * between any two words that the writer writes, or in a section that it has not left for long, sees
 * nothing that was never so.
 */
#include "fuzzers/fuzz_common.h"
#include "fuzzers/fuzz_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_case(data, size, &case_limits_range);
    return 0;
}

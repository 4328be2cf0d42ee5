/* SPDX-License-Identifier: MIT
 *
 * slab_fuzzer: the property of page_fuzzer, for longer programs that work on caches most of the
 * time, in memory that is soon full.
 */
#include "fuzzers/fuzz_common.h"
#include "fuzzers/fuzz_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_case(data, size, &case_limits_slab);
    return 0;
}

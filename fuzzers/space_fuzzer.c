/* SPDX-License-Identifier: MIT
 *
 * space_fuzzer: for any program on zones that differ (class, node, watermark, acceptance, CMA) and
 * on spaces of other things than memory: subject and model agree after each operation.
 */
#include "fuzzers/fuzz_common.h"
#include "fuzzers/fuzz_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_case(data, size, &case_limits_space);
    return 0;
}

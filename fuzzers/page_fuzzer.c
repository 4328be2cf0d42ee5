/* SPDX-License-Identifier: MIT
 *
 * page_fuzzer: for any program of operations, most of them on blocks, with any fault, on any memory
 * map: subject and model agree after each operation, and in the end memory is as after boot.
 */
#include "fuzzers/fuzz_common.h"
#include "fuzzers/fuzz_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_case(data, size, &case_limits_page);
    return 0;
}

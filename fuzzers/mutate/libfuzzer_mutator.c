/* SPDX-License-Identifier: MIT
 *
 * libfuzzer_mutator.c: what libFuzzer asks instead of its own mutations. Linked to fuzz targets
 * with the engine only, compiled once for each with its name as POTAD_TARGET.
 */
#include "fuzzers/mutate/mutate.h"

#include <stdlib.h>

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *one, size_t one_size, const uint8_t *other,
                                 size_t other_size, uint8_t *out, size_t size_max, unsigned seed);

static struct mutator mutator;

static void start(unsigned seed)
{
    if (mutator.limits == NULL) {
        const struct case_limits *limits = case_limits_find(POTAD_TARGET);
        if (limits == NULL) {
            fprintf(stderr, "potad: %s has no limits to mutate within\n", POTAD_TARGET);
            abort();
        }
        mutator_init(&mutator, limits);
    }
    mutator_seed(&mutator, seed);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed)
{
    start(seed);
    return mutator_mutate(&mutator, data, size, size_max);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *one, size_t one_size, const uint8_t *other,
                                 size_t other_size, uint8_t *out, size_t size_max, unsigned seed)
{
    start(seed);
    return mutator_cross(&mutator, one, one_size, other, other_size, out, size_max);
}

/* SPDX-License-Identifier: MIT
 *
 * bench_fuzz.c: how many random cases of 64 operations run in a second, with the model, the checks
 * after each operation and the validations that a fuzz target does. Build it as the fuzzer is
 * built to know the fuzzer's pace without its engine.
 */
#include "fuzzers/executor.h"
#include "stress/bench.h"

#include <stdlib.h>

enum {
    CASES = 256,
    VALIDATE_PERIOD = 16,
    CASE_BYTES_MAX = CASE_HEADER_BYTES + CASE_RANGES_MAX * CASE_RANGE_BYTES + 64 * CASE_OP_BYTES
};

/* Random bytes of a case with 64 operations, as the decoder of @limits takes them. */
static void random_case(struct program *program, uint64_t *seed, const struct case_limits *limits)
{
    uint8_t data[CASE_BYTES_MAX];
    uint32_t ranges = 1 + (uint32_t)(bench_random(seed) % limits->ranges);
    size_t size = CASE_HEADER_BYTES + ranges * CASE_RANGE_BYTES + (size_t)64 * CASE_OP_BYTES;
    for (size_t i = 0; i < size; i++) {
        data[i] = (uint8_t)bench_random(seed);
    }
    data[5] = (uint8_t)ranges;
    case_decode_any(program, data, size, limits);
}

static json_t *bench_limits(const struct bench_options *options, const struct case_limits *limits)
{
    static struct program programs[CASES];
    struct executor executor;
    uint64_t seed = options->seed;
    uint64_t cases = 0;
    uint64_t operations = 0;
    uint64_t violations = 0;
    for (unsigned i = 0; i < CASES; i++) {
        program_init(&programs[i]);
        random_case(&programs[i], &seed, limits);
    }
    executor_init(&executor, subject_find("core"), limits->slots);
    executor.validate_period = VALIDATE_PERIOD;
    double start = bench_now();
    double elapsed = 0;
    while (elapsed < options->seconds) {
        for (unsigned i = 0; i < CASES; i++) {
            violations += executor_run(&executor, &programs[i]) ? 0 : 1;
            operations += executor.harness.operations;
            cases++;
        }
        elapsed = bench_now() - start;
    }
    executor_close(&executor);
    for (unsigned i = 0; i < CASES; i++) {
        program_free(&programs[i]);
    }
    double rate = (double)cases / elapsed;
    double each = (double)operations / (double)cases;
    printf("  %-18s %10.0f %10.0f %14.1f %10llu\n", limits->name, rate, rate * each, each,
           (unsigned long long)violations);
    return json_pack("{s:s,s:f,s:f,s:I}", "target", limits->name, "cases_per_second", rate,
                     "operations_per_second", rate * each, "violations", (json_int_t)violations);
}

json_t *bench_fuzz(const struct bench_options *options)
{
    json_t *results = json_array();
    puts("random cases of 64 operations, model and faults on, without an engine:");
    printf("  %-18s %10s %10s %14s %10s\n", "limits", "cases/s", "ops/s", "ops a case",
           "violations");
    json_array_append_new(results, bench_limits(options, &case_limits_page));
    json_array_append_new(results, bench_limits(options, &case_limits_slab));
    json_array_append_new(results, bench_limits(options, &case_limits_range));
    return results;
}

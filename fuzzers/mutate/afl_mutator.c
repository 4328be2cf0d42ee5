/* SPDX-License-Identifier: MIT
 *
 * afl_mutator.c: the mutator as AFL++ loads it, AFL_CUSTOM_MUTATOR_LIBRARY. POTAD_TARGET names the
 * fuzz target in the environment: its limits and weights are those of mutations.
 */
#include "fuzzers/mutate/mutate.h"
#include "fuzzers/mutate/mutation.h"
#include "fuzzers/mutate/trim.h"

#include <stdlib.h>
#include <string.h>

#define EXPORTED __attribute__((visibility("default")))

enum { CROSS_ONE_IN = 4 };

struct afl_mutator {
    struct mutator mutator;
    struct trim trim;
    uint8_t *out;
    size_t out_room;
    char text[MUTATE_TEXT_MAX];
};

EXPORTED void *afl_custom_init(void *afl, unsigned int seed);
EXPORTED size_t afl_custom_fuzz(void *data, uint8_t *input, size_t size, uint8_t **out,
                                uint8_t *other, size_t other_size, size_t size_max);
EXPORTED const char *afl_custom_describe(void *data, size_t size_max);
EXPORTED int32_t afl_custom_init_trim(void *data, uint8_t *input, size_t size);
EXPORTED size_t afl_custom_trim(void *data, uint8_t **out);
EXPORTED int32_t afl_custom_post_trim(void *data, uint8_t success);
EXPORTED void afl_custom_deinit(void *data);

/* Return: NULL with a line on stderr, and then AFL++ ends, where no target is named. */
void *afl_custom_init(void *afl, unsigned int seed)
{
    (void)afl;
    const char *name = getenv("POTAD_TARGET");
    const struct case_limits *limits = name == NULL ? NULL : case_limits_find(name);
    if (limits == NULL) {
        fprintf(stderr, "potad: POTAD_TARGET: %s; see 'potad-case list'\n",
                name == NULL ? "needed: the name of the fuzz target" : "no such fuzz target");
        return NULL;
    }
    struct afl_mutator *afl_mutator = calloc(1, sizeof(*afl_mutator));
    if (afl_mutator == NULL) {
        return NULL;
    }
    mutator_init(&afl_mutator->mutator, limits);
    mutator_seed(&afl_mutator->mutator, seed);
    trim_init(&afl_mutator->trim, limits);
    return afl_mutator;
}

/* Has room for @bytes in what is given out. Return: whether it could. */
static bool reserve(struct afl_mutator *afl_mutator, size_t bytes)
{
    if (bytes <= afl_mutator->out_room) {
        return true;
    }
    uint8_t *out = realloc(afl_mutator->out, bytes);
    if (out == NULL) {
        return false;
    }
    afl_mutator->out = out;
    afl_mutator->out_room = bytes;
    return true;
}

size_t afl_custom_fuzz(void *data, uint8_t *input, size_t size, uint8_t **out, uint8_t *other,
                       size_t other_size, size_t size_max)
{
    struct afl_mutator *afl_mutator = data;
    struct mutator *mutator = &afl_mutator->mutator;
    *out = input;
    if (!reserve(afl_mutator, size_max)) {
        return size;
    }
    *out = afl_mutator->out;
    size = size < size_max ? size : size_max;
    if (other != NULL && other_size > 0 && mutate_one_in(mutator, CROSS_ONE_IN)) {
        return mutator_cross(mutator, input, size, other, other_size, afl_mutator->out, size_max);
    }
    memcpy(afl_mutator->out, input, size);
    return mutator_mutate(mutator, afl_mutator->out, size, size_max);
}

/* What the last input was made by, for its name in the queue. */
const char *afl_custom_describe(void *data, size_t size_max)
{
    struct afl_mutator *afl_mutator = data;
    size_t room = sizeof(afl_mutator->text);
    mutator_describe(&afl_mutator->mutator, afl_mutator->text, size_max < room ? size_max : room);
    return afl_mutator->text;
}

int32_t afl_custom_init_trim(void *data, uint8_t *input, size_t size)
{
    struct afl_mutator *afl_mutator = data;
    return (int32_t)trim_begin(&afl_mutator->trim, input, size);
}

size_t afl_custom_trim(void *data, uint8_t **out)
{
    struct afl_mutator *afl_mutator = data;
    const uint8_t *bytes;
    size_t size = trim_propose(&afl_mutator->trim, &bytes);
    *out = afl_mutator->trim.bytes;
    return size;
}

int32_t afl_custom_post_trim(void *data, uint8_t success)
{
    struct afl_mutator *afl_mutator = data;
    return (int32_t)trim_judge(&afl_mutator->trim, success != 0);
}

void afl_custom_deinit(void *data)
{
    struct afl_mutator *afl_mutator = data;
    mutator_close(&afl_mutator->mutator);
    trim_close(&afl_mutator->trim);
    free(afl_mutator->out);
    free(afl_mutator);
}

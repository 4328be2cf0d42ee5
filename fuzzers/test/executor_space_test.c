/* SPDX-License-Identifier: MIT
 *
 * executor_space_test.c: the core's spaces under the executor, with one thing wrong at a time in
 * what they answer or do: the executor must name the check that is violated.
 */
#include "fuzzers/subject_space.h"
#include "fuzzers/test/flaw.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { DESCRIPTOR_BYTES = 64 };

#define MAP         "potad-case 2\nrange zone=0 start=0 frames=512\n"
#define ADD(edges)  "space-add space=0 unit=512 units=20 shift=0 edges=" edges " bytes=64 home=any\n"
#define ALLOC(slot) "space-alloc space=0 slot=" slot " order=2\n"
#define FREE        "space-free slot=0\n"
#define SPLIT       "space-split slot=0 order=0\n"
#define LOOKUP      "space-lookup space=0 key=5 shift=0 end=0\n"
#define REMOVE      "space-remove space=0\n"

/* Units 4 to 6, in parts of two and one; and limits that are none. */
#define RUN_OF(key, within)                                                                        \
    "space-run space=0 slot=0 units=3 shift=0 align=4 key=" key " within=" within "\n"
#define RUN       RUN_OF("4", "2")
#define RUN_WRONG RUN_OF("4", "129")
#define RUN_FREE  "space-run-free slot=0\n"

/* X(id, name, check, operation at which it is found, program) */
#define FLAW_TABLE(X)                                                                              \
    X(FLAW_ADD_STATUS, "add_status", CHECK_STATUS, 0, ADD("0"))                                    \
    X(FLAW_ADD_ANY, "wrong_space", CHECK_STATUS, 0, ADD("9"))                                      \
    X(FLAW_ADD_SPURIOUS, "refused_space", CHECK_SPURIOUS, 0, ADD("0"))                             \
    X(FLAW_REMOVE_STATUS, "remove_status", CHECK_STATUS, 2, ADD("0") ALLOC("0") REMOVE)            \
    X(FLAW_ALIGNMENT, "alignment", CHECK_ALIGNMENT, 1, ADD("0") ALLOC("0"))                        \
    X(FLAW_CONTAINMENT, "containment", CHECK_CONTAINMENT, 1, ADD("0") ALLOC("0"))                  \
    X(FLAW_OVERLAP, "overlap", CHECK_OVERLAP, 2, ADD("0") ALLOC("0") ALLOC("1"))                   \
    X(FLAW_ALLOC_SPURIOUS, "refused_alloc", CHECK_SPURIOUS, 1, ADD("0") ALLOC("0"))                \
    X(FLAW_ALLOC_STATUS, "alloc_status", CHECK_STATUS, 1, ADD("0") ALLOC("0"))                     \
    /* another descriptor than the block's, in no slab */                                          \
    X(FLAW_DESCRIPTOR, "descriptor", CHECK_CONTAINMENT, 1, ADD("0") ALLOC("0"))                    \
    X(FLAW_FAILURE, "failed_alloc", CHECK_FAILURE_STATE, 1,                                        \
      ADD("0") "space-alloc space=0 slot=0 order=2 fault=slab-page:1:once\n")                      \
    X(FLAW_FREE_TAKES, "free_takes", CHECK_FREE_ALLOCATES, 2, ADD("0") ALLOC("0") FREE)            \
    X(FLAW_FREE_COUNT, "coalescing", CHECK_COALESCING, 2, ADD("0") ALLOC("0") FREE)                \
    X(FLAW_DESCRIPTORS, "descriptors", CHECK_DESCRIPTORS, 0, ADD("0"))                             \
    X(FLAW_OBJECT, "object_corrupt", CHECK_OBJECT, 2, ADD("0") ALLOC("0") SPLIT)                   \
    X(FLAW_SPLIT, "split_order", CHECK_ALIGNMENT, 2, ADD("0") ALLOC("0") SPLIT)                    \
    X(FLAW_LOOKUP, "lookup", CHECK_LOOKUP, 2, ADD("0") ALLOC("0") LOOKUP)                          \
    X(FLAW_HOLE, "lookup_in_a_hole", CHECK_LOOKUP, 0, ADD("0"))                                    \
    X(FLAW_RUN_ABOVE, "run_above_limits", CHECK_CONTAINMENT, 1, ADD("0") RUN)                      \
    X(FLAW_RUN_BELOW, "run_below_limits", CHECK_CONTAINMENT, 1, ADD("0") RUN)                      \
    X(FLAW_RUN_ACROSS, "run_across_limits", CHECK_CONTAINMENT, 1, ADD("0") RUN_OF("2", "2"))       \
    X(FLAW_RUN_ALIGNMENT, "run_alignment", CHECK_ALIGNMENT, 1, ADD("0") RUN)                       \
    X(FLAW_RUN_LENGTH, "run_length", CHECK_ALIGNMENT, 1, ADD("0") RUN)                             \
    X(FLAW_RUN_OVERLAP, "run_overlap", CHECK_OVERLAP, 2, ADD("0") RUN RUN_OF("0", "0"))            \
    X(FLAW_RUN_SPURIOUS, "refused_run", CHECK_SPURIOUS, 1, ADD("0") RUN)                           \
    X(FLAW_RUN_STATUS, "run_status", CHECK_STATUS, 1, ADD("0") RUN)                                \
    X(FLAW_RUN_NONE, "wrong_limits_status", CHECK_STATUS, 1, ADD("0") RUN_WRONG)                   \
    X(FLAW_RUN_ANY, "wrong_limits", CHECK_STATUS, 1, ADD("0") RUN_WRONG)                           \
    X(FLAW_RUN_PARTS, "run_parts", CHECK_LOOKUP, 1, ADD("0") RUN)                                  \
    X(FLAW_RUN_EXTENT, "run_part_extent", CHECK_LOOKUP, 1, ADD("0") RUN)                           \
    X(FLAW_RUN_SHARED, "run_shared_descriptor", CHECK_LOOKUP, 1, ADD("0") RUN)                     \
    X(FLAW_RUN_MOVED, "run_moved_descriptor", CHECK_LOOKUP, 4,                                     \
      ADD("0") RUN ALLOC("0") FREE RUN_FREE)                                                       \
    X(FLAW_RUN_OBJECT, "run_object_corrupt", CHECK_OBJECT, 4,                                      \
      ADD("0") RUN ALLOC("0") FREE RUN_FREE)                                                       \
    X(FLAW_RUN_FREE_TAKES, "run_free_takes", CHECK_FREE_ALLOCATES, 2, ADD("0") RUN RUN_FREE)

enum flaw { FLAW_NONE, FLAW_TABLE(FLAW_ID) FLAWS };

static unsigned frees; /* of blocks, since the space was added */
static unsigned runs;  /* allocated since then */

static const struct subject_space_ops *const real = &subject_core_spaces;

static enum status flawed_add(void *instance, uint32_t number,
                              const struct subject_space_config *config)
{
    const struct unit_range range = {0, 20};
    struct subject_space_config any = *config;
    any.ranges = &range;
    any.ranges_count = 1;
    frees = 0;
    runs = 0;
    switch (flaw_now) {
    case FLAW_ADD_STATUS:
        return STATUS_BUSY;
    case FLAW_ADD_SPURIOUS:
        return STATUS_NO_MEMORY;
    case FLAW_ADD_ANY:
        return real->add(instance, number, &any);
    default:
        return real->add(instance, number, config);
    }
}

static enum status flawed_remove(void *instance, uint32_t number)
{
    return flaw_now == FLAW_REMOVE_STATUS ? STATUS_OK : real->remove(instance, number);
}

static enum status flawed_alloc(void *instance, uint32_t number, order_t order,
                                struct subject_space_block *block)
{
    static _Alignas(MEMDESC_ALIGN) unsigned char elsewhere[DESCRIPTOR_BYTES];
    if (flaw_now == FLAW_ALLOC_SPURIOUS) {
        return STATUS_NO_MEMORY;
    }
    if (flaw_now == FLAW_FAILURE) {
        /* The fault strikes, but does no harm. */
        const struct potad *potad = instance;
        (void)potad->port.fault(potad->port.context, FAULT_SLAB_PAGE);
    }
    enum status status = real->alloc(instance, number, order, block);
    switch (flaw_now) {
    case FLAW_ALIGNMENT:
        block->unit++;
        break;
    case FLAW_CONTAINMENT:
        block->unit += 32;
        break;
    case FLAW_OVERLAP:
        block->unit = 16;
        break;
    case FLAW_DESCRIPTOR:
        block->descriptor = elsewhere;
        break;
    case FLAW_ALLOC_STATUS:
        return STATUS_BUSY;
    case FLAW_FAILURE:
        return STATUS_NO_MEMORY;
    default:
        break;
    }
    return status;
}

static void flawed_free(void *instance, uint32_t number, const struct subject_space_block *block)
{
    const struct potad *potad = instance;
    if (flaw_now == FLAW_FREE_TAKES) {
        (void)potad->port.fault(potad->port.context, FAULT_RANGE_NODE);
    }
    if (flaw_now == FLAW_RUN_OBJECT) {
        struct potad_space_info part;
        (void)real->lookup(instance, number, 6, &part);
        memset((unsigned char *)part.descriptor + real->own_bytes, 0, 1);
    }
    frees++;
    real->free(instance, number, block);
}

static enum status flawed_alloc_run(void *instance, uint32_t number,
                                    const struct unit_run_request *request, struct unit_run *run)
{
    struct unit_run_request other = *request;
    switch (flaw_now) {
    case FLAW_RUN_ABOVE:
        other.low = request->high;
        other.high = 0;
        break;
    case FLAW_RUN_BELOW:
        other.low = 0;
        other.high = request->low;
        break;
    case FLAW_RUN_ACROSS:
        other.low = request->low + 1;
        other.high = request->high + 1;
        break;
    case FLAW_RUN_ANY:
        other.low = 0;
        other.high = 0;
        break;
    case FLAW_RUN_SPURIOUS:
    case FLAW_RUN_NONE:
        return STATUS_NO_MEMORY;
    case FLAW_RUN_STATUS:
        return STATUS_INVALID;
    default:
        break;
    }
    enum status status = real->alloc_run(instance, number, &other, run);
    runs++;
    run->unit += flaw_now == FLAW_RUN_ALIGNMENT ? 1 : 0;
    run->units += flaw_now == FLAW_RUN_LENGTH ? 1 : 0;
    run->parts += flaw_now == FLAW_RUN_PARTS ? 1 : 0;
    if (flaw_now == FLAW_RUN_OVERLAP && request->high == 0) {
        run->unit = 4;
    }
    return status;
}

static void flawed_free_run(void *instance, uint32_t number, const struct unit_run *run)
{
    const struct potad *potad = instance;
    if (flaw_now == FLAW_RUN_FREE_TAKES) {
        (void)potad->port.fault(potad->port.context, FAULT_RANGE_NODE);
    }
    real->free_run(instance, number, run);
}

static enum status flawed_split(void *instance, uint32_t number,
                                const struct subject_space_block *block, order_t order,
                                struct subject_space_block *parts)
{
    enum status status = real->split(instance, number, block, order, parts);
    if (flaw_now == FLAW_OBJECT) {
        memset((unsigned char *)block->descriptor + real->own_bytes, 0, 1);
    }
    parts[1].order += flaw_now == FLAW_SPLIT ? 1 : 0;
    return status;
}

static bool flawed_lookup(void *instance, uint32_t number, uint64_t unit,
                          struct potad_space_info *info)
{
    bool found = real->lookup(instance, number, unit, info);
    info->order += flaw_now == FLAW_LOOKUP && unit == 5 ? 1 : 0;
    if (flaw_now == FLAW_RUN_SHARED && unit == 6) {
        struct potad_space_info other;
        (void)real->lookup(instance, number, 4, &other);
        info->descriptor = other.descriptor;
    }
    if (flaw_now == FLAW_RUN_MOVED && unit == 6 && frees > 0) {
        static _Alignas(MEMDESC_ALIGN) unsigned char copy[DESCRIPTOR_BYTES];
        memcpy(copy, info->descriptor, sizeof(copy));
        info->descriptor = (const struct buddy *)(const void *)copy;
    }
    info->order += flaw_now == FLAW_RUN_EXTENT && unit == 6 ? 1 : 0;
    return found || (flaw_now == FLAW_HOLE && unit == 20);
}

static const uint64_t *flawed_free_blocks(void *instance, uint32_t number)
{
    static uint64_t blocks[ORDERS];
    memcpy(blocks, real->free_blocks(instance, number), sizeof(blocks));
    /* As if two blocks had not merged. */
    if (flaw_now == FLAW_FREE_COUNT && frees > 0) {
        blocks[4] = 0;
        blocks[3] = 2;
    }
    return blocks;
}

static uint64_t flawed_descriptors(void *instance, uint32_t number)
{
    bool more = flaw_now == FLAW_DESCRIPTORS || (flaw_now == FLAW_RUN_PARTS && runs > 0);
    return real->descriptors(instance, number) + (more ? 1 : 0);
}

static struct flaw_case flaw_cases[FLAWS] = {FLAW_TABLE(FLAW_CASE)};

static struct subject_space_ops flawed_spaces(void)
{
    struct subject_space_ops spaces = *real;
    spaces.add = flawed_add;
    spaces.remove = flawed_remove;
    spaces.alloc = flawed_alloc;
    spaces.free = flawed_free;
    spaces.alloc_run = flawed_alloc_run;
    spaces.free_run = flawed_free_run;
    spaces.split = flawed_split;
    spaces.lookup = flawed_lookup;
    spaces.free_blocks = flawed_free_blocks;
    spaces.descriptors = flawed_descriptors;
    return spaces;
}

static void executor_run_finds_flaw(void **state)
{
    struct subject subject = *flaw_core();
    struct subject_space_ops spaces = flawed_spaces();
    subject.spaces = &spaces;
    flaw_assert_found(&subject, *state);
}

/* Units are no frames: what says where one is names its space. */
static void assert_space_named(const struct subject *subject, unsigned flaw, const char *text,
                               const char *due)
{
    struct executor executor;
    struct program program;
    program_init(&program);
    flaw_parse(&program, text);
    executor_init(&executor, subject, CASE_SLOTS_MAX);
    flaw_now = flaw;
    bool clean = executor_run(&executor, &program);
    flaw_now = FLAW_NONE;
    assert_false(clean);
    if (strstr(executor.harness.report.detail, due) == NULL) {
        fail_msg("no '%s' in: %s", due, executor.harness.report.detail);
    }
    executor_close(&executor);
    program_free(&program);
}

static bool validate_complains(void *instance, uint32_t number, struct violation *violation)
{
    (void)instance;
    (void)number;
    *violation = (struct violation){INVARIANT_COVER, 3, 0, 1};
    return false;
}

static void executor_run_names_the_space(void **state)
{
    struct subject subject = *flaw_core();
    struct subject_space_ops spaces = flawed_spaces();
    (void)state;
    subject.spaces = &spaces;
    for (unsigned i = FLAW_NONE + 1; i < FLAWS; i++) {
        enum check check = flaw_cases[i].check;
        if (i != FLAW_DESCRIPTOR && (check == CHECK_ALIGNMENT || check == CHECK_CONTAINMENT ||
                                     check == CHECK_OVERLAP || check == CHECK_LOOKUP)) {
            assert_space_named(&subject, i, flaw_cases[i].program, "space 0");
        }
    }
    spaces.validate = validate_complains;
    assert_space_named(&subject, FLAW_NONE, MAP ADD("0"), "space 0, unit 0x3: 0x1, expected 0");
}

/* An allocator without spaces: operations on them do nothing. */
static void executor_run_passes_over_spaces(void **state)
{
    struct subject subject = *flaw_core();
    (void)state;
    subject.capabilities &= ~(uint32_t)SUBJECT_SPACES;
    subject.spaces = NULL;
    flaw_assert_clean(&subject, MAP ADD("0") ALLOC("0") SPLIT LOOKUP FREE REMOVE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLAW_TABLE(FLAW_TEST) cmocka_unit_test(executor_run_names_the_space),
        cmocka_unit_test(executor_run_passes_over_spaces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

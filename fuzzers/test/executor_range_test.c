/* SPDX-License-Identifier: MIT
 *
 * executor_range_test.c: the core's map by ranges under the executor, with one thing wrong at a
 * time in what it answers or does: the executor must name the check that is violated.
 */
#include "fuzzers/subject_range.h"
#include "fuzzers/test/flaw.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MAP         "potad-case 2\nrange zone=0 start=0 frames=64\n"
#define STORE(key)  "range-store key=" key " shift=4 keys=1 end=0\n"
#define LOAD(key)   "range-load key=" key " shift=4 end=0\n"
#define ERASE(key)  "range-erase key=" key " shift=4 end=0\n"
#define GAP(window) "range-gap align=1 key=0 shift=4 keys=1 end=0 window=" window " above=0\n"

/* X(id, name, check, operation at which it is found, program) */
#define FLAW_TABLE(X)                                                                              \
    X(FLAW_VALUE, "value", CHECK_RANGE_LOOKUP, 1, STORE("1") "range-load key=20 shift=0 end=0\n")  \
    X(FLAW_LOAD, "load", CHECK_RANGE_LOOKUP, 0, STORE("1"))                                        \
    /* no neighbours of one key that has no value */                                               \
    X(FLAW_NEXT, "next", CHECK_RANGE_LOOKUP, 2, STORE("9") STORE("1") LOAD("4"))                   \
    X(FLAW_PREV, "prev", CHECK_RANGE_LOOKUP, 2, STORE("1") STORE("9") LOAD("4"))                   \
    X(FLAW_COUNT, "count", CHECK_RANGE_LOOKUP, 1, STORE("1"))                                      \
    X(FLAW_ERASED, "erased_range", CHECK_RANGE_LOOKUP, 1, STORE("1") ERASE("1"))                   \
    X(FLAW_GAP, "gap", CHECK_GAP_SEARCH, 1, STORE("0") GAP("0"))                                   \
    X(FLAW_GAP_STATUS, "gap_status", CHECK_GAP_SEARCH, 1, STORE("0") GAP("1"))                     \
    /* empties the keys before it stores */                                                        \
    X(FLAW_READER, "store_in_two_steps", CHECK_RANGE_READER, 1, STORE("1") STORE("1"))             \
    X(FLAW_SNAPSHOT, "old_root", CHECK_RANGE_SNAPSHOT, 2,                                          \
      STORE("1") "range-enter section=0\n" STORE("5"))                                             \
    X(FLAW_PREPARED, "prepared_store", CHECK_RANGE_PREPARED, 1,                                    \
      "range-prepare count=2\n" STORE("1"))                                                        \
    X(FLAW_SPURIOUS, "refused_store", CHECK_SPURIOUS, 0, STORE("1"))                               \
    /* stores, but says that it could not */                                                       \
    X(FLAW_FAILURE, "failed_store", CHECK_FAILURE_STATE, 0,                                        \
      "range-store key=1 shift=4 keys=1 end=0 fault=range-node:2:once\n")                          \
    X(FLAW_ERASE_TAKES, "erase_takes_a_node", CHECK_FREE_ALLOCATES, 1, STORE("1") ERASE("1"))      \
    X(FLAW_STATUS, "store_status", CHECK_STATUS, 0, STORE("1"))                                    \
    X(FLAW_STATUS_OPEN, "open_status", CHECK_STATUS, 0, LOAD("1"))                                 \
    X(FLAW_STATUS_CLOSE, "close_status", CHECK_STATUS, 1, STORE("1"))

enum flaw { FLAW_NONE, FLAW_TABLE(FLAW_ID) FLAWS };

static const struct subject_range_ops *const real = &subject_core_range;

static enum status flawed_open(void *instance, void (*step)(void *context), void *context,
                               void **tree)
{
    enum status status = real->open(instance, step, context, tree);
    return flaw_now == FLAW_STATUS_OPEN ? STATUS_INVALID : status;
}

static enum status flawed_close(void *tree)
{
    enum status status = real->close(tree);
    return flaw_now == FLAW_STATUS_CLOSE ? STATUS_BUSY : status;
}

static enum status flawed_store(void *tree, uint64_t first, uint64_t last, uint64_t value)
{
    if (flaw_now == FLAW_SPURIOUS || flaw_now == FLAW_PREPARED) {
        return STATUS_NO_MEMORY;
    }
    if (flaw_now == FLAW_READER) {
        (void)real->erase(tree, first, NULL);
    }
    enum status status = real->store(tree, first, last, value);
    if (flaw_now == FLAW_FAILURE && status == STATUS_NO_MEMORY) {
        (void)!real->store(tree, first, last, value);
    }
    return flaw_now == FLAW_STATUS ? STATUS_BUSY : status;
}

static bool flawed_erase(void *tree, uint64_t key, struct range_entry *erased)
{
    const struct range_source *source = &((struct subject_tree *)tree)->source;
    if (flaw_now == FLAW_ERASE_TAKES) {
        source->give_back(source->context, source->take(source->context));
    }
    bool was = real->erase(tree, key, erased);
    erased->last += flaw_now == FLAW_ERASED ? 1 : 0;
    return was;
}

static uint64_t flawed_value(void *tree, uint64_t key)
{
    uint64_t value = real->value(tree, key);
    return flaw_now == FLAW_VALUE && key == 20 ? value + 1 : value;
}

static bool flawed_load(void *tree, uint64_t key, struct range_entry *entry)
{
    return real->load(tree, key, entry) && flaw_now != FLAW_LOAD;
}

static bool flawed_next(void *tree, uint64_t key, struct range_entry *entry)
{
    return real->next(tree, key, entry) && (flaw_now != FLAW_NEXT || key != 64);
}

static bool flawed_prev(void *tree, uint64_t key, struct range_entry *entry)
{
    return real->prev(tree, key, entry) && (flaw_now != FLAW_PREV || key != 64);
}

static enum status flawed_gap(void *tree, const struct range_gap_request *request, uint64_t *found)
{
    enum status status = real->gap(tree, request, found);
    *found += flaw_now == FLAW_GAP ? 1 : 0;
    return flaw_now == FLAW_GAP_STATUS ? STATUS_OK : status;
}

static uint64_t flawed_root_value(void *tree, uint64_t root, uint64_t key)
{
    return real->root_value(tree, root, key) + (flaw_now == FLAW_SNAPSHOT ? 9 : 0);
}

static uint64_t flawed_count(void *tree)
{
    return real->count(tree) + (flaw_now == FLAW_COUNT ? 1 : 0);
}

static struct flaw_case flaw_cases[FLAWS] = {FLAW_TABLE(FLAW_CASE)};

static struct subject_range_ops flawed_range(void)
{
    struct subject_range_ops range = *real;
    range.open = flawed_open;
    range.close = flawed_close;
    range.store = flawed_store;
    range.erase = flawed_erase;
    range.value = flawed_value;
    range.load = flawed_load;
    range.next = flawed_next;
    range.prev = flawed_prev;
    range.gap = flawed_gap;
    range.root_value = flawed_root_value;
    range.count = flawed_count;
    return range;
}

static void executor_run_finds_flaw(void **state)
{
    struct subject subject = *flaw_core();
    struct subject_range_ops range = flawed_range();
    subject.range = &range;
    flaw_assert_found(&subject, *state);
}

/* An allocator without a map by ranges: its operations do nothing. */
static void executor_run_passes_over_ranges(void **state)
{
    struct subject subject = *flaw_core();
    (void)state;
    subject.capabilities &= ~(uint32_t)SUBJECT_RANGE;
    subject.range = NULL;
    flaw_assert_clean(&subject, MAP STORE("1") ERASE("1") GAP("0"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLAW_TABLE(FLAW_TEST) cmocka_unit_test(executor_run_passes_over_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

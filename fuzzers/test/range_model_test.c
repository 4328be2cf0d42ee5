/* SPDX-License-Identifier: MIT
 *
 * The flat model of a map by ranges, against one that has each key by itself.
 */
#include "fuzzers/range_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { KEYS = 64, ROUNDS = 4000 };

struct fixture {
    struct range_model model;
    uint64_t
        base; /* of the keys that are used; the last is the last there is, or they begin at 0 */
    uint64_t values[KEYS];
    uint64_t starts[KEYS]; /* the key's range begins here, as an index */
    uint64_t random;
};

static uint64_t draw(struct fixture *f, uint64_t below)
{
    f->random = f->random * 6364136223846793005U + 1442695040888963407U;
    return (f->random >> 33) % below;
}

static void put(struct fixture *f, uint64_t first, uint64_t last, uint64_t value)
{
    for (uint64_t key = last + 1; key < KEYS && f->starts[key] <= last && f->values[key] != 0;
         key++) {
        f->starts[key] = last + 1;
    }
    for (uint64_t key = first; key <= last; key++) {
        f->values[key] = value;
        f->starts[key] = first;
    }
}

static void assert_key(struct fixture *f, uint64_t key)
{
    const struct range_entry *entry = range_model_load(&f->model, f->base + key);
    uint64_t next = key;
    uint64_t prev = key;
    assert_int_equal(range_model_value(&f->model, f->base + key), f->values[key]);
    if (f->values[key] != 0) {
        assert_int_equal(entry->first, f->base + f->starts[key]);
        assert_true(range_model_has(&f->model, entry));
        return;
    }
    assert_null(entry);
    while (next < KEYS && f->values[next] == 0) {
        next++;
    }
    while (prev > 0 && f->values[prev] == 0) {
        prev--;
    }
    entry = range_model_next(&f->model, f->base + key);
    assert_int_equal(entry == NULL ? KEYS : entry->first - f->base, next);
    entry = range_model_prev(&f->model, f->base + key);
    assert_int_equal(entry == NULL ? 0 : entry->value, f->values[prev]);
}

/* Every place, one after the other. */
static void assert_gap(struct fixture *f)
{
    uint64_t low = draw(f, KEYS);
    struct range_gap_request request = {
        .first = f->base + low,
        .last = f->base + low + draw(f, KEYS - low),
        .size = 1 + draw(f, 8),
        .align = (uint64_t)1 << draw(f, 5),
        .from_above = draw(f, 2) == 0,
    };
    uint64_t best = KEYS;
    uint64_t found = 0;
    for (uint64_t at = low; at + request.size <= KEYS; at++) {
        bool serves = (f->base + at) % request.align == 0 &&
                      f->base + at + (request.size - 1) <= request.last;
        for (uint64_t key = at; key < at + request.size; key++) {
            serves = serves && f->values[key] == 0;
        }
        best = serves && (request.from_above || best == KEYS) ? at : best;
    }
    enum status status = range_model_gap(&f->model, &request, &found);
    assert_int_equal(status, best == KEYS ? STATUS_NOT_FOUND : STATUS_OK);
    assert_int_equal(status == STATUS_OK ? found - f->base : KEYS, best);
}

static void rounds(uint64_t base)
{
    struct fixture f = {.base = base, .random = base + 1};
    for (uint64_t i = 1; i <= ROUNDS; i++) {
        uint64_t first = draw(&f, KEYS);
        uint64_t room = KEYS - first < 12 ? KEYS - first : 12;
        uint64_t last = first + draw(&f, room);
        bool cuts = first > 0 && f.values[first] != 0 && f.starts[first] < first;
        cuts = cuts || (last + 1 < KEYS && f.values[last] != 0 && f.values[last + 1] != 0 &&
                        f.starts[last] == f.starts[last + 1]);
        assert_int_equal(range_model_cuts(&f.model, base + first, base + last), cuts);
        if (draw(&f, 5) < 3) {
            range_model_store(&f.model, base + first, base + last, i);
            put(&f, first, last, i);
        } else {
            range_model_clear(&f.model, base + first, base + last);
            put(&f, first, last, 0);
        }
        for (uint64_t key = 0; key < KEYS; key++) {
            assert_key(&f, key);
        }
        assert_gap(&f);
    }
    range_model_close(&f.model);
}

static void range_model_agrees_key_by_key_at_0(void **state)
{
    (void)state;
    rounds(0);
}

static void range_model_agrees_key_by_key_at_the_end(void **state)
{
    (void)state;
    rounds(UINT64_MAX - KEYS + 1);
}

static void range_model_gap_refuses_bad_requests(void **state)
{
    struct range_model model = {0};
    const struct range_gap_request bad[] = {
        {.first = 1, .last = 0, .size = 1, .align = 1},
        {.last = 9, .size = 0, .align = 1},
        {.last = 9, .size = 1, .align = 0},
        {.last = 9, .size = 1, .align = 6},
    };
    uint64_t found;
    (void)state;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(range_model_gap(&model, &bad[i], &found), STATUS_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(range_model_agrees_key_by_key_at_0),
        cmocka_unit_test(range_model_agrees_key_by_key_at_the_end),
        cmocka_unit_test(range_model_gap_refuses_bad_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 *
 * weak_axioms_test.c: what weak memory shows of random programs is what is permitted by definition,
 * no more and no less. `weak_axioms_test PROGRAMS SEED` tries more of them.
 */
#include "stress/random.h"
#include "stress/test/axioms.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LOCATIONS = 16, STEPS_MAX = 7, TEXT_MAX = 256, PROGRAMS = 300 };

/* A program while it is made up. */
struct draft {
    struct random random;
    char text[TEXT_MAX];
    size_t length;
    unsigned threads;
    unsigned steps; /* that may still come */
    unsigned value; /* of the next store: each has its own */
    char target;    /* the next register */
};

static uint64_t programs = PROGRAMS;
static uint64_t seed = 1;

static void draft_add(struct draft *draft, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void draft_add(struct draft *draft, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    draft->length +=
        (size_t)vsnprintf(draft->text + draft->length, TEXT_MAX - draft->length, format, arguments);
    va_end(arguments);
    assert_true(draft->length < TEXT_MAX);
}

static const char *draw_order(struct draft *draft, const char *const *orders, unsigned count)
{
    return orders[random_below(&draft->random, count)];
}

/* A load or an update into the next register, where there is one left. */
static void draft_read(struct draft *draft, char word)
{
    static const char *const loads[] = {"", "(acq)", "(ord)"};
    static const char *const updates[] = {"", "(acq)", "(rel)", "(acq_rel)", "(ord)"};
    bool loads_only = random_below(&draft->random, 3) != 0;
    if (draft->target >= 'a' + LITMUS_REGISTERS) {
        draft_add(draft, "%c+1%s", word, draw_order(draft, updates, 5));
    } else if (loads_only) {
        draft_add(draft, "%c=%c%s", draft->target++, word, draw_order(draft, loads, 3));
    } else if (random_once_in(&draft->random, 2)) {
        draft_add(draft, "%c=%c+1%s", draft->target++, word, draw_order(draft, updates, 5));
    } else {
        draft_add(draft, "%c=%c?%u:%u%s", draft->target++, word,
                  (unsigned)random_below(&draft->random, draft->value), draft->value,
                  draw_order(draft, updates, 5));
        draft->value++;
    }
}

static void draft_step(struct draft *draft)
{
    static const char *const stores[] = {"", "(rel)", "(ord)"};
    char word = (char)('x' + random_below(&draft->random, 2));
    draft->steps--;
    if (random_once_in(&draft->random, 20)) {
        draft_add(draft, "barrier");
    } else if (random_below(&draft->random, 5) < 2) {
        draft_add(draft, "%c=%u%s", word, draft->value++, draw_order(draft, stores, 3));
    } else {
        draft_read(draft, word);
    }
}

/* One to three steps, perhaps behind another thread, perhaps under the lock. */
static void draft_thread(struct draft *draft, unsigned thread)
{
    uint64_t count = 1 + random_below(&draft->random, 3);
    bool locks = random_once_in(&draft->random, 8);
    if (thread > 0 && random_once_in(&draft->random, 12)) {
        draft_add(draft, "after %u; ", thread - 1);
    }
    if (locks) {
        draft_add(draft, "lock; ");
    }
    for (uint64_t i = 0; i < count && (draft->steps > 0 || i == 0); i++) {
        draft_add(draft, "%s", i > 0 ? "; " : "");
        draft_step(draft);
    }
    if (locks) {
        draft_add(draft, "; unlock");
    }
}

static void draft_program(struct draft *draft, uint64_t number)
{
    random_init(&draft->random, seed, number);
    draft->length = 0;
    draft->steps = STEPS_MAX;
    draft->value = 1;
    draft->target = 'a';
    draft->threads = 2 + (unsigned)random_below(&draft->random, 3);
    for (unsigned thread = 0; thread < draft->threads; thread++) {
        draft_add(draft, "%s", thread > 0 ? " / " : "");
        draft_thread(draft, thread);
        draft->steps += draft->steps == 0 ? 1 : 0;
    }
}

/* Registers first, then words, up to four. */
static void draft_observes(const struct draft *draft, char *observes)
{
    size_t count = 0;
    for (char name = 'a'; name < draft->target; name++) {
        observes[count++] = name;
    }
    for (char name = 'x'; name <= 'y' && count < LITMUS_REGISTERS; name++) {
        observes[count++] = name;
    }
    observes[count] = '\0';
}

static int open_weak(void **state)
{
    static struct weak weak;
    *state = &weak;
    return weak_open(&weak, LOCATIONS) ? 0 : -1;
}

static int close_weak(void **state)
{
    weak_close(*state);
    return 0;
}

static void weak_random_programs_show_what_is_permitted(void **state)
{
    static struct litmus_outcomes found;
    static struct litmus_outcomes permitted;
    for (uint64_t number = 0; number < programs; number++) {
        struct litmus_program program;
        struct draft draft;
        char observes[LITMUS_REGISTERS + 1];
        draft_program(&draft, number);
        draft_observes(&draft, observes);
        assert_true(litmus_parse(&program, draft.text));
        assert_true(litmus_run(&program, observes, *state, &found));
        axioms_run(&program, observes, &permitted);
        for (unsigned outcome = 0; outcome < LITMUS_OUTCOMES; outcome++) {
            if (found.shown[outcome] != permitted.shown[outcome]) {
                print_error("`%s`: %s %0*u is %s, but was %s\n", draft.text, observes,
                            (int)strlen(observes), outcome,
                            permitted.shown[outcome] ? "permitted" : "not permitted",
                            found.shown[outcome] ? "shown" : "not shown");
                fail();
            }
        }
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weak_random_programs_show_what_is_permitted),
    };
    if (argc == 3) {
        programs = strtoull(argv[1], NULL, 0);
        seed = strtoull(argv[2], NULL, 0);
    }
    return cmocka_run_group_tests(tests, open_weak, close_weak);
}

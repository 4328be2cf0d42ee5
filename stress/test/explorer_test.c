/* SPDX-License-Identifier: MIT
 *
 * explorer_test.c: the scheduler and its strategies, on threads of a few steps each.
 */
#include "stress/explore/explorer.h"
#include "stress/finding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { STEPS_MAX = 8, ORDER_MAX = 16 };

/* What the threads of a test work on. */
struct toy {
    unsigned steps; /* of each thread */
    bool apart;     /* each on a word of its own */
    atomic_word_t words[EXPLORE_THREADS];
    spinlock_t locks[2];
    bool handed;          /* from thread 0 to thread 1, at this place */
    unsigned by;          /* what means */
    unsigned order_count; /* who did the steps so far */
    uint8_t order[ORDER_MAX];
};

static struct explorer explorer;
static struct schedule schedule;

static int set_up(void **state)
{
    (void)state;
    return explorer_open(&explorer, &schedule) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    explorer_close(&explorer);
    return 0;
}

static void toy_reset(struct toy *toy)
{
    for (unsigned i = 0; i < EXPLORE_THREADS; i++) {
        (atomic_word_poke)(&toy->words[i], 0);
    }
    spinlock_init(&toy->locks[0], LOCK_OWNER, 0);
    spinlock_init(&toy->locks[1], LOCK_OWNER, 1);
    toy->order_count = 0;
    toy->handed = false;
}

static bool execute(struct toy *toy, unsigned threads, void (*body)(void *context, unsigned thread),
                    struct strategy *strategy)
{
    toy_reset(toy);
    bool good = explorer_run(&explorer, threads, body, toy, strategy);
    return good;
}

/* Executes until something is found, at most @most times. Return: how often; @most + 1: nothing. */
static unsigned executions_to_find(struct toy *toy, unsigned threads,
                                   void (*body)(void *context, unsigned thread), const char *name,
                                   uint64_t seed, unsigned most)
{
    struct strategy *strategy = strategy_make(name, seed);
    assert_non_null(strategy);
    explorer_forget(&explorer);
    unsigned count = 1;
    while (execute(toy, threads, body, strategy)) {
        count++;
        if (!strategy->end(strategy, explorer.decisions) || count > most) {
            count = most + 1;
            break;
        }
    }
    strategy_close(strategy);
    return count;
}

/* Reads and writes a word in two steps, and expects that nobody came between. */
static void lose_update(void *context, unsigned thread)
{
    struct toy *toy = context;
    (void)thread;
    uint64_t before = atomic_word_peek(&toy->words[0]);
    atomic_word_poke(&toy->words[0], before + 1);
    uint64_t arrived = atomic_word_add(&toy->words[1], 1) + 1;
    if (arrived == explorer.threads && atomic_word_peek(&toy->words[0]) != explorer.threads) {
        explorer_report(&explorer, "lost", "an update is lost");
    }
}

static void every_strategy_finds_a_lost_update(void **state)
{
    static const char *const names[] = {"random",      "sticky",     "pos",       "pct2",
                                        "pct3",        "pct6",       "portfolio", "exhaustive1",
                                        "exhaustive2", "exhaustive3"};
    struct toy toy;
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        unsigned count = executions_to_find(&toy, 2, lose_update, names[i], 1, 1000);
        assert_in_range(count, 1, 1000);
        assert_string_equal(explorer.finding.name, "lost");
    }
}

static void without_preemptions_no_update_is_lost(void **state)
{
    struct toy toy;
    (void)state;
    assert_int_equal(executions_to_find(&toy, 3, lose_update, "exhaustive0", 1, 1000), 1001);
}

/* All on one word, so that no two steps are independent; or each on its own. */
static void count_steps(void *context, unsigned thread)
{
    struct toy *toy = context;
    for (unsigned i = 0; i < toy->steps; i++) {
        (void)atomic_word_add(&toy->words[toy->apart ? thread : 0], 1);
        toy->order[toy->order_count++] = (uint8_t)thread;
    }
}

/* How many orders of @left[] steps there are with at most @bound preemptions, @last having run. */
static unsigned long count_orders(unsigned threads, unsigned *left, unsigned last, unsigned bound)
{
    unsigned long orders = 0;
    bool ended = true;
    for (unsigned i = 0; i < threads; i++) {
        bool preempts = last < threads && i != last && left[last] > 0;
        if (left[i] == 0) {
            continue;
        }
        ended = false;
        if (preempts && bound == 0) {
            continue;
        }
        left[i]--;
        orders += count_orders(threads, left, i, bound - (preempts ? 1 : 0));
        left[i]++;
    }
    return ended ? 1 : orders;
}

static unsigned long executions_of(struct toy *toy, unsigned threads, unsigned bound)
{
    struct strategy *strategy = strategy_exhaustive(bound);
    unsigned long count = 0;
    assert_non_null(strategy);
    do {
        assert_true(execute(toy, threads, count_steps, strategy));
        count++;
    } while (strategy->end(strategy, explorer.decisions));
    strategy_close(strategy);
    return count;
}

static void exhaustive_search_executes_each_order_once(void **state)
{
    (void)state;
    for (unsigned threads = 2; threads <= 3; threads++) {
        for (unsigned steps = 1; steps <= 4; steps++) {
            for (unsigned bound = 0; bound <= 3; bound++) {
                struct toy toy = {.steps = steps};
                unsigned left[EXPLORE_THREADS] = {steps, steps, steps, steps};
                assert_int_equal(executions_of(&toy, threads, bound),
                                 count_orders(threads, left, threads, bound));
            }
        }
    }
}

static void steps_that_do_not_conflict_are_not_turned_around(void **state)
{
    (void)state;
    for (unsigned bound = 2; bound <= 3; bound++) {
        struct toy together = {.steps = 3};
        struct toy apart = {.steps = 3, .apart = true};
        assert_true(executions_of(&apart, 2, bound) < executions_of(&together, 2, bound));
    }
}

/* Each thread writes what it has seen of the other: with all executions, all that can be seen is.
 */
static void see_each_other(void *context, unsigned thread)
{
    struct toy *toy = context;
    atomic_word_poke(&toy->words[thread], 1);
    uint64_t seen = atomic_word_peek(&toy->words[1 - thread]);
    atomic_word_poke(&toy->words[2 + thread], seen + 1);
}

static void pruning_leaves_all_outcomes(void **state)
{
    (void)state;
    for (unsigned bound = 0; bound <= 2; bound++) {
        struct toy toy = {.steps = 0};
        struct strategy *strategy = strategy_exhaustive(bound);
        unsigned outcomes = 0;
        assert_non_null(strategy);
        do {
            assert_true(execute(&toy, 2, see_each_other, strategy));
            uint64_t seen[2] = {(atomic_word_peek)(&toy.words[2]) - 1,
                                (atomic_word_peek)(&toy.words[3]) - 1};
            outcomes |= 1U << (2 * seen[0] + seen[1]);
        } while (strategy->end(strategy, explorer.decisions));
        strategy_close(strategy);
        /* One after the other: one is seen. One between the other's steps: both are. */
        assert_int_equal(outcomes, bound == 0 ? 0x6 : 0xe);
    }
}

/* What a thread did first and the other one saw of it is in two words: of both threads, as a bit of
 * the answer each. */
static unsigned outcomes_of(void (*body)(void *context, unsigned thread), bool weak,
                            const char *name, unsigned most)
{
    struct toy toy;
    struct strategy *strategy = strategy_make(name, 1);
    unsigned outcomes = 0;
    assert_non_null(strategy);
    assert_true(explorer_set_weak(&explorer, weak));
    explorer_forget(&explorer);
    do {
        assert_true(execute(&toy, 2, body, strategy));
        uint64_t first = (atomic_word_peek)(&toy.words[2]) - 1;
        uint64_t second = (atomic_word_peek)(&toy.words[3]) - 1;
        outcomes |= 1U << (2 * first + second);
        most--;
    } while (strategy->end(strategy, explorer.decisions) && most > 0);
    strategy_close(strategy);
    assert_true(explorer_set_weak(&explorer, false));
    return outcomes;
}

static void weak_memory_shows_a_store_late(void **state)
{
    (void)state;
    assert_int_equal(outcomes_of(see_each_other, false, "exhaustive2", 1000), 0xe);
    assert_int_equal(outcomes_of(see_each_other, true, "exhaustive2", 1000), 0xf);
    assert_int_equal(outcomes_of(see_each_other, true, "random", 1000), 0xf);
}

static void see_each_other_with_barrier(void *context, unsigned thread)
{
    struct toy *toy = context;
    atomic_word_poke(&toy->words[thread], 1);
    if (thread == 0) {
        explorer_barrier(&explorer);
    }
    uint64_t seen =
        thread == 0 ? atomic_word_peek(&toy->words[1]) : atomic_word_load_ordered(&toy->words[0]);
    atomic_word_poke(&toy->words[2 + thread], seen + 1);
}

static void a_barrier_is_for_all_threads(void **state)
{
    (void)state;
    assert_int_equal(outcomes_of(see_each_other_with_barrier, true, "exhaustive2", 10000), 0xe);
}

/* Thread 1 tries to take what thread 0 has released: that it fails tells it nothing. */
static void fail_to_claim(void *context, unsigned thread)
{
    struct toy *toy = context;
    uint64_t seen[2] = {0, 0};
    if (thread == 0) {
        atomic_word_poke(&toy->words[0], 1);
        atomic_word_release(&toy->words[1], 1);
    } else {
        seen[0] = atomic_word_claim_ordered(&toy->words[1], 2) ? 0 : 1;
        seen[1] = atomic_word_peek(&toy->words[0]);
        atomic_word_poke(&toy->words[2], seen[0] + 1);
        atomic_word_poke(&toy->words[3], seen[1] + 1);
    }
}

static void an_update_that_fails_acquires_nothing(void **state)
{
    (void)state;
    assert_int_equal(outcomes_of(fail_to_claim, false, "exhaustive2", 1000), 0xb);
    assert_int_equal(outcomes_of(fail_to_claim, true, "exhaustive2", 1000), 0xf);
}

enum { BY_NOTHING, BY_POINT, BY_LOCK };

/* Thread 0 hands over what it has stored without order. */
static void hand_over(void *context, unsigned thread)
{
    struct toy *toy = context;
    atomic_word_poke(&toy->words[thread], 1);
    if (toy->by == BY_LOCK) {
        spinlock_lock(&toy->locks[0]);
    }
    bool handed = toy->handed;
    if (toy->by == BY_POINT) {
        (thread == 0 ? explorer_release : explorer_acquire)(&toy->handed);
    }
    toy->handed = handed || thread == 0;
    if (toy->by == BY_LOCK) {
        spinlock_unlock(&toy->locks[0]);
    }
    if (thread == 1 && handed && atomic_word_peek(&toy->words[0]) != 1) {
        explorer_report(&explorer, "late", "what was handed over is not there");
    }
    atomic_word_poke(&toy->words[2 + thread], 1);
}

static void what_is_handed_over_is_seen(void **state)
{
    (void)state;
    assert_true(explorer_set_weak(&explorer, true));
    for (unsigned by = BY_NOTHING; by <= BY_LOCK; by++) {
        struct toy toy = {.by = by};
        bool found = executions_to_find(&toy, 2, hand_over, "exhaustive2", 1, 10000) <= 10000;
        assert_int_equal(found, by == BY_NOTHING);
    }
    assert_true(explorer_set_weak(&explorer, false));
}

static void weak_executions_are_replayed(void **state)
{
    struct schedule *kept = malloc(sizeof(*kept));
    struct toy toy;
    unsigned late = 0;
    (void)state;
    assert_non_null(kept);
    assert_true(explorer_set_weak(&explorer, true));
    struct strategy *strategy = strategy_random(1);
    for (unsigned i = 0; i < 200; i++) {
        assert_true(execute(&toy, 2, see_each_other, strategy));
        uint64_t hash = explorer.hash;
        bool older = (atomic_word_peek)(&toy.words[2]) + (atomic_word_peek)(&toy.words[3]) == 2;
        schedule_copy(kept, &schedule);
        struct strategy *replay = strategy_replay(kept);
        assert_true(execute(&toy, 2, see_each_other, replay));
        strategy_close(replay);
        assert_true(explorer.hash == hash);
        assert_int_equal(
            older, (atomic_word_peek)(&toy.words[2]) + (atomic_word_peek)(&toy.words[3]) == 2);
        late += older ? 1 : 0;
    }
    strategy_close(strategy);
    free(kept);
    assert_true(explorer_set_weak(&explorer, false));
    assert_true(late > 0);
}

static void lock_both(void *context, unsigned thread)
{
    struct toy *toy = context;
    spinlock_lock(&toy->locks[thread]);
    spinlock_lock(&toy->locks[1 - thread]);
    spinlock_unlock(&toy->locks[1 - thread]);
    spinlock_unlock(&toy->locks[thread]);
}

static void deadlock_is_told_with_its_cycle(void **state)
{
    struct toy toy;
    (void)state;
    assert_in_range(executions_to_find(&toy, 2, lock_both, "exhaustive1", 1, 100), 1, 100);
    assert_string_equal(explorer.finding.name, "deadlock");
    assert_non_null(strstr(explorer.finding.text, "thread 1 wants"));
    assert_non_null(strstr(explorer.finding.text, "thread 2 wants"));
    assert_non_null(strstr(explorer.finding.text, "lock_both()"));
}

static void wait_for_ever(void *context, unsigned thread)
{
    struct toy *toy = context;
    if (thread == 0) {
        atomic_word_poke(&toy->words[0], 1);
    }
    while (atomic_word_acquire(&toy->words[0]) != 2) {
        port_relax();
    }
}

static void waiting_for_what_nobody_does_is_a_livelock(void **state)
{
    struct toy toy;
    (void)state;
    assert_int_equal(executions_to_find(&toy, 2, wait_for_ever, "random", 1, 10), 1);
    assert_string_equal(explorer.finding.name, "livelock");
}

/* What is found bears a name, and the page of a schedule says what that means. */
static void each_name_has_a_sentence(void **state)
{
    static const char *const names[] = {
        "accept",   "assert",       "boot",   "containment",   "crash",    "deadlock",
        "exit",     "failed-frame", "hang",   "head-word",     "lifetime", "linearizability",
        "livelock", "lock-order",   "lookup", "metadata-home", "migrate",  "not-whole",
        "overlap",  "sanitizer",    "status", "tsan"};
    (void)state;
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_string_not_equal(finding_sentence_of(names[i]), "");
    }
    assert_string_equal(finding_sentence_of("none"), "");
}

/* Thread 1 waits for thread 0, which goes on. */
static void wait_a_while(void *context, unsigned thread)
{
    struct toy *toy = context;
    for (uint64_t i = 1; i <= 3; i++) {
        if (thread == 0) {
            atomic_word_release(&toy->words[0], i);
        }
        while (atomic_word_acquire(&toy->words[0]) < i) {
            port_relax();
        }
    }
}

static void who_waits_does_not_keep_others_from_going_on(void **state)
{
    struct toy toy;
    (void)state;
    for (const char *const *name = strategy_names; *name != NULL; name++) {
        assert_int_equal(executions_to_find(&toy, 2, wait_a_while, *name, 7, 200), 201);
    }
}

/* Who has seen an older value looks again, though nobody stores anything any more. */
static void who_waits_in_weak_memory_looks_again(void **state)
{
    struct toy toy;
    (void)state;
    assert_true(explorer_set_weak(&explorer, true));
    for (const char *const *name = strategy_names; *name != NULL; name++) {
        assert_int_equal(executions_to_find(&toy, 2, wait_a_while, *name, 7, 200), 201);
    }
    assert_true(explorer_set_weak(&explorer, false));
}

/* Draws executions until the schedule has many switches; then that has to happen again. */
static void schedule_is_replayed_step_by_step(void **state)
{
    struct toy toy = {.steps = 4};
    struct schedule *kept = malloc(sizeof(*kept));
    struct schedule *read = malloc(sizeof(*read));
    char text[1024];
    char error[SCHEDULE_ERROR_MAX];
    (void)state;
    assert_non_null(kept);
    assert_non_null(read);
    explorer_forget(&explorer);
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct strategy *strategy = strategy_random(seed);
        assert_true(execute(&toy, 3, count_steps, strategy));
        strategy_close(strategy);
        uint8_t order[ORDER_MAX];
        uint64_t hash = explorer.hash;
        memcpy(order, toy.order, sizeof(order));
        schedule_copy(kept, &schedule);
        FILE *out = fmemopen(text, sizeof(text), "w");
        assert_non_null(out);
        schedule_print(out, kept);
        fclose(out);
        assert_true(schedule_parse(read, text, error));
        strategy = strategy_replay(read);
        assert_true(execute(&toy, 3, count_steps, strategy));
        strategy_close(strategy);
        assert_memory_equal(order, toy.order, sizeof(order));
        assert_true(explorer.hash == hash);
        assert_int_equal(schedule_switches(&schedule), schedule_switches(kept));
    }
    free(kept);
    free(read);
}

static void bad_schedules_are_refused(void **state)
{
    static const char *const bad[] = {
        "1",      "1@",     "0@1.1",     "5@1.1", "1@1",    "1@1.",        "1@x.1",
        "1@1.1x", "1@1.1=", "1@1.1=256", "end",   "1@end2", "1@1.1,2@end", "99999999999@1.1"};
    struct schedule *read = malloc(sizeof(*read));
    char error[SCHEDULE_ERROR_MAX];
    (void)state;
    assert_non_null(read);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        error[0] = '\0';
        assert_false(schedule_parse(read, bad[i], error));
        assert_true(error[0] != '\0');
    }
    assert_true(schedule_parse(read, " 1@0.14  2@3.5=1 2@end ", error));
    assert_int_equal(read->runs_count, 2);
    assert_int_equal(read->picks_count, 1);
    free(read);
}

/* A bug of depth 2: one ordering of two steps. PCT owes 1/(n k). */
static void one_step_too_early(void *context, unsigned thread)
{
    struct toy *toy = context;
    if (thread == 1) {
        if (atomic_word_peek(&toy->words[0]) == 4) {
            explorer_report(&explorer, "early", "seen at the one moment");
        }
        return;
    }
    for (unsigned i = 1; i <= STEPS_MAX; i++) {
        atomic_word_poke(&toy->words[0], i);
    }
}

static void pct_finds_what_it_owes(void **state)
{
    enum { RUNS = 3000, THREADS = 2, STEPS = STEPS_MAX + 1 };
    struct toy toy;
    struct strategy *strategy = strategy_pct(1, 2);
    unsigned found = 0;
    (void)state;
    explorer_forget(&explorer);
    for (unsigned i = 0; i < RUNS; i++) {
        found += execute(&toy, THREADS, one_step_too_early, strategy) ? 0 : 1;
        (void)strategy->end(strategy, explorer.decisions);
    }
    strategy_close(strategy);
    /* Half of it, lest the test fail by chance. */
    assert_in_range(found, RUNS / (THREADS * STEPS) / 2, RUNS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_strategy_finds_a_lost_update),
        cmocka_unit_test(without_preemptions_no_update_is_lost),
        cmocka_unit_test(exhaustive_search_executes_each_order_once),
        cmocka_unit_test(steps_that_do_not_conflict_are_not_turned_around),
        cmocka_unit_test(pruning_leaves_all_outcomes),
        cmocka_unit_test(weak_memory_shows_a_store_late),
        cmocka_unit_test(a_barrier_is_for_all_threads),
        cmocka_unit_test(an_update_that_fails_acquires_nothing),
        cmocka_unit_test(what_is_handed_over_is_seen),
        cmocka_unit_test(weak_executions_are_replayed),
        cmocka_unit_test(deadlock_is_told_with_its_cycle),
        cmocka_unit_test(waiting_for_what_nobody_does_is_a_livelock),
        cmocka_unit_test(who_waits_does_not_keep_others_from_going_on),
        cmocka_unit_test(who_waits_in_weak_memory_looks_again),
        cmocka_unit_test(schedule_is_replayed_step_by_step),
        cmocka_unit_test(each_name_has_a_sentence),
        cmocka_unit_test(bad_schedules_are_refused),
        cmocka_unit_test(pct_finds_what_it_owes),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

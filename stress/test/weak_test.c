/* SPDX-License-Identifier: MIT
 *
 * weak_test.c: which outcomes of small programs weak memory shows, exactly, and which not; and that
 * explore/README.md has them in the same words. `weak_test table` prints what it should have.
 */
#include "stress/test/axioms.h"

#include "core/sync_explored.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { LOCATIONS = 64, NEVER_MAX = 256, LINE_MAX = 768 };

/* X(name, program, what is observed, the values that each of that may have, combinations of those
 * that are never shown; all others are) */
#define LITMUS_TABLE(X)                                                                            \
    X("SB", "x=1; a=y / y=1; b=x", "ab", "01 01", "")                                              \
    X("SB, release and acquire", "x=1(rel); a=y(acq) / y=1(rel); b=x(acq)", "ab", "01 01", "")     \
    X("SB, ordered", "x=1(ord); a=y(ord) / y=1(ord); b=x(ord)", "ab", "01 01", "00")               \
    X("SB, ordered stores", "x=1(ord); a=y / y=1(ord); b=x", "ab", "01 01", "")                    \
    X("SB, ordered loads", "x=1; a=y(ord) / y=1; b=x(ord)", "ab", "01 01", "")                     \
    X("SB, ordered updates", "x+1(ord); a=y(ord) / y+1(ord); b=x(ord)", "ab", "01 01", "00")       \
    X("SB, one barrier for all", "x=1; barrier; a=y / y=1; b=x", "ab", "01 01", "00")              \
    X("SB, a CPU's lists", "x=1; a=y(ord) / y=1(ord); barrier; b=x(ord)", "ab", "01 01", "00")     \
    X("SB, a CPU's lists, no barrier", "x=1; a=y(ord) / y=1(ord); b=x(ord)", "ab", "01 01", "")    \
    X("SB, a barrier elsewhere", "x=1; a=y / y=1; b=x / barrier", "ab", "01 01", "")               \
    X("MP", "x=1; y=1 / a=y; b=x", "ab", "01 01", "")                                              \
    X("MP, release and acquire", "x=1; y=1(rel) / a=y(acq); b=x", "ab", "01 01", "10")             \
    X("MP, release only", "x=1; y=1(rel) / a=y; b=x", "ab", "01 01", "")                           \
    X("MP, acquire only", "x=1; y=1 / a=y(acq); b=x", "ab", "01 01", "")                           \
    X("MP, ordered", "x=1; y=1(ord) / a=y(ord); b=x", "ab", "01 01", "10")                         \
    X("MP, lock", "lock; x=1; y=1; unlock / lock; a=y; b=x; unlock", "ab", "01 01", "01 10")       \
    X("MP, lock for each", "lock; x=1; unlock; y=1 / a=y; lock; b=x; unlock", "ab", "01 01", "10") \
    X("MP, after a release", "z=1(rel); x=1; y=1 / a=z(acq); b=y; c=x", "abc", "01 01 01", "")     \
    X("MP, loop", "x=1; y=1 / wait y; a=x", "a", "01", "")                                         \
    X("MP, loop, release and acquire", "x=1; y=1(rel) / wait y(acq); a=x", "a", "01", "0")         \
    X("MP, end of a thread", "x=1 / after 0; a=x", "a", "01", "0")                                 \
    X("MP, barrier in the writer", "x=1; barrier; y=1 / a=y; b=x", "ab", "01 01", "10")            \
    X("MP, barrier in the reader", "x=1; y=1 / a=y; barrier; b=x", "ab", "01 01", "10")            \
    X("MP, barrier before", "barrier; x=1; y=1 / a=y; b=x", "ab", "01 01", "")                     \
    X("LB, not modelled", "a=x; y=1 / b=y; x=1", "ab", "01 01", "11")                              \
    X("CoRR", "x=1; x=2 / a=x; b=x", "ab", "012 012", "10 20 21")                                  \
    X("CoRR, two readers", "x=1 / x=2 / wait x; a=x; b=x / wait x; c=x; d=x", "abcd",              \
      "12 12 12 12", "1221 2112")                                                                  \
    X("CoRR, through another", "x=1; x=2 / a=x; y=1(rel) / b=y(acq); c=x", "abc", "012 01 012",    \
      "110 210 211")                                                                               \
    X("CoRR, first seen", "x=1; x=2 / a=x; y=1(rel); d=x / b=y(acq); c=x", "abc", "012 01 012",    \
      "110 210 211")                                                                               \
    X("CoRR, update that fails", "x=1 / a=x?2:3; b=x", "ab", "01 01", "10")                        \
    X("CoWR", "x=1; a=x / x=2", "a", "012", "0")                                                   \
    X("CoRW", "a=x; x=1 / x=2", "ax", "02 12", "22")                                               \
    X("CoWW", "x=1; x=2 / a=x", "ax", "012 12", "01 11 21")                                        \
    X("2+2W, not modelled", "x=1; y=2 / y=1; x=2", "xy", "12 12", "11")                            \
    X("2+2W, ordered", "x=1(ord); y=2(ord) / y=1(ord); x=2(ord)", "xy", "12 12", "11")             \
    X("S, not modelled", "x=2; y=1 / a=y; x=1", "ax", "01 12", "12")                               \
    X("S, release and acquire", "x=2; y=1(rel) / a=y(acq); x=1", "ax", "01 12", "12")              \
    X("R", "x=1; y=1 / y=2; a=x", "ay", "01 12", "")                                               \
    X("R, release and acquire", "x=1; y=1(rel) / y=2(rel); a=x(acq)", "ay", "01 12", "")           \
    X("R, ordered", "x=1(ord); y=1(ord) / y=2(ord); a=x(ord)", "ay", "01 12", "02")                \
    X("WRC", "x=1 / a=x; y=1 / b=y; c=x", "abc", "01 01 01", "")                                   \
    X("WRC, release and acquire", "x=1(rel) / a=x(acq); y=1(rel) / b=y(acq); c=x", "abc",          \
      "01 01 01", "110")                                                                           \
    X("ISA2, release and acquire", "x=1; y=1(rel) / a=y(acq); z=1(rel) / b=z(acq); c=x", "abc",    \
      "01 01 01", "110")                                                                           \
    X("ISA2, one load relaxed", "x=1; y=1(rel) / a=y; z=1(rel) / b=z(acq); c=x", "abc",            \
      "01 01 01", "")                                                                              \
    X("IRIW", "x=1 / y=1 / a=x; b=y / c=y; d=x", "abcd", "01 01 01 01", "")                        \
    X("IRIW, release and acquire",                                                                 \
      "x=1(rel) / y=1(rel) / a=x(acq); b=y(acq) / c=y(acq); d=x(acq)", "abcd", "01 01 01 01", "")  \
    X("IRIW, ordered", "x=1(ord) / y=1(ord) / a=x(ord); b=y(ord) / c=y(ord); d=x(ord)", "abcd",    \
      "01 01 01 01", "1010")                                                                       \
    X("IRIW, ordered loads", "x=1 / y=1 / a=x(ord); b=y(ord) / c=y(ord); d=x(ord)", "abcd",        \
      "01 01 01 01", "1010")                                                                       \
    X("IRIW, last loads ordered", "x=1 / y=1 / a=x; b=y(ord) / c=y; d=x(ord)", "abcd",             \
      "01 01 01 01", "")                                                                           \
    X("IRIW, ordered stores", "x=1(ord) / y=1(ord) / a=x(acq); b=y(acq) / c=y(acq); d=x(acq)",     \
      "abcd", "01 01 01 01", "")                                                                   \
    X("RMW", "a=x+1 / b=x+1", "abx", "01 01 2", "002 112")                                         \
    X("RMW after a load", "x=1 / a=x; b=x+2", "abx", "01 01 13", "003 011 101 103 111")            \
    X("RMW releases", "x=1; a=y+1(acq_rel) / b=y(acq); c=x", "bc", "01 01", "10")                  \
    X("RMW acquires", "x=1; y=1(rel) / a=y?1:2(acq_rel); b=x", "ab", "01 01", "10")                \
    X("RMW that fails", "x=1; y=1(rel) / a=y?2:3(ord); b=x", "ab", "01 01", "")                    \
    X("Release sequence", "x=1; y=1(rel) / a=y?1:2 / b=y(acq); c=x", "bc", "012 01", "10 20")      \
    X("Release sequence, store", "x=1; y=1(rel) / wait y; y=2 / a=y(acq); b=x", "ab", "012 01",    \
      "10")                                                                                        \
    X("Release sequence, own store", "x=1; y=1(rel); y=2 / a=y(acq); b=x", "ab", "012 01", "10")

struct litmus_row {
    const char *name;
    const char *program;
    const char *observes;
    const char *values;
    const char *never;
};

static const struct litmus_row rows[] = {
#define X(name, program, observes, values, never) {name, program, observes, values, never},
    LITMUS_TABLE(X)
#undef X
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

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

/* Whether the digits of @outcome are among @row's values, column by column. */
static bool outcome_is_among(const struct litmus_row *row, unsigned outcome)
{
    size_t columns = strlen(row->observes);
    char digits[8];
    const char *values = row->values;
    (void)snprintf(digits, sizeof(digits), "%0*u", (int)columns, outcome % LITMUS_OUTCOMES);
    for (size_t column = 0; column < columns; column++) {
        size_t length = strcspn(values, " ");
        if (strlen(digits) != columns || memchr(values, digits[column], length) == NULL) {
            return false;
        }
        values += length + strspn(values + length, " ");
    }
    return true;
}

/* Runs @row, and adds to @never what is not shown of what may be. Return: how many are shown. */
static unsigned row_run(struct weak *weak, const struct litmus_row *row, char *never)
{
    static struct litmus_outcomes outcomes;
    struct litmus_program program;
    unsigned shown = 0;
    size_t length = 0;
    *never = '\0';
    assert_true(litmus_parse(&program, row->program));
    assert_true(litmus_run(&program, row->observes, weak, &outcomes));
    assert_false(weak_is_full(weak));
    for (unsigned outcome = 0; outcome < LITMUS_OUTCOMES; outcome++) {
        bool among = outcome_is_among(row, outcome);
        shown += outcomes.shown[outcome] ? 1 : 0;
        assert_true(among || !outcomes.shown[outcome]);
        if (among && !outcomes.shown[outcome]) {
            length += (size_t)snprintf(never + length, NEVER_MAX - length, "%s%0*u",
                                       length > 0 ? " " : "", (int)strlen(row->observes), outcome);
            assert_true(length < NEVER_MAX);
        }
    }
    return shown;
}

/* The line of README.md for @row, as it was found to be. */
static void row_print(struct weak *weak, const struct litmus_row *row, char *line)
{
    char never[NEVER_MAX];
    unsigned shown = row_run(weak, row, never);
    (void)snprintf(line, LINE_MAX, "| %s | `%s` | %s | %s | %u | %s |\n", row->name, row->program,
                   row->observes, row->values, shown, *never == '\0' ? "-" : never);
}

static void weak_litmus_shows_what_the_table_says(void **state)
{
    bool good = true;
    for (unsigned i = 0; i < ROWS; i++) {
        char never[NEVER_MAX];
        row_run(*state, &rows[i], never);
        if (strcmp(never, rows[i].never) != 0) {
            print_error("%s: never shown: %s; expected: %s\n", rows[i].name, never, rows[i].never);
            good = false;
        }
    }
    assert_true(good);
}

/* All but those that loop, which by definition have executions without end. */
static void weak_litmus_shows_what_is_permitted(void **state)
{
    static struct litmus_outcomes found;
    static struct litmus_outcomes permitted;
    for (unsigned i = 0; i < ROWS; i++) {
        struct litmus_program program;
        if (strstr(rows[i].program, "wait") == NULL) {
            assert_true(litmus_parse(&program, rows[i].program));
            assert_true(litmus_run(&program, rows[i].observes, *state, &found));
            axioms_run(&program, rows[i].observes, &permitted);
            assert_memory_equal(found.shown, permitted.shown, sizeof(found.shown));
        }
    }
}

static void weak_litmus_readme_has_the_table(void **state)
{
    char line[LINE_MAX];
    char wanted[LINE_MAX];
    unsigned row = 0;
    FILE *readme = fopen(POTAD_EXPLORE_README, "r");
    assert_non_null(readme);
    do {
        assert_non_null(fgets(line, sizeof(line), readme));
    } while (strncmp(line, "| litmus test |", 15) != 0);
    assert_non_null(fgets(line, sizeof(line), readme));
    while (fgets(line, sizeof(line), readme) != NULL && line[0] == '|') {
        assert_true(row < ROWS);
        row_print(*state, &rows[row], wanted);
        assert_string_equal(line, wanted);
        row++;
    }
    assert_int_equal(row, ROWS);
    assert_int_equal(fclose(readme), 0);
}

/* A pick: always the oldest that may be seen; notes how many there were. */
static uint32_t pick_oldest(void *context, uint32_t count)
{
    *(uint32_t *)context = count;
    return count - 1;
}

static void weak_load_sees_the_last_stores_only(void **state)
{
    struct weak *weak = *state;
    uint64_t word = 0;
    uint32_t count = 0;
    weak_reset(weak, pick_oldest, &count);
    for (uint64_t value = 1; value <= 20; value++) {
        weak_store(weak, 0, &word, SYNC_RELAXED, word, value);
        word = value;
    }
    assert_int_equal(weak_load(weak, 1, &word, SYNC_RELAXED, word), 20 - WEAK_STORES + 1);
    assert_int_equal(count, WEAK_STORES);
    /* What it has seen by now it still sees, but nothing older. */
    weak_store(weak, 0, &word, SYNC_RELAXED, word, 21);
    word = 21;
    assert_int_equal(weak_load(weak, 1, &word, SYNC_RELAXED, word), 20 - WEAK_STORES + 2);
}

static void weak_load_without_a_pick_sees_the_newest(void **state)
{
    struct weak *weak = *state;
    uint64_t word = 5;
    weak_reset(weak, NULL, NULL);
    weak_store(weak, 0, &word, SYNC_RELAXED, word, 6);
    assert_int_equal(weak_load(weak, 1, &word, SYNC_RELAXED, 6), 6);
}

static void weak_reset_forgets_all(void **state)
{
    struct weak *weak = *state;
    uint64_t word = 0;
    uint32_t count = 0;
    for (uint64_t value = 0; value < 1000; value++) {
        weak_reset(weak, pick_oldest, &count);
        assert_int_equal(weak_load(weak, 2, &word, SYNC_RELAXED, value), value);
        weak_store(weak, 0, &word, SYNC_RELAXED, value, value + 1);
        assert_int_equal(weak_load(weak, 1, &word, SYNC_RELAXED, value + 1), value);
        weak_handover(weak, 0, 1);
        assert_int_equal(weak_load(weak, 1, &word, SYNC_RELAXED, value + 1), value + 1);
    }
}

static void weak_handover_lets_know_what_was_set_up(void **state)
{
    struct weak *weak = *state;
    uint64_t word = 0;
    uint64_t other = 0;
    uint32_t count = 0;
    weak_reset(weak, pick_oldest, &count);
    weak_store(weak, 0, &other, SYNC_RELAXED, 0, 1);
    weak_store(weak, WEAK_SETUP, &word, SYNC_RELAXED, 0, 1);
    weak_handover(weak, WEAK_SETUP, 0);
    assert_int_equal(weak_load(weak, WEAK_SETUP, &other, SYNC_RELAXED, 1), 0);
    weak_store(weak, WEAK_SETUP, &word, SYNC_RELAXED, 1, 2);
    assert_int_equal(weak_load(weak, 0, &word, SYNC_RELAXED, 2), 1);
    assert_int_equal(weak_load(weak, 1, &word, SYNC_RELAXED, 2), 0);
}

static void weak_word_that_was_written_plainly_has_no_past(void **state)
{
    struct weak *weak = *state;
    uint64_t word = 0;
    uint32_t count = 0;
    weak_reset(weak, pick_oldest, &count);
    weak_store(weak, 0, &word, SYNC_RELAXED, 0, 1);
    assert_int_equal(weak_load(weak, 1, &word, SYNC_RELAXED, 7), 7);
    assert_int_equal(count, 0);
    weak_update(weak, 0, &word, SYNC_RELAXED, 7, 8);
    assert_int_equal(weak_load(weak, 2, &word, SYNC_RELAXED, 8), 7);
    weak_store(weak, 0, &word, SYNC_RELAXED, 3, 4);
    assert_int_equal(weak_load(weak, 2, &word, SYNC_RELAXED, 4), 3);
}

static void weak_word_that_was_written_plainly_releases_nothing(void **state)
{
    struct weak *weak = *state;
    uint64_t word = 0;
    uint64_t flag = 0;
    uint32_t count = 0;
    weak_reset(weak, pick_oldest, &count);
    for (uint64_t value = 1; value <= WEAK_STORES; value++) {
        weak_store(weak, 0, &word, SYNC_RELAXED, value - 1, value);
        weak_store(weak, 0, &flag, SYNC_RELEASE, value - 1, value);
    }
    assert_int_equal(weak_load(weak, 1, &flag, SYNC_ACQUIRE, 99), 99);
    assert_int_equal(weak_load(weak, 1, &word, SYNC_RELAXED, WEAK_STORES), 1);
}

/* Without, a loop could see one old value for ever. What was not looked at is not any fresher. */
static void weak_fresh_takes_away_what_was_seen(void **state)
{
    struct weak *weak = *state;
    uint64_t words[2] = {0, 0};
    uint32_t count = 0;
    weak_reset(weak, pick_oldest, &count);
    for (uint64_t value = 1; value <= 3; value++) {
        weak_store(weak, 0, &words[0], SYNC_RELAXED, value - 1, value);
        weak_store(weak, 0, &words[1], SYNC_RELAXED, value - 1, value);
    }
    assert_int_equal(weak_load(weak, 1, &words[0], SYNC_RELAXED, 3), 0);
    assert_int_equal(weak_load(weak, 1, &words[0], SYNC_RELAXED, 3), 0);
    for (uint64_t value = 1; value <= 3; value++) {
        weak_fresh(weak, 1);
        assert_int_equal(weak_load(weak, 1, &words[0], SYNC_RELAXED, 3), value);
        assert_int_equal(weak_load(weak, 1, &words[0], SYNC_RELAXED, 3), value);
    }
    weak_fresh(weak, 1);
    assert_int_equal(weak_load(weak, 1, &words[0], SYNC_RELAXED, 3), 3);
    assert_int_equal(weak_load(weak, 1, &words[1], SYNC_RELAXED, 3), 0);
    assert_int_equal(weak_load(weak, 2, &words[0], SYNC_RELAXED, 3), 0);
}

static void weak_full_memory_shows_the_newest_only(void **state)
{
    static uint64_t words[LOCATIONS + 1];
    struct weak *weak = *state;
    uint32_t count = 0;
    weak_reset(weak, pick_oldest, &count);
    for (unsigned i = 0; i < LOCATIONS; i++) {
        weak_store(weak, 0, &words[i], SYNC_RELAXED, 0, 1);
    }
    assert_false(weak_is_full(weak));
    for (unsigned i = 0; i < LOCATIONS; i++) {
        assert_int_equal(weak_load(weak, 1, &words[i], SYNC_RELAXED, 1), 0);
    }
    weak_lock(weak, 0, &words[LOCATIONS]);
    assert_true(weak_is_full(weak));
    assert_int_equal(weak_load(weak, 1, &words[0], SYNC_RELAXED, 1), 1);
    weak_reset(weak, pick_oldest, &count);
    assert_false(weak_is_full(weak));
}

/* Thread 0 releases @flag @count times. */
static void release_often(struct weak *weak, uint64_t *flag, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        weak_store(weak, 0, flag, SYNC_RELEASE, *flag, *flag + 1);
        ++*flag;
    }
}

/* Times end, and then outcomes are lost; but none that must not be comes up. */
static void weak_clock_at_its_end_is_still_right(void **state)
{
    struct weak *weak = *state;
    for (uint32_t times = WEAK_NEVER - 8; times < WEAK_NEVER + 8; times++) {
        uint64_t words[2] = {0, 0};
        uint64_t flag = 0;
        uint32_t count = 0;
        weak_reset(weak, pick_oldest, &count);
        weak_store(weak, 0, &words[0], SYNC_RELAXED, 0, 1);
        assert_int_equal(weak_load(weak, 1, &words[0], SYNC_RELAXED, 1), 0);
        release_often(weak, &flag, times);
        weak_store(weak, 0, &words[0], SYNC_RELAXED, 1, 2);
        weak_store(weak, 2, &words[1], SYNC_RELAXED, 0, 1);
        release_often(weak, &flag, WEAK_STORES);
        (void)weak_load(weak, 1, &flag, SYNC_ACQUIRE, flag);
        assert_int_equal(weak_load(weak, 1, &words[0], SYNC_RELAXED, 2), 2);
        assert_int_equal(weak_load(weak, 1, &words[1], SYNC_RELAXED, 1), 0);
    }
}

static int table_print(void)
{
    void *weak;
    char line[LINE_MAX];
    if (open_weak(&weak) != 0) {
        return 1;
    }
    for (unsigned i = 0; i < ROWS; i++) {
        row_print(weak, &rows[i], line);
        (void)fputs(line, stdout);
    }
    return close_weak(&weak);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weak_litmus_shows_what_the_table_says),
        cmocka_unit_test(weak_litmus_shows_what_is_permitted),
        cmocka_unit_test(weak_litmus_readme_has_the_table),
        cmocka_unit_test(weak_load_sees_the_last_stores_only),
        cmocka_unit_test(weak_load_without_a_pick_sees_the_newest),
        cmocka_unit_test(weak_reset_forgets_all),
        cmocka_unit_test(weak_handover_lets_know_what_was_set_up),
        cmocka_unit_test(weak_word_that_was_written_plainly_has_no_past),
        cmocka_unit_test(weak_word_that_was_written_plainly_releases_nothing),
        cmocka_unit_test(weak_fresh_takes_away_what_was_seen),
        cmocka_unit_test(weak_full_memory_shows_the_newest_only),
        cmocka_unit_test(weak_clock_at_its_end_is_still_right),
    };
    if (argc == 2 && strcmp(argv[1], "table") == 0) {
        return table_print();
    }
    return cmocka_run_group_tests(tests, open_weak, close_weak);
}

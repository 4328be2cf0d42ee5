/* SPDX-License-Identifier: MIT
 *
 * record_test.c: what an emitted test expects where the case was violated: what the model says, not
 * what the subject, which does one thing wrong, has answered.
 */
#include "fuzzers/emit/emit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MAP                                                                                        \
    "potad-case 2\n"                                                                               \
    "range zone=0 start=0 frames=256\n"                                                            \
    "range zone=1 start=256 frames=64 class=highmem\n"
#define ALLOC(slot) "alloc slot=" slot " order=2 zone=any type=movable\n"

/* What goes wrong: X(id, name, program, words that the test must have) */
#define FLAW_TABLE(X)                                                                              \
    X(FLAW_REFUSES, "what_must_be_met", ALLOC("0") ALLOC("1"), ", STATUS_OK); /* op 1 */")         \
    X(FLAW_DESTROYS, "another_status",                                                             \
      "cache-create cache=0 size=64 align=8\ncache-alloc cache=0 slot=0\ncache-destroy cache=0\n", \
      "end_cache(T, 0, OTHER_THAN(STATUS_OK)); /* op 2 */")                                        \
    X(FLAW_ZONE, "another_zone", ALLOC("5") ALLOC("7"),                                            \
      ", ANY_STATUS); /* op 1 */\n    passes_over(T, 7, 0, 1);")                                   \
    X(FLAW_LATER, "nothing_of_what_was_refused_before",                                            \
      "alloc slot=0 order=9 zone=any type=movable\n" ALLOC("1") ALLOC("2"),                        \
      ", REFUSED); /* op 0 */")                                                                    \
    X(FLAW_SECOND, "what_shows_in_used_memory_only", ALLOC("0") ALLOC("1"),                        \
      "When it was made: spurious-failure: ")                                                      \
    X(FLAW_GAP, "what_is_to_be_found",                                                             \
      "range-gap align=1 key=8 shift=0 keys=2 end=0 window=16 above=0\n",                          \
      ", .size = 0x2, .align = 0x1}, 0x8, STATUS_OK); /* op 0 */")                                 \
    X(FLAW_ENDS, "anything_of_what_ends_the_process", ALLOC("0") ALLOC("1"),                       \
      ", ANY_STATUS); /* op 1 */")                                                                 \
    X(FLAW_ENDS_NAMED, "the_name_of_what_ends_the_process", ALLOC("0") ALLOC("1"),                 \
      "When it was made: assert: false ")                                                          \
    X(FLAW_ENDS_SILENT, "a_process_that_ends_in_silence", ALLOC("0") ALLOC("1"),                   \
      "When it was made: the case ends the process")                                               \
    X(FLAW_ENDLESS, "what_comes_to_no_end", ALLOC("0") ALLOC("1"),                                 \
      "    alarm(1); /* it came to no end */\n")

enum flaw {
#define X(id, name, program, words) id,
    FLAW_TABLE(X)
#undef X
        FLAWS
};

struct flaw_case {
    enum flaw flaw;
    const char *program;
    const char *words;
};

static enum flaw flaw_now;
static unsigned allocs; /* in the process that runs the case */

static const struct subject *core(void)
{
    return subject_find("core");
}

static enum status flawed_alloc(void *instance, const struct subject_request *request,
                                struct subject_block *block)
{
    struct subject_request asked = *request;
    bool last = ++allocs == (flaw_now == FLAW_LATER ? 3U : 2U);
    if ((last && (flaw_now == FLAW_REFUSES || flaw_now == FLAW_LATER)) ||
        (allocs == 4 && flaw_now == FLAW_SECOND)) {
        return STATUS_NO_MEMORY;
    }
    if (last && (flaw_now == FLAW_ENDS || flaw_now == FLAW_ENDS_NAMED)) {
        port_assert_failed("false", __FILE__, __LINE__);
    }
    if (last && flaw_now == FLAW_ENDS_SILENT) {
        _exit(3);
    }
    while (last && flaw_now == FLAW_ENDLESS) {
        port_relax();
    }
    asked.zone = last && flaw_now == FLAW_ZONE ? 0 : asked.zone;
    return core()->alloc(instance, &asked, block);
}

static enum status flawed_cache_destroy(void *instance, void *cache)
{
    return flaw_now == FLAW_DESTROYS ? STATUS_OK : core()->cache_destroy(instance, cache);
}

static enum status flawed_gap(void *tree, const struct range_gap_request *request, uint64_t *found)
{
    enum status status = core()->range->gap(tree, request, found);
    return flaw_now == FLAW_GAP ? STATUS_NOT_FOUND : status;
}

/* The test of the program of @flaw. */
static char *emitted(const struct flaw_case *flaw)
{
    struct subject subject = *core();
    struct subject_range_ops range = *subject.range;
    struct record_options options = {.subject = &subject, .validate_period = 16, .seconds = 1};
    struct case_error error;
    struct program program;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    program_init(&program);
    if (!case_parse(&program, flaw->program, strlen(flaw->program), &error)) {
        fail_msg("%s", error.text);
    }
    flaw_now = flaw->flaw;
    subject.alloc = flawed_alloc;
    subject.cache_destroy = flawed_cache_destroy;
    range.gap = flawed_gap;
    subject.range = &range;
    assert_null(emit_refuses(&options, &program));
    assert_int_equal(emit_test(&options, &program, "flawed.ops", out), EMIT_WRITTEN);
    fclose(out);
    program_free(&program);
    return text;
}

static void record_run_expects(void **state)
{
    const struct flaw_case *flaw = *state;
    char *text = emitted(flaw);
    if (strstr(text, flaw->words) == NULL) {
        fail_msg("'%s' is not in:\n%s", flaw->words, strstr(text, "static void operations"));
    }
    free(text);
}

/* A subject that is not the core has no calls that a test could make. */
static void emit_refuses_another_subject(void **state)
{
    (void)state;
    struct subject subject = *core();
    struct record_options options = {.subject = &subject};
    struct program program;
    program_init(&program);
    subject.name = "other";
    assert_non_null(emit_refuses(&options, &program));
    program_free(&program);
}

static struct flaw_case cases[FLAWS] = {
#define X(id, name, program, words) [id] = {id, MAP program, words},
    FLAW_TABLE(X)
#undef X
};

int main(void)
{
    const struct CMUnitTest tests[] = {
#define X(id, name, program, words)                                                                \
    {"record_run_expects_" name, record_run_expects, NULL, NULL, &cases[id]},
        FLAW_TABLE(X)
#undef X
            cmocka_unit_test(emit_refuses_another_subject),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

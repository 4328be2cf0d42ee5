/* SPDX-License-Identifier: MIT
 *
 * options_test.c: the command line of potad-stress. Each refusal names what it is about.
 */
#include "stress/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { WORDS_MAX = 32 };

static char error[OPTIONS_ERROR_MAX];
static char words[OPTIONS_ERROR_MAX];

/* Parses @line, cut at its blanks, behind the program's name. */
static bool parse(const char *line, struct options *options)
{
    static char *arguments[WORDS_MAX] = {"potad-stress"};
    char *rest = NULL;
    int count = 1;
    error[0] = '\0';
    snprintf(words, sizeof(words), "%s", line);
    for (char *word = strtok_r(words, " ", &rest); word != NULL;
         word = strtok_r(NULL, " ", &rest)) {
        assert_true(count < WORDS_MAX);
        arguments[count++] = word;
    }
    return options_parse(count, arguments, options, error);
}

/* Checks that @line is refused in a line with @named in it. */
static void assert_refused(const char *line, const char *named)
{
    struct options options;
    assert_false(parse(line, &options));
    assert_non_null(strstr(error, named));
    assert_null(strchr(error, '\n'));
}

static void options_parse_takes_files_anywhere(void **state)
{
    (void)state;
    struct options options;
    const char *const lines[] = {"emit-c a.ops -o t.c", "emit-c --output=t.c a.ops"};
    for (unsigned i = 0; i < 2; i++) {
        assert_true(parse(lines[i], &options));
        assert_int_equal(options.command, COMMAND_EMIT_C);
        assert_string_equal(options.output, "t.c");
        assert_int_equal(options.files_count, 1);
        assert_string_equal(options.files[0], "a.ops");
    }
    assert_true(parse("explore a.ops --seconds 5 b.ops --weak -- --odd.ops", &options));
    assert_int_equal(options.seconds, 5);
    assert_true(options.weak);
    assert_int_equal(options.files_count, 3);
    assert_string_equal(options.files[0], "a.ops");
    assert_string_equal(options.files[1], "b.ops");
    assert_string_equal(options.files[2], "--odd.ops");
    assert_true(parse("replay a.ops --times 3", &options));
    assert_int_equal(options.times, 3);
    assert_refused("replay a.ops b.ops", "one FILE");
    assert_refused("explore a.ops --json -", "needs a FILE");
}

static void options_parse_run_takes_all(void **state)
{
    (void)state;
    struct options options;
    assert_true(parse("run --workload churn --threads 8 --seconds 60 --seed 12 --json out.json "
                      "--subject core --frames 2048 --cpus 0 --trace t.xz",
                      &options));
    assert_int_equal(options.command, COMMAND_RUN);
    assert_false(options.help);
    assert_string_equal(options.workload, "churn");
    assert_int_equal(options.threads, 8);
    assert_int_equal(options.seconds, 60);
    assert_int_equal(options.seed, 12);
    assert_true(options.seed_given);
    assert_string_equal(options.json, "out.json");
    assert_string_equal(options.trace, "t.xz");
    assert_string_equal(options.subject, "core");
    assert_int_equal(options.frames, 2048);
    assert_int_equal(options.cpus, 0);
}

static void options_parse_run_has_defaults(void **state)
{
    (void)state;
    struct options options;
    assert_true(parse("run --workload churn", &options));
    assert_int_equal(options.threads, 4);
    assert_int_equal(options.seconds, 10);
    assert_false(options.seed_given);
    assert_null(options.json);
    assert_string_equal(options.subject, "core");
    assert_int_equal(options.frames, 0);
    assert_true(options.cpus == OPTIONS_CPUS_ANY);
}

static void options_parse_disturb_takes_names(void **state)
{
    (void)state;
    struct options options;
    assert_true(parse("run --workload churn", &options));
    assert_int_equal(options.disturb.asked, 0);
    assert_true(parse("run --workload churn --disturb stall", &options));
    assert_int_equal(options.disturb.asked, 1 << DISTURB_STALL);
    assert_false(options.disturb.all);
    assert_true(parse("run --workload churn --disturb=hotplug,delay,delay", &options));
    assert_int_equal(options.disturb.asked, 1 << DISTURB_HOTPLUG | 1 << DISTURB_DELAY);
    assert_false(options.disturb.all);
    assert_true(parse("run --workload churn --disturb all", &options));
    assert_int_equal(options.disturb.asked, (1 << DISTURBANCES) - 1);
    assert_true(options.disturb.all);
}

static void options_parse_disturb_refuses_what_is_none(void **state)
{
    (void)state;
    assert_refused("run --workload churn --disturb noise", "--disturb: 'noise'");
    assert_refused("run --workload churn --disturb noise", "stutter");
    assert_refused("run --workload churn --disturb delay,", "--disturb: ''");
    assert_refused("run --workload churn --disturb stal", "'stal'");
    assert_refused("run --workload churn --disturb delay,allin", "'allin'");
    assert_refused("run --workload churn --disturb", "--disturb");
    assert_refused("explore --disturb delay", "--disturb");
}

static void options_parse_value_may_follow_equals(void **state)
{
    (void)state;
    struct options options;
    assert_true(parse("run --workload=handoff --seed=0x10", &options));
    assert_string_equal(options.workload, "handoff");
    assert_int_equal(options.seed, 16);
}

static void options_parse_number_out_of_range_is_refused(void **state)
{
    (void)state;
    assert_refused("run --workload churn --threads 0", "--threads");
    assert_refused("run --workload churn --threads 65", "--threads");
    assert_refused("run --workload churn --seconds 0", "--seconds");
    assert_refused("run --workload churn --frames 511", "--frames");
    assert_refused("run --workload churn --cpus 65", "--cpus");
    assert_refused("run --workload churn --seed 9007199254740992", "--seed");
    assert_refused("run --workload churn --seed 99999999999999999999", "--seed");
}

static void options_parse_number_with_other_text_is_refused(void **state)
{
    (void)state;
    assert_refused("run --workload churn --threads four", "'four'");
    assert_refused("run --workload churn --threads -4", "--threads");
    assert_refused("run --workload churn --seconds 5s", "'5s'");
    assert_refused("run --workload churn --seconds=", "--seconds");
}

static void options_parse_value_missing_is_refused(void **state)
{
    (void)state;
    assert_refused("run --workload", "--workload");
    assert_refused("run --workload churn --seed", "--seed");
}

static void options_parse_run_needs_workload(void **state)
{
    (void)state;
    assert_refused("run --threads 2", "--workload");
}

static void options_parse_unknown_is_refused(void **state)
{
    (void)state;
    assert_refused("", "no command");
    assert_refused("walk", "'walk'");
    assert_refused("run --workload churn --thread 2", "'--thread'");
    assert_refused("emit-c", "FILE");
    assert_refused("emit-c a.ops b.ops", "FILE");
    assert_refused("emit-c a.ops -o", "--output");
    assert_refused("run churn", "'churn'");
    assert_refused("list --seed 1", "'--seed'");
}

static void options_parse_help_is_for_program_or_command(void **state)
{
    (void)state;
    struct options options;
    assert_true(parse("--help", &options));
    assert_true(options.help);
    assert_int_equal(options.command, COMMAND_NONE);
    assert_true(parse("run --help", &options));
    assert_true(options.help);
    assert_int_equal(options.command, COMMAND_RUN);
    assert_true(parse("list -h", &options));
    assert_true(options.help);
    assert_int_equal(options.command, COMMAND_LIST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_parse_takes_files_anywhere),
        cmocka_unit_test(options_parse_run_takes_all),
        cmocka_unit_test(options_parse_run_has_defaults),
        cmocka_unit_test(options_parse_disturb_takes_names),
        cmocka_unit_test(options_parse_disturb_refuses_what_is_none),
        cmocka_unit_test(options_parse_value_may_follow_equals),
        cmocka_unit_test(options_parse_number_out_of_range_is_refused),
        cmocka_unit_test(options_parse_number_with_other_text_is_refused),
        cmocka_unit_test(options_parse_value_missing_is_refused),
        cmocka_unit_test(options_parse_run_needs_workload),
        cmocka_unit_test(options_parse_unknown_is_refused),
        cmocka_unit_test(options_parse_help_is_for_program_or_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

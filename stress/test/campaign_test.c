/* SPDX-License-Identifier: MIT
 *
 * campaign_test.c: what is found is told, whatever it is and wherever it may be saved; and is
 * found, where only one order of steps shows it. The subject is the core, but for its lookups.
 */
#include "stress/explore/campaign.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Behind the core's instance: so every execution finds it as it was at first. */
struct words {
    atomic_word_t inside;
    atomic_word_t told;
    atomic_word_t stored[2];
};

static const struct port *port;

/* Whether a lookup of frame @pfn, 1 or 2, is wrong. */
static bool (*goes_wrong)(struct words *words, pfn_t pfn);

static const struct subject *core(void)
{
    return subject_find("core");
}

static enum status open_kept(void *instance, const struct port *given, const struct boot_map *map)
{
    port = given;
    return core()->open(instance, given, map);
}

/* One that is wrong says that the frame is in a block behind it. */
static bool lookup_flawed(void *instance, pfn_t pfn, struct memdesc_info *info)
{
    struct words *words = (struct words *)(void *)((char *)instance + core()->instance_bytes);
    if (!goes_wrong(words, pfn)) {
        return core()->lookup(instance, pfn, info);
    }
    *info = (struct memdesc_info){.type = MEMDESC_NONE, .pfn = pfn + 1, .frames = 1};
    return true;
}

static bool always_wrong(struct words *words, pfn_t pfn)
{
    (void)words;
    (void)pfn;
    return true;
}

static bool never_ends(struct words *words, pfn_t pfn)
{
    (void)words;
    for (volatile bool on = pfn == 2; on;) {
    }
    return false;
}

/* Where both threads see what was before the other's store. */
static bool sees_older(struct words *words, pfn_t pfn)
{
    unsigned own = (unsigned)pfn - 1;
    atomic_word_poke(&words->stored[own], 1);
    if (atomic_word_peek(&words->stored[1 - own]) != 0) {
        return false;
    }
    return atomic_word_add(&words->told, 1) == 1;
}

/* Where a CPU is left between two looks of a thread that has found it taken. */
static bool left_between_looks(struct words *words, pfn_t pfn)
{
    uint32_t cpu = port->cpu_enter(port->context);
    bool turned_away = cpu == CPUS_MAX;
    bool wrong = false;
    if (pfn == 1) {
        (void)atomic_word_add(&words->inside, 1);
    } else if (turned_away) {
        wrong = atomic_word_peek(&words->told) == 0 && atomic_word_peek(&words->told) == 1;
    }
    if (!turned_away) {
        port->cpu_leave(port->context, cpu);
    }
    if (pfn == 1) {
        atomic_word_poke(&words->told, 1);
    }
    return wrong;
}

struct scene {
    char folder[32];
    char file[64];
    struct subject subject;
    const char *files[1];
    struct campaign_plan plan;
    struct campaign_report report;
};

static void write_case(const char *path, unsigned first)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file,
            "potad-case 2\nslots 64\ncpus 1\nrange zone=0 start=0x0 frames=32\n"
            "lookup frame=1 thread=%u\nlookup frame=2 thread=%u\n",
            first, first + 1);
    assert_int_equal(fclose(file), 0);
}

static int scene_open(void **state)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    snprintf(scene->folder, sizeof(scene->folder), "campaign-XXXXXX");
    if (mkdtemp(scene->folder) == NULL) {
        return -1;
    }
    snprintf(scene->file, sizeof(scene->file), "%s/case.ops", scene->folder);
    write_case(scene->file, 1);
    scene->subject = *core();
    scene->subject.instance_bytes += sizeof(struct words);
    scene->subject.open = open_kept;
    scene->subject.lookup = lookup_flawed;
    scene->files[0] = scene->file;
    scene->plan = (struct campaign_plan){
        .files = scene->files,
        .files_count = 1,
        .strategy = "portfolio",
        .seed = 1,
        .executions = 20000,
        .jobs = 1,
        .out = scene->folder,
        .options = {.subject = &scene->subject},
        .subject = "core",
    };
    *state = scene;
    return 0;
}

static int scene_close(void **state)
{
    struct scene *scene = *state;
    unlink(scene->report.path);
    unlink(scene->file);
    int status = rmdir(scene->folder);
    free(scene);
    return status;
}

static void assert_found(struct scene *scene, const char *name)
{
    struct failure failure;
    char error[FAILURE_ERROR_MAX];
    assert_int_equal(campaign_run(&scene->plan, &scene->report), CAMPAIGN_FOUND);
    assert_string_equal(scene->report.finding.name, name);
    assert_int_equal(scene->report.replays, CAMPAIGN_REPLAYS);
    assert_true(failure_load(&failure, scene->report.path, error));
    assert_string_equal(failure.found, name);
    program_free(&failure.program);
}

static void what_cannot_be_saved_is_found(void **state)
{
    struct scene *scene = *state;
    char below[80];
    snprintf(below, sizeof(below), "%s/below", scene->file); /* which is no folder */
    goes_wrong = always_wrong;
    scene->plan.out = below;
    assert_int_equal(campaign_run(&scene->plan, &scene->report), CAMPAIGN_FOUND);
    assert_string_equal(scene->report.finding.name, "lookup");
    assert_string_equal(scene->report.path, "");
    scene->plan.out = scene->file;
    assert_int_equal(campaign_run(&scene->plan, &scene->report), CAMPAIGN_FOUND);
    assert_string_equal(scene->report.path, "");
}

static void what_comes_to_no_step_is_a_hang(void **state)
{
    struct scene *scene = *state;
    goes_wrong = never_ends;
    assert_found(scene, HANG_NAME);
}

/* Threads 2 and 3 become 1 and 2, and see older values as they did. */
static void choices_are_kept_where_threads_are_renumbered(void **state)
{
    struct scene *scene = *state;
    goes_wrong = sees_older;
    write_case(scene->file, 2);
    assert_int_equal(campaign_run(&scene->plan, &scene->report), CAMPAIGN_NOTHING);
    scene->plan.options.weak = true;
    scene->plan.shrinks = true;
    assert_found(scene, "lookup");
    assert_int_equal(scene->report.shrunk.threads_before, 3);
    assert_int_equal(scene->report.shrunk.threads_after, 2);
}

static void exhaustive_search_knows_who_is_on_a_cpu(void **state)
{
    struct scene *scene = *state;
    goes_wrong = left_between_looks;
    scene->plan.strategy = "exhaustive1";
    scene->plan.executions = 0;
    assert_int_equal(campaign_run(&scene->plan, &scene->report), CAMPAIGN_NOTHING);
    assert_int_equal(scene->report.covered, 1);
    scene->plan.strategy = "exhaustive2";
    assert_found(scene, "lookup");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_open, scene_close)
    const struct CMUnitTest tests[] = {
        TEST(what_cannot_be_saved_is_found),
        TEST(what_comes_to_no_step_is_a_hang),
        TEST(choices_are_kept_where_threads_are_renumbered),
        TEST(exhaustive_search_knows_who_is_on_a_cpu),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}

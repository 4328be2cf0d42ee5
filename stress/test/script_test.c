/* SPDX-License-Identifier: MIT
 *
 * script_test.c: a trace cut into what threads do, and its replay, step by step: a free waits for
 * its block, wherever that is allocated.
 */
#include "stress/run.h"
#include "stress/script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { THREADS = 2, PATH_BYTES = 32 };

extern const struct workload workload_trace;

static const char text[] =
    " bash-1 [000] ..... 1: mm_page_alloc: page=1 pfn=0xa order=1 migratetype=1 gfp_flags=X\n"
    " bash-1 [001] ..... 2: mm_page_free: page=1 pfn=0xa order=1\n"
    " bash-1 [003] ..... 3: mm_page_alloc: page=1 pfn=0xa order=0 migratetype=0 gfp_flags=X\n"
    " bash-1 [002] ..... 4: mm_page_alloc: page=1 pfn=0xa order=2 migratetype=9 gfp_flags=X\n"
    " bash-1 [000] ..... 5: mm_page_free: page=1 pfn=0xf order=0\n";

/* A file with @content; its name is in @path, of PATH_BYTES. */
static void write_trace(char *path, const char *content)
{
    (void)snprintf(path, PATH_BYTES, "script_test.XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, strlen(content)), strlen(content));
    assert_int_equal(close(fd), 0);
}

static void open_script(struct script *script)
{
    char path[PATH_BYTES];
    char error[TRACE_ERROR_MAX] = "";
    write_trace(path, text);
    bool opened = script_open(script, path, THREADS, error);
    assert_int_equal(unlink(path), 0);
    assert_string_equal(error, "");
    assert_true(opened);
    script->path = "(gone)";
}

static void assert_op(const struct script *script, unsigned thread, uint64_t at, uint32_t block,
                      unsigned cpu, bool is_free)
{
    const struct script_op *op = &script->parts[thread].ops[at];
    assert_int_equal(op->block, block);
    assert_int_equal(op->cpu, cpu);
    assert_int_equal(op->is_free, is_free);
}

/* The fourth event allocates what is allocated already: its free was not traced. The last one frees
 * what was allocated before the trace began. */
static void script_open_cuts_by_cpu(void **state)
{
    struct script script;
    (void)state;
    open_script(&script);
    assert_int_equal(script.cpus, 4);
    assert_int_equal(script.blocks_count, 3);
    assert_int_equal(script.counts.unknown_frees, 1);
    assert_int_equal(script.parts[0].count, 3);
    assert_op(&script, 0, 0, 0, 0, false);
    assert_op(&script, 0, 1, 1, 2, true);
    assert_op(&script, 0, 2, 2, 2, false);
    assert_int_equal(script.parts[1].count, 2);
    assert_op(&script, 1, 0, 0, 1, true);
    assert_op(&script, 1, 1, 1, 3, false);
    assert_int_equal(script.blocks[0].order, 1);
    assert_int_equal(script.blocks[0].migratetype, MIGRATE_MOVABLE);
    assert_int_equal(script.blocks[2].order, 2);
    assert_int_equal(script.blocks[2].migratetype, MIGRATE_UNMOVABLE);
    script_close(&script);
}

static void script_open_names_what_is_bad(void **state)
{
    char path[PATH_BYTES];
    char due[64];
    char error[TRACE_ERROR_MAX];
    struct script script;
    (void)state;
    assert_false(script_open(&script, "missing.txt", THREADS, error));
    assert_non_null(strstr(error, "missing.txt"));
    write_trace(path, "# tracer: nop\n bash-1 [000] ..... 1: mm_page_alloc: page=0 pfn=0x");
    assert_false(script_open(&script, path, THREADS, error));
    (void)snprintf(due, sizeof(due), "%s:2: ", path);
    assert_non_null(strstr(error, due));
    assert_int_equal(unlink(path), 0);
    write_trace(path, "# tracer: nop\n");
    assert_false(script_open(&script, path, THREADS, error));
    assert_non_null(strstr(error, path));
    assert_int_equal(unlink(path), 0);
}

/* A run whose threads take their steps when the test says so. */
struct fixture {
    struct world world; /* first: it begins on a cache line */
    struct script script;
    struct plan plan;
    struct findings findings;
    struct worker workers[THREADS + 1];
    unsigned char own[THREADS][64];
    unsigned char shared[64];
};

static struct fixture the_fixture;

static struct fixture *open_fixture(void)
{
    struct fixture *f = &the_fixture;
    *f = (struct fixture){.plan = {.workload = &workload_trace, .threads = THREADS}};
    assert_true(workload_trace.own_bytes <= sizeof(f->own[0]));
    assert_true(workload_trace.shared_bytes <= sizeof(f->shared));
    open_script(&f->script);
    f->plan.script = &f->script;
    f->plan.subject = subject_find("core");
    f->plan.frames = 16384;
    f->plan.cpus = f->script.cpus;
    findings_init(&f->findings);
    for (unsigned i = 0; i <= THREADS; i++) {
        worker_init(&f->workers[i], i, 1);
        f->workers[i].world = &f->world;
        f->workers[i].findings = &f->findings;
        f->workers[i].shared = f->shared;
        f->workers[i].own = i < THREADS ? f->own[i] : NULL;
    }
    worker_current = &f->workers[THREADS];
    assert_true(workload_trace.scene->open(worker_current, &f->plan));
    assert_int_equal(workload_trace.scene->begin(worker_current), STATUS_OK);
    return f;
}

static void close_fixture(struct fixture *f)
{
    for (unsigned i = 0; i < THREADS; i++) {
        worker_current = &f->workers[i];
        workload_trace.drain(worker_current, THREADS);
    }
    worker_current = &f->workers[THREADS];
    workload_trace.scene->end(worker_current);
    assert_false(findings_any(&f->findings));
    workload_trace.scene->close(worker_current);
    findings_destroy(&f->findings);
    script_close(&f->script);
    worker_current = NULL;
}

/* Has a thread take a step. Return: what its counter of @path is then. */
static uint64_t step(struct fixture *f, unsigned thread, enum path path)
{
    worker_current = &f->workers[thread];
    workload_trace.step(worker_current);
    return relaxed_load(&worker_current->paths[path]);
}

static void trace_step_free_waits_for_its_block(void **state)
{
    struct fixture *f = open_fixture();
    (void)state;
    /* Thread 1 is to free what thread 0 has not allocated yet. */
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(step(f, 1, PATH_TRACE_WAITED), 1);
        assert_int_equal(relaxed_load(&f->workers[1].paths[PATH_FREE]), 0);
        assert_int_equal(relaxed_load(&f->workers[1].parked), 1);
    }
    assert_int_equal(step(f, 0, PATH_ALLOC), 1);
    assert_int_equal(step(f, 1, PATH_FREE), 1);
    assert_int_equal(relaxed_load(&f->workers[1].parked), 0);
    assert_int_equal(f->workers[1].cpu, 1);
    assert_int_equal(relaxed_load(&f->workers[1].paths[PATH_HANDOVER]), 1);
    assert_int_equal(relaxed_load(&f->workers[1].paths[PATH_CPU_CROSSED]), 1);
    /* And the other way round. */
    assert_int_equal(step(f, 0, PATH_TRACE_WAITED), 1);
    assert_int_equal(step(f, 1, PATH_ALLOC), 1);
    assert_int_equal(f->workers[1].cpu, 3);
    assert_int_equal(step(f, 0, PATH_FREE), 1);
    assert_int_equal(step(f, 0, PATH_ALLOC), 2);
    close_fixture(f);
}

static void trace_step_last_one_ends_the_round(void **state)
{
    struct fixture *f = open_fixture();
    const struct worker *coordinator = &f->workers[THREADS];
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(step(f, 0, PATH_TRACE_REPLAYED), 0);
        assert_false(workload_trace.finished(coordinator));
        if (i < 2) {
            (void)step(f, 1, PATH_TRACE_REPLAYED);
        }
    }
    assert_int_equal(relaxed_load(&f->workers[0].idle), 0);
    assert_int_equal(step(f, 1, PATH_TRACE_REPLAYED), 1);
    assert_int_equal(relaxed_load(&f->workers[1].idle), 1);
    assert_true(workload_trace.finished(coordinator));
    close_fixture(f);
}

/* Who finds no memory leaves nothing to free. */
static void trace_step_failed_block_is_passed_over(void **state)
{
    struct fixture *f = open_fixture();
    (void)state;
    f->script.blocks[0].order = 20;
    assert_int_equal(step(f, 0, PATH_ALLOC_FAILED), 1);
    assert_int_equal(step(f, 1, PATH_TRACE_WAITED), 0);
    assert_int_equal(relaxed_load(&f->workers[1].paths[PATH_FREE]), 0);
    assert_int_equal(step(f, 1, PATH_ALLOC), 1);
    close_fixture(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(script_open_cuts_by_cpu),
        cmocka_unit_test(script_open_names_what_is_bad),
        cmocka_unit_test(trace_step_free_waits_for_its_block),
        cmocka_unit_test(trace_step_last_one_ends_the_round),
        cmocka_unit_test(trace_step_failed_block_is_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

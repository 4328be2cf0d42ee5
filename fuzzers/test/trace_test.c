/* SPDX-License-Identifier: MIT
 *
 * trace_test.c: the trace reader on small files, good, odd and damaged.
 */
#include "fuzzers/trace.h"

#include <archive.h>
#include <archive_entry.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATH_BYTES = 64, CONTENT_BYTES_MAX = 1 << 20 };

#define HEAD         "            bash-4725    [001] d..1. 2316242878474: "
#define ALLOC_FIELDS "order=0 migratetype=1 gfp_flags=GFP_KERNEL|__GFP_ZERO"
#define ALLOC        HEAD "mm_page_alloc: page=00000000073e3724 pfn=0x112686 " ALLOC_FIELDS "\n"
#define FREE         HEAD "mm_page_free: page=00000000073e3724 pfn=0x112686 order=0\n"

/* One trace, and what was read of it. */
struct fixture {
    char path[PATH_BYTES];
    char content[CONTENT_BYTES_MAX];
    struct trace *trace;
    struct trace_event event;
};

static struct fixture *fixture;

static int fixture_setup(void **state)
{
    (void)state;
    fixture = calloc(1, sizeof(*fixture));
    if (fixture == NULL) {
        return -1;
    }
    snprintf(fixture->path, sizeof(fixture->path), "/tmp/potad-trace-XXXXXX");
    int fd = mkstemp(fixture->path);
    return fd < 0 ? -1 : close(fd);
}

static int fixture_teardown(void **state)
{
    (void)state;
    if (fixture->trace != NULL) {
        trace_close(fixture->trace);
    }
    int status = unlink(fixture->path);
    free(fixture);
    return status;
}

/* Writes @bytes of @content as the file, through the filter of libarchive that @add adds. */
static void file_write(const char *content, size_t bytes, int (*add)(struct archive *))
{
    struct archive *archive = archive_write_new();
    struct archive_entry *entry = archive_entry_new();
    assert_non_null(archive);
    assert_non_null(entry);
    assert_int_equal(archive_write_set_format_raw(archive), ARCHIVE_OK);
    assert_int_equal(add(archive), ARCHIVE_OK);
    /* No padding behind the data. */
    assert_int_equal(archive_write_set_bytes_in_last_block(archive, 1), ARCHIVE_OK);
    assert_int_equal(archive_write_open_filename(archive, fixture->path), ARCHIVE_OK);
    archive_entry_set_filetype(entry, AE_IFREG);
    assert_int_equal(archive_write_header(archive, entry), ARCHIVE_OK);
    assert_int_equal(archive_write_data(archive, content, bytes), bytes);
    assert_int_equal(archive_write_close(archive), ARCHIVE_OK);
    archive_entry_free(entry);
    archive_write_free(archive);
}

static void file_open(void)
{
    char error[TRACE_ERROR_MAX];
    fixture->trace = trace_open(fixture->path, error);
    assert_non_null(fixture->trace);
}

static void content_open(const char *content)
{
    file_write(content, strlen(content), archive_write_add_filter_none);
    file_open();
}

static void assert_next(enum trace_result result)
{
    assert_int_equal(trace_next(fixture->trace, &fixture->event), result);
}

/* The next call, and every one after it, reports @line and @reason. */
static void assert_error(unsigned line, const char *reason)
{
    char expected[TRACE_ERROR_MAX];
    snprintf(expected, sizeof(expected), "%s:%u: %s", fixture->path, line, reason);
    assert_next(TRACE_ERROR);
    assert_string_equal(trace_error(fixture->trace), expected);
    assert_next(TRACE_ERROR);
    assert_string_equal(trace_error(fixture->trace), expected);
}

/* One good line, then the torn @line, with an end of line in any case. */
static void assert_torn(const char *line, const char *reason)
{
    char content[1024];
    bool ends = line[0] != '\0' && line[strlen(line) - 1] == '\n';
    snprintf(content, sizeof(content), "%s%s%s", ALLOC, line, ends ? "" : "\n");
    content_open(content);
    assert_next(TRACE_EVENT);
    assert_error(2, reason);
    trace_close(fixture->trace);
    fixture->trace = NULL;
}

/* Fills fixture->content with @count allocations, of the frames 0x1000 and up. Return: bytes. */
static size_t content_fill(unsigned count)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < count; i++) {
        int line = snprintf(fixture->content + bytes, sizeof(fixture->content) - bytes,
                            HEAD "mm_page_alloc: page=00000000%08x pfn=0x%x " ALLOC_FIELDS "\n",
                            (i + 1) * 2654435761u, 0x1000 + i);
        bytes += (size_t)line;
        assert_true(bytes < sizeof(fixture->content));
    }
    return bytes;
}

/* Reads what content_fill(@count) wrote, to its end. */
static void assert_filled(unsigned count)
{
    file_open();
    for (unsigned i = 0; i < count; i++) {
        assert_next(TRACE_EVENT);
        assert_int_equal(fixture->event.pfn, 0x1000 + i);
        assert_int_equal(fixture->event.line, i + 1);
    }
    assert_next(TRACE_END);
    assert_next(TRACE_END);
    assert_int_equal(trace_counts(fixture->trace)->lines, count);
}

static void trace_next_reads_alloc_and_free(void **state)
{
    (void)state;
    content_open("# tracer: nop\n#\n" HEAD
                 "mm_page_alloc: page=00000000073e3724 pfn=0x112600 order=9 migratetype=1 "
                 "gfp_flags=GFP_TRANSHUGE\n" HEAD
                 "mm_page_free: page=00000000073e3724 pfn=0x112600 order=9\n");
    assert_next(TRACE_EVENT);
    assert_false(fixture->event.is_free);
    assert_int_equal(fixture->event.pfn, 0x112600);
    assert_int_equal(fixture->event.order, 9);
    assert_int_equal(fixture->event.migratetype, 1);
    assert_int_equal(fixture->event.cpu, 1);
    assert_int_equal(fixture->event.line, 3);
    assert_next(TRACE_EVENT);
    assert_true(fixture->event.is_free);
    assert_int_equal(fixture->event.pfn, 0x112600);
    assert_int_equal(fixture->event.order, 9);
    assert_int_equal(fixture->event.migratetype, 0);
    assert_int_equal(fixture->event.line, 4);
    assert_next(TRACE_END);
    assert_int_equal(trace_counts(fixture->trace)->lines, 4);
    assert_int_equal(trace_counts(fixture->trace)->comments, 2);
}

static void trace_next_reads_decimal_pfn(void **state)
{
    (void)state;
    content_open(HEAD "mm_page_free: page=ffffea0004498180 pfn=1123974 order=0\n");
    assert_next(TRACE_EVENT);
    assert_int_equal(fixture->event.pfn, 1123974);
    assert_next(TRACE_END);
}

static void trace_next_reads_every_header_shape(void **state)
{
    (void)state;
    static const char *const heads[] = {
        "            bash-4725    (   4720) [007] d..1.  2316.242878: ", /* record-tgid */
        "          <idle>-0       (-------) [007] d.h1.  2316.242878: ", /* ... not known */
        "            bash-4725  [007] 2316.242878: ",                    /* no irq-info */
        "            bash-4725  [007] ....  2316.242878: ",              /* Linux 3.10 */
        "bash-4725 [007] ..... 2316242878474: ",                         /* trimmed */
        "           <...>-4194304 [007] ..... 1: ",
        " memfd:sealed-91-4969    [007] d..1. 2325054265876: ",
        "  web [1] - x: y-4969    [007] d..1. 2325054265876: ",
        " -1 [3] . 1: a: -4969   [007] d..1. 2325054265876: ", /* a whole header, 15 bytes long */
        "a-1 b [3] c-4969 [007] d..1. 2325054265876: ",
    };
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        char content[256];
        snprintf(content, sizeof(content), "%smm_page_free: page=1 pfn=0x40 order=6\n", heads[i]);
        content_open(content);
        assert_next(TRACE_EVENT);
        assert_int_equal(fixture->event.cpu, 7);
        assert_int_equal(fixture->event.pfn, 0x40);
        assert_next(TRACE_END);
        trace_close(fixture->trace);
        fixture->trace = NULL;
    }
}

static void trace_next_reads_gzip(void **state)
{
    (void)state;
    file_write(fixture->content, content_fill(3000), archive_write_add_filter_gzip);
    assert_filled(3000);
}

static void trace_next_reads_xz(void **state)
{
    (void)state;
    file_write(fixture->content, content_fill(3000), archive_write_add_filter_xz);
    assert_filled(3000);
}

static void trace_next_joins_lines_across_reads(void **state)
{
    (void)state;
    file_write(fixture->content, content_fill(6000), archive_write_add_filter_none);
    assert_filled(6000);
}

static void trace_next_last_line_without_newline_is_torn(void **state)
{
    (void)state;
    file_write(ALLOC, strlen(ALLOC) - 1, archive_write_add_filter_none);
    file_open();
    assert_next(TRACE_ERROR);
    assert_non_null(strstr(trace_error(fixture->trace), ":1: the last line is cut short"));
}

static void trace_next_ends_on_empty_input(void **state)
{
    (void)state;
    static int (*const filters[])(struct archive *) = {
        archive_write_add_filter_none,
        archive_write_add_filter_gzip,
        archive_write_add_filter_xz,
    };
    for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
        file_write("", 0, filters[i]);
        assert_filled(0);
        trace_close(fixture->trace);
        fixture->trace = NULL;
    }
}

static void trace_next_counts_what_it_skips(void **state)
{
    (void)state;
    content_open("# tracer: nop\n"
                 "\n" HEAD "kmem_cache_free: call_site=__fput+0x141/0x2a0 ptr=1 name=filp\n" HEAD
                 "mm_page_alloc_zone_locked: page=1 pfn=0x1 order=0\n" HEAD
                 "tracing_mark_write: a-1 [000] . 1: mm_page_free: page=1 pfn=0x1 order=0\n"
                 "CPU:1 [LOST 123 EVENTS]\n"
                 "##### CPU 1 buffer started ####\n"
                 "CPU:0 [LOST EVENTS]\n"
                 "  \n" FREE);
    assert_next(TRACE_EVENT);
    assert_int_equal(fixture->event.line, 10);
    assert_next(TRACE_END);
    const struct trace_counts *counts = trace_counts(fixture->trace);
    assert_int_equal(counts->lines, 10);
    assert_int_equal(counts->comments, 2);
    assert_int_equal(counts->other_events, 3);
    assert_int_equal(counts->lost_events, 124);
    assert_int_equal(counts->failed_allocs, 0);
}

static void trace_next_counts_failed_allocs(void **state)
{
    (void)state;
    content_open(HEAD "mm_page_alloc: page=(null) pfn=0 " ALLOC_FIELDS "\n" HEAD
                      "mm_page_alloc: page=(nil) pfn=0x0 " ALLOC_FIELDS "\n" HEAD
                      "mm_page_alloc: page=NULL pfn=0x0 " ALLOC_FIELDS "\n" HEAD
                      "mm_page_alloc: page=0000000000000000 pfn=0x0 " ALLOC_FIELDS "\n" HEAD
                      "mm_page_alloc: page=00000000073e3724 pfn=0x0 " ALLOC_FIELDS "\n");
    assert_next(TRACE_EVENT); /* Frame 0 is a frame. */
    assert_int_equal(fixture->event.pfn, 0);
    assert_int_equal(fixture->event.line, 5);
    assert_next(TRACE_END);
    assert_int_equal(trace_counts(fixture->trace)->failed_allocs, 4);
}

static void trace_next_torn_line_names_line(void **state)
{
    (void)state;
    const char *shape = "not \"TASK-PID [CPU] flags TIMESTAMP: event:\"";
    assert_torn("            bash-47", shape);
    assert_torn("            bash-4725    [001] d..1. 23162428\n", shape);
    assert_torn("            bash-4725    (   4720", shape);
    assert_torn("            bash-4725    (   4720)[001] ..... 1: a: b\n", shape);
    assert_torn("            bash-4725    [001]  ", shape);
    assert_torn(HEAD "mm_page_fr", shape);
    assert_torn(HEAD ": page=1\n", shape);
    assert_torn(HEAD "mm_page_free:page=1\n", shape);
    assert_torn("page=00000000073e3724 pfn=0x112686 order=0\n", shape);
    assert_torn("            bash-4725    [001] d..1." FREE, shape);
    assert_torn("CPU:1 [LOST 12", shape);
    assert_torn("\x89PNG\r\n", shape);
}

static void trace_next_torn_fields_name_field(void **state)
{
    (void)state;
    const char *pfn = "pfn= is malformed or out of range";
    const char *order = "order= is malformed or out of range";
    const char *migratetype = "migratetype= is missing, malformed or out of range";
    const char *more = "more text behind the last field";
    const char *null = "page= is null, but pfn= is a frame";

    assert_torn(HEAD "mm_page_free:", "page= is missing");
    assert_torn(HEAD "mm_page_free: page=\n", "page= is missing");
    assert_torn(HEAD "mm_page_free: page=00000000073e", "pfn= is missing");
    assert_torn(HEAD "mm_page_free: page=1 pfn=0x", pfn);
    assert_torn(HEAD "mm_page_free: page=1 pfn=0x10000000000000 order=0\n", pfn);
    assert_torn(HEAD "mm_page_free: page=1 pfn=99999999999999999999 order=0\n", pfn);
    assert_torn(HEAD "mm_page_free: page=1 pfn=-1 order=0\n", pfn);
    assert_torn(HEAD "mm_page_free: page=1 pfn=0x11", "order= is missing");
    assert_torn(HEAD "mm_page_free: page=1 pfn=0x11 order=\n", order);
    assert_torn(HEAD "mm_page_free: page=1 pfn=0x0 order=52\n", order);
    assert_torn(HEAD "mm_page_free: page=1 pfn=0x8000000000001 order=51\n",
                "the block ends out of range");
    assert_torn(HEAD "mm_page_free: page=1 pfn=0x11 order=0" FREE, more);
    assert_torn(HEAD "mm_page_free: page=1 pfn=0x11 order=0x\n", more);
    assert_torn(HEAD "mm_page_free: page=(null) pfn=0x0 order=0\n", null);
    assert_torn(HEAD "mm_page_alloc: page=(null) pfn=0x11 " ALLOC_FIELDS "\n", null);
    assert_torn(HEAD "mm_page_alloc: page=1 pfn=0x11 order=0\n", migratetype);
    assert_torn(HEAD "mm_page_alloc: page=1 pfn=0x11 order=0 migratetype=-1 gfp_flags=0\n",
                migratetype);
    assert_torn(HEAD "mm_page_alloc: page=1 pfn=0x11 order=0 migratetype=1",
                "gfp_flags= is missing");
    assert_torn(HEAD "mm_page_alloc: page=1 pfn=0x11 " ALLOC_FIELDS " bash", more);
}

/* Reads the file, which holds @count events at most. Return: how many came before the error. */
static unsigned events_before_error(unsigned count)
{
    unsigned events = 0;
    char place[PATH_BYTES + 16];
    enum trace_result result;
    file_open();
    while ((result = trace_next(fixture->trace, &fixture->event)) == TRACE_EVENT) {
        assert_int_equal(fixture->event.pfn, 0x1000 + events);
        events++;
    }
    assert_int_equal(result, TRACE_ERROR);
    assert_true(events < count);
    snprintf(place, sizeof(place), "%s:%u: ", fixture->path, events + 1);
    assert_memory_equal(trace_error(fixture->trace), place, strlen(place));
    assert_true(strlen(trace_error(fixture->trace)) > strlen(place));
    trace_close(fixture->trace);
    fixture->trace = NULL;
    return events;
}

/* Cuts the file, compressed by @add, at many places from the end to where its kind is no longer
 * seen. */
static void assert_cuts_found(int (*add)(struct archive *))
{
    enum { COUNT = 2000, CUTS = 200, HEADER_BYTES = 20 };
    struct stat stat_whole;
    file_write(fixture->content, content_fill(COUNT), add);
    assert_int_equal(stat(fixture->path, &stat_whole), 0);
    off_t step = (stat_whole.st_size - HEADER_BYTES) / CUTS;
    unsigned events_max = 0;
    for (off_t bytes = stat_whole.st_size - 1; bytes > HEADER_BYTES; bytes -= step) {
        assert_int_equal(truncate(fixture->path, bytes), 0);
        unsigned events = events_before_error(COUNT);
        events_max = events > events_max ? events : events_max;
    }
    assert_true(events_max > 0);
}

static void trace_next_finds_truncated_xz(void **state)
{
    (void)state;
    assert_cuts_found(archive_write_add_filter_xz);
}

static void trace_next_finds_truncated_gzip(void **state)
{
    (void)state;
    assert_cuts_found(archive_write_add_filter_gzip);
}

static void trace_next_finds_corrupt_xz(void **state)
{
    (void)state;
    enum { COUNT = 2000 };
    struct stat stat_whole;
    file_write(fixture->content, content_fill(COUNT), archive_write_add_filter_xz);
    assert_int_equal(stat(fixture->path, &stat_whole), 0);
    FILE *file = fopen(fixture->path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseeko(file, stat_whole.st_size / 2, SEEK_SET), 0);
    assert_int_equal(fwrite("damaged!", 1, 8, file), 8);
    assert_int_equal(fclose(file), 0);
    (void)events_before_error(COUNT);
}

static void trace_next_refuses_long_line(void **state)
{
    (void)state;
    size_t bytes = strlen(FREE);
    memcpy(fixture->content, FREE, bytes);
    memset(fixture->content + bytes, '#', sizeof(fixture->content) - bytes);
    file_write(fixture->content, sizeof(fixture->content), archive_write_add_filter_none);
    file_open();
    assert_next(TRACE_EVENT);
    assert_error(2, "line too long");
}

static void trace_open_missing_file_says_so(void **state)
{
    (void)state;
    char error[TRACE_ERROR_MAX];
    assert_null(trace_open("/nonexistent/trace.txt", error));
    assert_string_equal(error, "/nonexistent/trace.txt: No such file or directory");
}

static void trace_open_directory_says_so(void **state)
{
    (void)state;
    char error[TRACE_ERROR_MAX];
    assert_null(trace_open("/", error));
    assert_string_equal(error, "/: Is a directory");
}

static void trace_open_long_name_keeps_reason(void **state)
{
    (void)state;
    char path[1000];
    char error[TRACE_ERROR_MAX];
    memset(path, '/', sizeof(path));
    snprintf(path + 980, 20, "nonexistent/a.txt");
    assert_null(trace_open(path, error));
    assert_memory_equal(error, ".../", 4);
    assert_non_null(strstr(error, "/nonexistent/a.txt: No such file or directory"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(trace_next_reads_alloc_and_free),
        TEST(trace_next_reads_decimal_pfn),
        TEST(trace_next_reads_every_header_shape),
        TEST(trace_next_reads_gzip),
        TEST(trace_next_reads_xz),
        TEST(trace_next_joins_lines_across_reads),
        TEST(trace_next_last_line_without_newline_is_torn),
        TEST(trace_next_ends_on_empty_input),
        TEST(trace_next_counts_what_it_skips),
        TEST(trace_next_counts_failed_allocs),
        TEST(trace_next_torn_line_names_line),
        TEST(trace_next_torn_fields_name_field),
        TEST(trace_next_finds_truncated_xz),
        TEST(trace_next_finds_truncated_gzip),
        TEST(trace_next_finds_corrupt_xz),
        TEST(trace_next_refuses_long_line),
        TEST(trace_open_missing_file_says_so),
        TEST(trace_open_directory_says_so),
        TEST(trace_open_long_name_keeps_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* What threads called, and were answered, in the order in which it happened. */
enum { LINES_MAX = 1024, LINE_BYTES = 100 };

static char lines[LINES_MAX][LINE_BYTES];
static unsigned lines_count;

/* Notes a beginning or an end of a call of the thread that runs. */
static void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void note(const char *format, ...)
{
    if (turns.count == 0 || lines_count == LINES_MAX) {
        return;
    }
    char *line = lines[lines_count++];
    int length = snprintf(line, LINE_BYTES, "%u: ", who() + 1);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line + length, (size_t)(LINE_BYTES - length), format, arguments);
    va_end(arguments);
}

/* If all was called and answered just as in @found, that is @check: no order explains it. */
static void check_history(const char *const *found, unsigned count, const char *check)
{
    bool same = count == lines_count;
    for (unsigned i = 0; same && i < count; i++) {
        same = strcmp(found[i], lines[i]) == 0;
    }
    if (same && count > 0) {
        fail(&t, check, "all %u answers are those that no order of the calls explains", count);
    }
}

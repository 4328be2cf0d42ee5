/* SPDX-License-Identifier: MIT */
#include "stress/explore/schedule.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void schedule_copy(struct schedule *to, const struct schedule *from)
{
    memcpy(to->runs, from->runs, from->runs_count * sizeof(*from->runs));
    memcpy(to->picks, from->picks, from->picks_count * sizeof(*from->picks));
    to->runs_count = from->runs_count;
    to->picks_count = from->picks_count;
    to->overflow = from->overflow;
}

static bool point_is_end(struct schedule_point point)
{
    return point.op == SCHEDULE_END.op;
}

uint32_t schedule_switches(const struct schedule *schedule)
{
    uint32_t switches = 0;
    for (uint32_t i = 0; i + 1 < schedule->runs_count; i++) {
        switches += point_is_end(schedule->runs[i].until) ? 0 : 1;
    }
    return switches;
}

static void print_point(FILE *out, unsigned thread, struct schedule_point point)
{
    if (point_is_end(point)) {
        fprintf(out, "%u@end", thread + 1);
    } else {
        fprintf(out, "%u@%" PRIu32 ".%" PRIu32, thread + 1, point.op, point.step);
    }
}

void schedule_print(FILE *out, const struct schedule *schedule)
{
    const char *gap = "";
    for (uint32_t i = 0; i < schedule->runs_count; i++) {
        fputs(gap, out);
        print_point(out, schedule->runs[i].thread, schedule->runs[i].until);
        gap = " ";
    }
    for (uint32_t i = 0; i < schedule->picks_count; i++) {
        fputs(gap, out);
        print_point(out, schedule->picks[i].thread, schedule->picks[i].at);
        fprintf(out, "=%u", schedule->picks[i].value);
        gap = " ";
    }
}

/* Reads a number up to @most. Return: behind it, or NULL. */
static const char *parse_number(const char *text, uint64_t most, uint32_t *number)
{
    char *end;
    if (!isdigit((unsigned char)*text)) {
        return NULL;
    }
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    *number = (uint32_t)value;
    return errno == 0 && value <= most ? end : NULL;
}

/* Reads "1@0.14" or "1@end". Return: behind it, or NULL. */
static const char *parse_point(const char *text, uint8_t *thread, struct schedule_point *point)
{
    uint32_t number;
    text = parse_number(text, SCHEDULE_THREADS, &number);
    if (text == NULL || number == 0 || *text != '@') {
        return NULL;
    }
    *thread = (uint8_t)(number - 1);
    text++;
    if (strncmp(text, "end", 3) == 0) {
        *point = SCHEDULE_END;
        return text + 3;
    }
    text = parse_number(text, UINT32_MAX - 1, &point->op);
    if (text == NULL || *text != '.') {
        return NULL;
    }
    return parse_number(text + 1, UINT32_MAX - 1, &point->step);
}

/* Reads one word of a schedule. Return: behind it, or NULL. */
static const char *parse_word(struct schedule *schedule, const char *text)
{
    uint8_t thread;
    uint32_t value;
    struct schedule_point point;
    text = parse_point(text, &thread, &point);
    if (text == NULL || *text != '=') {
        if (text != NULL) {
            schedule_add_run(schedule, (struct schedule_run){thread, point});
        }
        return text;
    }
    text = parse_number(text + 1, UINT8_MAX, &value);
    if (text != NULL) {
        schedule_add_pick(schedule, (struct schedule_pick){thread, (uint8_t)value, point});
    }
    return text;
}

bool schedule_parse(struct schedule *schedule, const char *text, char *error)
{
    schedule_clear(schedule);
    text += strspn(text, " ");
    while (*text != '\0') {
        const char *end = parse_word(schedule, text);
        if (end == NULL || (*end != ' ' && *end != '\0')) {
            snprintf(error, SCHEDULE_ERROR_MAX, "cannot read '%.30s' in the schedule", text);
            return false;
        }
        text = end + strspn(end, " ");
    }
    if (schedule->overflow) {
        snprintf(error, SCHEDULE_ERROR_MAX, "the schedule is too long");
        return false;
    }
    return true;
}

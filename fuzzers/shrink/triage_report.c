/* SPDX-License-Identifier: MIT
 *
 * triage_report.c: what triage has found, for people and for machines.
 */
#include "fuzzers/shrink/triage.h"

#include "fuzzers/check.h"
#include "fuzzers/json_text.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HASH_CHARS = 17, FILES_SHOWN = 5 };

static const char *plural(uint32_t count)
{
    return count == 1 ? "" : "s";
}

static uint32_t count_new(const struct triage *triage)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < triage->groups_count; i++) {
        count += triage->groups[i].known == NULL ? 1 : 0;
    }
    return count;
}

static const char *signature_of(const struct triage_group *group)
{
    return group->result.trial.signature.text;
}

static void print_group(const struct triage_group *group)
{
    const struct shrink_result *result = &group->result;
    printf("%-5s  %3u input%s  %s\n", group->known == NULL ? "new" : "known", group->files_count,
           plural(group->files_count), signature_of(group));
    printf("         %s\n         %s: %u -> %u operations%s\n", result->trial.detail,
           group->files[group->smallest], result->ops_before, result->ops_after,
           result->stopped ? " (stopped: it may go further)" : "");
    if (group->known != NULL) {
        printf("         with the signature of %s\n", group->known);
    }
    if (group->saved != NULL) {
        printf("         saved as %s\n", group->saved);
    }
}

/* How many were not run, and why: a line each, which begins with @before. */
static void print_not_run(FILE *out, const struct triage *triage, const char *before)
{
    if (triage->no_room > 0) {
        fprintf(out, "%snot run: %u input%s, without room for metadata in the map\n", before,
                triage->no_room, plural(triage->no_room));
    }
    if (triage->left > 0) {
        fprintf(out, "%sstopped: %u input%s not run\n", before, triage->left,
                triage->left == 1 ? " was" : "s were");
    }
}

void triage_print(const struct triage *triage)
{
    for (uint32_t i = 0; i < triage->groups_count; i++) {
        print_group(&triage->groups[i]);
    }
    uint32_t fresh = count_new(triage);
    printf("%u input%s, %u failing, in %u group%s: %u new, %u known\n", triage->inputs,
           plural(triage->inputs), triage->failing, triage->groups_count,
           plural(triage->groups_count), fresh, triage->groups_count - fresh);
    print_not_run(stdout, triage, "");
}

static char *case_text(const struct triage *triage, const struct triage_group *group)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) {
        abort();
    }
    shrink_print_case(out, &triage->common, &group->result.trial.signature, &group->program);
    fclose(out);
    return text;
}

static bool write_failed(const char *path)
{
    fprintf(stderr, "potad-case triage: %s: %s\n", path, strerror(errno));
    return false;
}

static bool dump(json_t *json, const char *path)
{
    errno = 0;
    bool written = json != NULL && json_dump_file(json, path, JSON_INDENT(2)) == 0;
    json_decref(json);
    return written || write_failed(path);
}

static json_t *group_json(const struct triage *triage, const struct triage_group *group)
{
    const struct shrink_result *result = &group->result;
    json_t *files = json_array();
    for (uint32_t i = 0; i < group->files_count; i++) {
        json_array_append_new(files, json_text(group->files[i]));
    }
    char *text = case_text(triage, group);
    json_t *json =
        json_pack("{s:o,s:o,s:o,s:b,s:o,s:o,s:o,s:i,s:i,s:I,s:f,s:o,s:i,s:o,s:o}", "violated",
                  json_text(result->trial.signature.name), "signature",
                  json_text(signature_of(group)), "detail", json_text(result->trial.detail), "new",
                  group->known == NULL, "known", json_text(group->known), "files", files, "shrunk",
                  json_text(group->files[group->smallest]), "ops_before", (int)result->ops_before,
                  "ops_after", (int)result->ops_after, "executions", (json_int_t)result->executions,
                  "seconds", result->seconds, "source", json_text(group->file), "line",
                  (int)group->line, "case", json_text(text), "saved", json_text(group->saved));
    free(text);
    return json;
}

bool triage_write_json(const struct triage *triage, const char *path)
{
    json_t *groups = json_array();
    for (uint32_t i = 0; i < triage->groups_count; i++) {
        json_array_append_new(groups, group_json(triage, &triage->groups[i]));
    }
    return dump(json_pack("{s:s,s:i,s:i,s:i,s:i,s:i,s:o}", "subject", triage->common.subject->name,
                          "inputs", (int)triage->inputs, "failing", (int)triage->failing, "new",
                          (int)count_new(triage), "not_run", (int)(triage->no_room + triage->left),
                          "no_room", (int)triage->no_room, "groups", groups),
                path);
}

static void markdown_group(FILE *out, const struct triage *triage, const struct triage_group *group)
{
    const struct shrink_result *result = &group->result;
    char *text = case_text(triage, group);
    fprintf(out, "\n## %s: `%s`\n\n`%s`\n\n", group->known == NULL ? "New" : "Known",
            signature_of(group), result->trial.detail);
    if (group->known != NULL) {
        fprintf(out, "* the signature of `%s`\n", group->known);
    }
    if (group->file[0] != '\0') {
        fprintf(out, "* found at `%s:%u`\n", group->file, group->line);
    }
    fprintf(out, "* %u input%s:", group->files_count, plural(group->files_count));
    for (uint32_t i = 0; i < group->files_count && i < FILES_SHOWN; i++) {
        fprintf(out, "%s `%s`", i == 0 ? "" : ",", group->files[i]);
    }
    fprintf(out,
            "%s\n* %u operations shrunk to %u: %" PRIu64 " executions, %.1f s%s\n\n```\n%s```\n\n"
            "Reproduce: `ci/reproduce%s%s %s`\n",
            group->files_count > FILES_SHOWN ? ", ..." : "", result->ops_before, result->ops_after,
            result->executions, result->seconds,
            result->stopped ? " (stopped: it may go further)" : "", text,
            triage->common.subject == subjects[0] ? "" : " --subject ",
            triage->common.subject == subjects[0] ? "" : triage->common.subject->name,
            group->saved != NULL ? group->saved : group->files[group->smallest]);
    free(text);
}

bool triage_write_markdown(const struct triage *triage, const char *path)
{
    FILE *out = fopen(path, "w");
    if (out == NULL) {
        return write_failed(path);
    }
    fprintf(out, "# %u failing input%s in %u group%s, %u new\n\nSubject: `%s`.\n", triage->failing,
            plural(triage->failing), triage->groups_count, plural(triage->groups_count),
            count_new(triage), triage->common.subject->name);
    print_not_run(out, triage, "\n");
    for (uint32_t i = 0; i < triage->groups_count; i++) {
        markdown_group(out, triage, &triage->groups[i]);
    }
    bool written = !ferror(out);
    return (fclose(out) == 0 && written) || write_failed(path);
}

/* SARIF */

/* A rule is what was violated: all assertions are one. */
static void rule_id(const struct triage_group *group, char id[static SIGNATURE_NAME_MAX])
{
    const char *name = group->result.trial.signature.name;
    snprintf(id, SIGNATURE_NAME_MAX, "%.*s", (int)strcspn(name, "("), name);
}

static void rules_add(json_t *rules, const char *id)
{
    size_t index;
    json_t *rule;
    json_array_foreach(rules, index, rule)
    {
        if (strcmp(json_string_value(json_object_get(rule, "id")), id) == 0) {
            return;
        }
    }
    const char *sentence = check_sentence_of(id);
    json_array_append_new(rules,
                          json_pack("{s:s,s:s,s:{s:s},s:{s:s}}", "id", id, "name", id,
                                    "shortDescription", "text", sentence == NULL ? id : sentence,
                                    "defaultConfiguration", "level", "error"));
}

/* Return: what of the absolute path @real stands below the working directory; NULL: it is not below
 * that. */
static const char *below_working_directory(const char *real)
{
    char here[PATH_MAX];
    if (getcwd(here, sizeof(here)) == NULL) {
        return NULL;
    }
    size_t length = strcmp(here, "/") == 0 ? 0 : strlen(here);
    return strncmp(real, here, length) == 0 && real[length] == '/' ? real + length + 1 : NULL;
}

/* @path in a reference: what may not stand in one goes as %XX. */
static void uri_print(const char *scheme, const char *path, char *uri, size_t bytes)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~/";
    size_t length = (size_t)snprintf(uri, bytes, "%s", scheme);
    for (; *path != '\0' && length + 4 < bytes; path++) {
        bool kept = strchr(plain, *path) != NULL;
        length += (size_t)snprintf(uri + length, bytes - length, kept ? "%c" : "%%%02X",
                                   (unsigned char)*path);
    }
    uri[length] = '\0';
}

/* The file @path as a reference: relative to the working directory where it is below that. */
static void uri_of_file(const char *path, char *uri, size_t bytes)
{
    char real[PATH_MAX];
    if (realpath(path, real) == NULL) {
        uri_print(*path == '/' ? "file://" : "", path, uri, bytes);
        return;
    }
    const char *below = below_working_directory(real);
    uri_print(below != NULL ? "" : "file://", below != NULL ? below : real, uri, bytes);
}

/* Where it was found in the sources, or else the case that shows it. */
static json_t *sarif_location(const struct triage_group *group)
{
    enum { URI_MAX = 1024 };
    char uri[URI_MAX];
    const char *shown = group->saved != NULL ? group->saved : group->files[group->smallest];
    if (group->file[0] != '\0') {
        uri_print("", group->file, uri, sizeof(uri));
    } else {
        uri_of_file(shown, uri, sizeof(uri));
    }
    return json_pack("{s:{s:{s:s},s:{s:i}}}", "physicalLocation", "artifactLocation", "uri", uri,
                     "region", "startLine", group->line > 0 ? (int)group->line : 1);
}

static json_t *sarif_result(const struct triage_group *group)
{
    char id[SIGNATURE_NAME_MAX];
    char hash[HASH_CHARS];
    const struct shrink_result *result = &group->result;
    rule_id(group, id);
    snprintf(hash, sizeof(hash), "%016" PRIx64, group->hash);
    char *line = NULL;
    if (asprintf(&line, "%s: %s (%u input%s; %u operations)", signature_of(group),
                 result->trial.detail, group->files_count, plural(group->files_count),
                 result->ops_after) < 0) {
        line = NULL;
    }
    json_t *text = json_text(line);
    free(line);
    return json_pack("{s:s,s:s,s:{s:o},s:[o],s:{s:s},s:{s:b,s:i}}", "ruleId", id, "level", "error",
                     "message", "text", text, "locations", sarif_location(group),
                     "partialFingerprints", "potadSignature/v1", hash, "properties", "new",
                     group->known == NULL, "inputs", (int)group->files_count);
}

bool triage_write_sarif(const struct triage *triage, const char *path)
{
    json_t *rules = json_array();
    json_t *results = json_array();
    for (uint32_t i = 0; i < triage->groups_count; i++) {
        char id[SIGNATURE_NAME_MAX];
        rule_id(&triage->groups[i], id);
        rules_add(rules, id);
        json_array_append_new(results, sarif_result(&triage->groups[i]));
    }
    return dump(json_pack("{s:s,s:s,s:[{s:{s:{s:s,s:o}},s:s,s:o}]}", "version", "2.1.0", "$schema",
                          "https://json.schemastore.org/sarif-2.1.0.json", "runs", "tool", "driver",
                          "name", "potad", "rules", rules, "columnKind", "utf16CodeUnits",
                          "results", results),
                path);
}

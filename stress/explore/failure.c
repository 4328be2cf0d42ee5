/* SPDX-License-Identifier: MIT */
#include "stress/explore/failure.h"

#include <errno.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 4 << 20 };

/* Looks for the note of the linker in the first object, which is the program itself. */
static int find_note(struct dl_phdr_info *info, size_t size, void *context)
{
    char *text = context;
    (void)size;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        if (info->dlpi_phdr[i].p_type != PT_NOTE) {
            continue;
        }
        const char *at = (const char *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
        const char *end = at + info->dlpi_phdr[i].p_memsz;
        while (at + sizeof(ElfW(Nhdr)) < end) {
            const ElfW(Nhdr) *note = (const void *)at;
            size_t name_bytes = ((size_t)note->n_namesz + 3) / 4 * 4;
            const unsigned char *bytes = (const unsigned char *)at + sizeof(*note) + name_bytes;
            if (note->n_type == NT_GNU_BUILD_ID) {
                for (unsigned j = 0; j < note->n_descsz && 2 * j + 2 < FAILURE_BUILD_MAX; j++) {
                    snprintf(text + (size_t)2 * j, 3, "%02x", bytes[j]);
                }
                return 1;
            }
            at = (const char *)bytes + ((size_t)note->n_descsz + 3) / 4 * 4;
        }
    }
    return 1;
}

void build_id(char *text, size_t bytes)
{
    char found[FAILURE_BUILD_MAX] = "unknown";
    dl_iterate_phdr(find_note, found);
    snprintf(text, bytes, "%s", found);
}

void failure_print(FILE *out, const struct failure *failure)
{
    fprintf(out,
            "# potad-stress 1\n# found: %s: %s\n# build: %s\n# subject: %s\n# options:%s%s%s\n",
            failure->found, failure->text, failure->build, failure->subject,
            failure->options.any_cpu ? " any-cpu" : "", failure->options.reuse ? " reuse" : "",
            failure->options.weak ? " weak" : "");
    fputs("# schedule: ", out);
    schedule_print(out, &failure->schedule);
    fputc('\n', out);
    case_print(out, &failure->program);
}

bool failure_save(const struct failure *failure, const char *path)
{
    FILE *out = fopen(path, "w");
    if (out == NULL) {
        return false;
    }
    failure_print(out, failure);
    bool good = ferror(out) == 0;
    return fclose(out) == 0 && good;
}

/* The text behind "# @key: " in the comments of @text, up to the end of its line; or NULL. */
static const char *find_field(const char *text, const char *key, size_t *length)
{
    size_t key_length = strlen(key);
    for (; text != NULL && *text == '#'; text = strchr(text, '\n'), text += text != NULL) {
        if (strncmp(text, "# ", 2) == 0 && strncmp(text + 2, key, key_length) == 0 &&
            text[2 + key_length] == ':') {
            const char *value = text + 3 + key_length;
            value += strspn(value, " ");
            *length = strcspn(value, "\n");
            return value;
        }
    }
    return NULL;
}

static void copy_field(char *to, size_t bytes, const char *text, const char *key)
{
    size_t length;
    const char *value = find_field(text, key, &length);
    to[0] = '\0';
    if (value != NULL) {
        snprintf(to, bytes, "%.*s", (int)length, value);
    }
}

static bool read_schedule(struct failure *failure, const char *text, char *error)
{
    size_t length;
    const char *value = find_field(text, "schedule", &length);
    failure->scheduled = value != NULL;
    schedule_clear(&failure->schedule);
    if (value == NULL) {
        return true;
    }
    char *line = strndup(value, length);
    bool good = line != NULL && schedule_parse(&failure->schedule, line, error);
    free(line);
    return good;
}

static bool read_fields(struct failure *failure, const char *text, char *error)
{
    char options[EXPLORE_NAME_MAX];
    char found[EXPLORE_NAME_MAX + EXPLORE_TEXT_MAX];
    copy_field(options, sizeof(options), text, "options");
    copy_field(found, sizeof(found), text, "found");
    copy_field(failure->build, sizeof(failure->build), text, "build");
    copy_field(failure->subject, sizeof(failure->subject), text, "subject");
    if (failure->subject[0] == '\0') {
        snprintf(failure->subject, sizeof(failure->subject), "core");
    }
    failure->options.any_cpu = strstr(options, "any-cpu") != NULL;
    failure->options.reuse = strstr(options, "reuse") != NULL;
    failure->options.weak = strstr(options, "weak") != NULL;
    failure->options.subject = subject_find(failure->subject);
    size_t name = strcspn(found, ":");
    snprintf(failure->found, sizeof(failure->found), "%.*s", (int)name, found);
    const char *said = found + name + (found[name] == ':' ? 1 : 0);
    snprintf(failure->text, sizeof(failure->text), "%s", said + strspn(said, " "));
    if (failure->options.subject == NULL) {
        snprintf(error, FAILURE_ERROR_MAX, "there is no subject '%s'", failure->subject);
        return false;
    }
    return read_schedule(failure, text, error);
}

static char *read_file(const char *path, size_t *size, char *error)
{
    FILE *file = fopen(path, "r");
    char *text = file == NULL ? NULL : malloc(FILE_MAX + 1);
    if (text == NULL) {
        snprintf(error, FAILURE_ERROR_MAX, "%s", strerror(errno));
        if (file != NULL) {
            fclose(file);
        }
        return NULL;
    }
    *size = fread(text, 1, FILE_MAX, file);
    text[*size] = '\0';
    bool good = ferror(file) == 0;
    fclose(file);
    if (!good) {
        snprintf(error, FAILURE_ERROR_MAX, "it cannot be read");
        free(text);
        return NULL;
    }
    return text;
}

bool failure_load(struct failure *failure, const char *path, char *error)
{
    struct case_error case_error;
    size_t size;
    char *text = read_file(path, &size, error);
    if (text == NULL) {
        return false;
    }
    program_init(&failure->program);
    bool good = read_fields(failure, text, error);
    bool binary = case_has_magic((const uint8_t *)text, size);
    if (good && !(binary ? case_decode(&failure->program, (const uint8_t *)text, size, &case_error)
                         : case_parse(&failure->program, text, size, &case_error))) {
        snprintf(error, FAILURE_ERROR_MAX, "%s", case_error.text);
        good = false;
    }
    if (!good) {
        program_free(&failure->program);
    }
    free(text);
    return good;
}

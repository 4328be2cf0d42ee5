/* SPDX-License-Identifier: MIT */
#include "fuzzers/show/page.h"

#include "fuzzers/show/look.h"
#include "fuzzers/show/page_assets.h"
#include "fuzzers/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Writes @text with what HTML would take for its own replaced; @script: as JSON in a script. */
static void write_escaped(FILE *out, const char *text, bool script)
{
    for (; *text != '\0'; text++) {
        if (*text == '<') {
            fputs(script ? "\\u003c" : "&lt;", out);
        } else if (*text == '&' && !script) {
            fputs("&amp;", out);
        } else {
            fputc(*text, out);
        }
    }
}

struct page {
    const char *title;
    const char *script; /* of its kind */
    char *data;
};

/* Writes what stands for the mark at @at of the frame. Return: the length of the mark. */
static size_t write_part(FILE *out, const char *at, const struct page *page)
{
    static const char *const marks[] = {"<!--TITLE-->", "<!--STYLE-->", "<!--DATA-->",
                                        "<!--SCRIPT-->"};
    unsigned part = 0;
    while (strncmp(at, marks[part], strlen(marks[part])) != 0) {
        if (++part == sizeof(marks) / sizeof(marks[0])) {
            fputc(*at, out);
            return 1;
        }
    }
    switch (part) {
    case 0:
        write_escaped(out, page->title, false);
        break;
    case 1:
        fputs(page_asset_page_css, out);
        break;
    case 2:
        write_escaped(out, page->data, true);
        break;
    default:
        fputs(page_asset_common_js, out);
        fputs(page->script, out);
        break;
    }
    return strlen(marks[part]);
}

bool page_write(const char *path, enum page_kind kind, const char *title, const json_t *data)
{
    static const char *const scripts[] = {[PAGE_CASE] = page_asset_case_js,
                                          [PAGE_TRACE] = page_asset_trace_js,
                                          [PAGE_SCHEDULE] = page_asset_schedule_js};
    char *valid = utf8_valid(title);
    struct page page = {.title = valid,
                        .script = scripts[kind],
                        .data = json_dumps(data, JSON_COMPACT | JSON_ENSURE_ASCII)};
    if (valid == NULL || page.data == NULL) {
        free(valid);
        free(page.data);
        errno = valid == NULL ? ENOMEM : EINVAL;
        return false;
    }
    bool standard = strcmp(path, "-") == 0;
    FILE *out = standard ? stdout : fopen(path, "w");
    bool good = out != NULL;
    for (const char *at = page_asset_page_html; good && *at != '\0';) {
        at += write_part(out, at, &page);
    }
    good = good && fflush(out) == 0 && ferror(out) == 0;
    if (out != NULL && !standard) {
        good = fclose(out) == 0 && good;
    }
    free(valid);
    free(page.data);
    return good;
}

json_t *page_looks(void)
{
    json_t *looks = json_array();
    for (unsigned i = 0; i < LOOKS; i++) {
        const struct look_style *style = &look_styles[i];
        json_array_append_new(looks,
                              json_pack("{s:s,s:s,s:s,s:s,s:s,s:s}", "key", style->key, "letter",
                                        style->letter, "hatch", style->hatch, "light", style->light,
                                        "dark", style->dark, "label", style->label));
    }
    return looks;
}

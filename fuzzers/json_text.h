/* SPDX-License-Identifier: MIT
 *
 * json_text.h: text of any bytes, as file names are, in JSON.
 */
#ifndef POTAD_FUZZERS_JSON_TEXT_H
#define POTAD_FUZZERS_JSON_TEXT_H

#include "fuzzers/utf8.h"

#include <jansson.h>
#include <stdlib.h>

/* Return: @text, with U+FFFD for what is no UTF-8; NULL is null. Aborts where there is no memory.
 */
static inline json_t *json_text(const char *text)
{
    if (text == NULL) {
        return json_null();
    }
    char *valid = utf8_valid(text);
    json_t *json = valid == NULL ? NULL : json_string(valid);
    if (json == NULL) {
        abort();
    }
    free(valid);
    return json;
}

#endif

/* SPDX-License-Identifier: MIT */
#include "fuzzers/utf8.h"

#include <stdlib.h>
#include <string.h>

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

/* Return: the bytes of the character that @text begins with; 0: it begins with none. Neither
 * surrogates are one, nor what is above U+10FFFF, nor what fewer bytes would say. */
static size_t character_bytes(const unsigned char *text)
{
    unsigned char least = 0x80; /* the second byte */
    unsigned char most = 0xbf;
    size_t bytes = 0;
    if (text[0] < 0x80) {
        return 1;
    }
    if (text[0] >= 0xc2 && text[0] <= 0xdf) {
        bytes = 2;
    } else if (text[0] >= 0xe0 && text[0] <= 0xef) {
        bytes = 3;
        least = text[0] == 0xe0 ? 0xa0 : least;
        most = text[0] == 0xed ? 0x9f : most;
    } else if (text[0] >= 0xf0 && text[0] <= 0xf4) {
        bytes = 4;
        least = text[0] == 0xf0 ? 0x90 : least;
        most = text[0] == 0xf4 ? 0x8f : most;
    } else {
        return 0;
    }
    if (text[1] < least || text[1] > most) {
        return 0;
    }
    for (size_t i = 2; i < bytes; i++) {
        if ((text[i] & 0xc0) != 0x80) { /* as the end is, too */
            return 0;
        }
    }
    return bytes;
}

char *utf8_valid(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    const size_t mark = sizeof(replacement) - 1;
    char *valid = calloc(strlen(text) + 1, mark);
    size_t length = 0;
    while (valid != NULL && *at != '\0') {
        size_t bytes = character_bytes(at);
        if (bytes == 0) {
            memcpy(valid + length, replacement, mark);
        } else {
            memcpy(valid + length, at, bytes);
        }
        length += bytes == 0 ? mark : bytes;
        at += bytes == 0 ? 1 : bytes;
    }
    return valid;
}

/* SPDX-License-Identifier: MIT */
#include "fuzzers/violation.h"

#include "fuzzers/check.h"

#include <inttypes.h>
#include <stdio.h>

void violation_text(char text[VIOLATION_TEXT_MAX], const char *whole, const char *where,
                    const struct violation *violation)
{
    const char *comma = whole[0] == '\0' ? "" : ", ";
    char place[VIOLATION_TEXT_MAX / 2];
    if (violation->pfn != PFN_NONE) {
        snprintf(place, sizeof(place), "%s%s%s %#" PRIx64, whole, comma, where, violation->pfn);
    } else {
        snprintf(place, sizeof(place), "%s%sin all", whole, comma);
    }
    snprintf(text, VIOLATION_TEXT_MAX, "%s: %#" PRIx64 ", expected %#" PRIx64, place,
             violation->actual, violation->expected);
}

const char *violation_sentence(const struct violation *violation)
{
    const char *sentence = check_sentence_of(invariant_name(violation->invariant));
    return sentence != NULL ? sentence : "the subject's own validation found it";
}

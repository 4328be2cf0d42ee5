/* SPDX-License-Identifier: MIT */
#include "stress/finding.h"

#include "fuzzers/check.h"

#include <stdio.h>

static const struct named_sentence described[] = {
#define X(id, name, sentence) [id] = {name, sentence},
    FINDING_TABLE(X)
#undef X
};

const char *finding_name(enum finding finding)
{
    return described[finding].name;
}

const char *finding_sentence(enum finding finding)
{
    return described[finding].sentence;
}

const char *finding_sentence_of(const char *name)
{
    static const struct named_sentence all[] = {
#define X(id, name, sentence) {name, sentence},
        FINDING_TABLE(X)
#undef X
#define X(name, sentence) {name, sentence},
            EXPLORED_TABLE(X)
#undef X
    };
    const char *sentence = named_sentence_find(all, sizeof(all) / sizeof(all[0]), name);
    sentence = sentence != NULL ? sentence : check_sentence_of(name);
    return sentence != NULL ? sentence : "";
}

void findings_init(struct findings *findings)
{
    pthread_mutex_init(&findings->lock, NULL);
    relaxed_store(&findings->any, 0);
}

void findings_destroy(struct findings *findings)
{
    pthread_mutex_destroy(&findings->lock);
}

void findings_add(struct findings *findings, enum finding finding, const char *text)
{
    pthread_mutex_lock(&findings->lock);
    if (!findings_any(findings)) {
        findings->first = finding;
        snprintf(findings->text, sizeof(findings->text), "%s", text);
        fprintf(stderr, "potad-stress: violated: %s: %s\n", finding_name(finding), findings->text);
        relaxed_store(&findings->any, 1);
    }
    pthread_mutex_unlock(&findings->lock);
}

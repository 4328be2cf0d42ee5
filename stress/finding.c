/* SPDX-License-Identifier: MIT */
#include "stress/finding.h"

#include <stdio.h>

static const struct {
    const char *name;
    const char *sentence;
} described[] = {
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

/* SPDX-License-Identifier: MIT
 *
 * range_model.h: what a map from keys to words by ranges must hold, kept so simply that it is right
 * by inspection: an array of ranges that are apart, by ascending keys. No code shared with core/.
 */
#ifndef POTAD_FUZZERS_RANGE_MODEL_H
#define POTAD_FUZZERS_RANGE_MODEL_H

#include "fuzzers/subject.h"

struct range_model {
    struct range_entry *entries;
    uint64_t count;
    uint64_t capacity;
};

/* Empties @model. Aborts, as all that adds does, where there is no memory. */
void range_model_clear_all(struct range_model *model);
void range_model_close(struct range_model *model);

/* Makes @to what @from is. */
void range_model_copy(struct range_model *to, const struct range_model *from);

/* Empties the keys from @first to @last; ranges that stick out are cut. */
void range_model_clear(struct range_model *model, uint64_t first, uint64_t last);

/* The same, and a range with @value there. */
void range_model_store(struct range_model *model, uint64_t first, uint64_t last, uint64_t value);

/* Index of the first range that ends at or behind @key, or count. */
uint64_t range_model_find(const struct range_model *model, uint64_t key);

/* The range that @key is in, or NULL. */
const struct range_entry *range_model_load(const struct range_model *model, uint64_t key);

/* The value of @key, or 0. */
uint64_t range_model_value(const struct range_model *model, uint64_t key);

/* The range that @key is in, or else the next or the previous one, or NULL. */
const struct range_entry *range_model_next(const struct range_model *model, uint64_t key);
const struct range_entry *range_model_prev(const struct range_model *model, uint64_t key);

/* Whether a range reaches over the border before @first, or the one behind @last. */
bool range_model_cuts(const struct range_model *model, uint64_t first, uint64_t last);

/* Whether it has this very range. */
bool range_model_has(const struct range_model *model, const struct range_entry *entry);

/* As range_tree_gap(): looks at every gap. */
enum status range_model_gap(const struct range_model *model,
                            const struct range_gap_request *request, uint64_t *found);

#endif

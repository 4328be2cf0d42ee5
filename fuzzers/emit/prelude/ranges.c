/* SPDX-License-Identifier: MIT */
/* A range tree, and the array of ranges that it must hold. While an operation runs there are two
 * of these, before and after it: what readers see between its steps is in one of them. */
#include "core/range_tree.h"

enum { SECTIONS = 4, NEAR = 16 /* ranges around an operation that readers look at */ };

struct ranges {
    struct range_entry *entries; /* apart, by ascending keys */
    uint64_t count;
    uint64_t room;
};

static struct {
    struct range_tree tree;
    struct range_source source;
    struct epoch epoch;
    struct kmem_cache *nodes;
    bool open;
    struct ranges now;
    struct ranges next;    /* what the present operation makes of it */
    struct ranges changes; /* all there were, one behind the other; value 0: emptied */
    bool writing;
    uint64_t prepared; /* stores that cannot fail */
    uint64_t first;    /* the keys of the present operation */
    uint64_t last;
    uint64_t storing; /* the value that it stores; 0: none */
    uint64_t objects; /* nodes in use before it */
    struct {
        struct epoch_slot *section; /* NULL: none is open */
        uint64_t root;
        struct ranges then;
        uint64_t changes;
    } sections[SECTIONS];
} r;

static void ranges_reserve(struct ranges *ranges, uint64_t count)
{
    if (count > ranges->room) {
        ranges->room = 2 * count;
        ranges->entries = realloc(ranges->entries, ranges->room * sizeof(*ranges->entries));
        if (ranges->entries == NULL) {
            abort();
        }
    }
}

static void ranges_copy(struct ranges *to, const struct ranges *from)
{
    ranges_reserve(to, from->count + 1);
    to->count = from->count;
    if (from->count > 0) {
        memcpy(to->entries, from->entries, from->count * sizeof(*from->entries));
    }
}

/* Index of the first range that ends at or behind @key, or count. */
static uint64_t ranges_find(const struct ranges *ranges, uint64_t key)
{
    uint64_t low = 0;
    uint64_t high = ranges->count;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (ranges->entries[middle].last < key) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static const struct range_entry *entry_next(const struct ranges *ranges, uint64_t key)
{
    uint64_t index = ranges_find(ranges, key);
    return index < ranges->count ? &ranges->entries[index] : NULL;
}

static const struct range_entry *entry_at(const struct ranges *ranges, uint64_t key)
{
    const struct range_entry *entry = entry_next(ranges, key);
    return entry != NULL && entry->first <= key ? entry : NULL;
}

static const struct range_entry *entry_prev(const struct ranges *ranges, uint64_t key)
{
    uint64_t index = ranges_find(ranges, key);
    if (index < ranges->count && ranges->entries[index].first <= key) {
        return &ranges->entries[index];
    }
    return index > 0 ? &ranges->entries[index - 1] : NULL;
}

static uint64_t value_at(const struct ranges *ranges, uint64_t key)
{
    const struct range_entry *entry = entry_at(ranges, key);
    return entry == NULL ? 0 : entry->value;
}

static bool same(const struct range_entry *a, const struct range_entry *b)
{
    return a->first == b->first && a->last == b->last && a->value == b->value;
}

/* Empties the keys from @first to @last, cutting ranges; stores @value there if it is not 0. */
static void ranges_set(struct ranges *ranges, uint64_t first, uint64_t last, uint64_t value)
{
    struct ranges old = {.count = 0};
    ranges_copy(&old, ranges);
    ranges_reserve(ranges, old.count + 3);
    ranges->count = 0;
    bool stored = value == 0;
    for (uint64_t i = 0; i <= old.count; i++) {
        const struct range_entry *entry = &old.entries[i];
        bool end = i == old.count;
        if (!end && entry->first < first) {
            uint64_t before = entry->last < first ? entry->last : first - 1;
            ranges->entries[ranges->count++] =
                (struct range_entry){entry->first, before, entry->value};
        }
        if (!stored && (end || entry->last >= first)) {
            ranges->entries[ranges->count++] = (struct range_entry){first, last, value};
            stored = true;
        }
        if (!end && entry->last > last) {
            uint64_t behind = entry->first > last ? entry->first : last + 1;
            ranges->entries[ranges->count++] =
                (struct range_entry){behind, entry->last, entry->value};
        }
    }
    free(old.entries);
}

static void check_entry(const char *what, uint64_t key, bool there, const struct range_entry *entry,
                        const struct range_entry *expected)
{
    if (there != (expected != NULL) || (there && !same(entry, expected))) {
        fail(&t, "range-lookup", "%s %#llx: %#llx to %#llx has %llu; expected %#llx to %#llx, %llu",
             what, (ull)key, (ull)entry->first, (ull)entry->last, (ull)entry->value,
             expected != NULL ? (ull)expected->first : 0,
             expected != NULL ? (ull)expected->last : 0,
             expected != NULL ? (ull)expected->value : 0);
    }
}

static void check_key(uint64_t key)
{
    struct range_entry entry = {.value = 0};
    uint64_t value = range_tree_value(&r.tree, key);
    if (value != value_at(&r.now, key)) {
        fail(&t, "range-lookup", "key %#llx has %llu; expected %llu", (ull)key, (ull)value,
             (ull)value_at(&r.now, key));
    }
    check_entry("load", key, range_tree_load(&r.tree, key, &entry), &entry, entry_at(&r.now, key));
    check_entry("next", key, range_tree_next(&r.tree, key, &entry), &entry,
                entry_next(&r.now, key));
    check_entry("prev", key, range_tree_prev(&r.tree, key, &entry), &entry,
                entry_prev(&r.now, key));
}

static void check_all_ranges(void)
{
    struct range_entry entry = {.value = 0};
    uint64_t key = 0;
    for (uint64_t i = 0; i < r.now.count; i++) {
        bool there = range_tree_next(&r.tree, key, &entry);
        check_entry("next", key, there, &entry, &r.now.entries[i]);
        key = r.now.entries[i].last + 1;
    }
    if (r.now.count == 0 || key != 0) {
        check_entry("next", key, range_tree_next(&r.tree, key, &entry), &entry, NULL);
    }
    if (r.tree.ranges != r.now.count) {
        fail(&t, "range-lookup", "%llu ranges counted; expected %llu", (ull)r.tree.ranges,
             (ull)r.now.count);
    }
}

/* Whether the present operation leaves @entry as it is. */
static bool is_kept(const struct range_entry *entry)
{
    return entry->last < r.first || entry->first > r.last;
}

static bool is_known(const struct range_entry *entry)
{
    const struct range_entry *before = entry_at(&r.now, entry->first);
    const struct range_entry *after = entry_at(&r.next, entry->first);
    return (before != NULL && same(before, entry)) || (after != NULL && same(after, entry));
}

static void fail_reader(const char *what, uint64_t key, const struct range_entry *entry)
{
    fail(&t, "range-reader", "%s %#llx: %#llx to %#llx has %llu, neither before nor after", what,
         (ull)key, (ull)entry->first, (ull)entry->last, (ull)entry->value);
}

/* What a reader sees at @key between two steps: no range that is there all the time is passed over.
 */
static void check_reader(uint64_t key)
{
    struct range_entry entry = {.value = range_tree_value(&r.tree, key)};
    if (entry.value != value_at(&r.now, key) && entry.value != value_at(&r.next, key)) {
        fail_reader("value", key, &entry);
    }
    const struct range_entry *kept = entry_next(&r.now, key);
    while (kept != NULL && !is_kept(kept)) {
        kept = kept + 1 < r.now.entries + r.now.count ? kept + 1 : NULL;
    }
    bool there = range_tree_next(&r.tree, key, &entry);
    if (there ? !is_known(&entry) || entry.last < key || (kept != NULL && entry.first > kept->first)
              : kept != NULL) {
        fail_reader("next", key, &entry);
    }
    kept = entry_prev(&r.now, key);
    while (kept != NULL && !is_kept(kept)) {
        kept = kept > r.now.entries ? kept - 1 : NULL;
    }
    there = range_tree_prev(&r.tree, key, &entry);
    if (there
            ? !is_known(&entry) || entry.first > key || (kept != NULL && entry.first < kept->first)
            : kept != NULL) {
        fail_reader("prev", key, &entry);
    }
}

static void check_readers_near(const struct ranges *ranges)
{
    uint64_t from = ranges_find(ranges, r.first);
    uint64_t end = from + NEAR < ranges->count ? from + NEAR : ranges->count;
    for (uint64_t i = from > NEAR ? from - NEAR : 0; i < end; i++) {
        check_reader(ranges->entries[i].first);
        check_reader(ranges->entries[i].last);
        check_reader(ranges->entries[i].last + 1);
    }
}

/* Before and after each word that readers see is written. */
static void on_step(void *context)
{
    (void)context;
    if (!r.writing) {
        return;
    }
    check_reader(r.first - 1);
    check_reader(r.last + 1);
    check_readers_near(&r.now);
    check_readers_near(&r.next);
    if (r.storing != 0 && (range_tree_value(&r.tree, r.first) == r.storing) !=
                              (range_tree_value(&r.tree, r.last) == r.storing)) {
        fail(&t, "range-reader", "%llu is stored at one of %#llx and %#llx only", (ull)r.storing,
             (ull)r.first, (ull)r.last);
    }
}

/* A reader in section @number finds a value that @key had at some time since it began. */
static void check_section_key(unsigned number, uint64_t key)
{
    uint64_t value = r.tree.find->value(r.sections[number].root, key);
    bool was = value_at(&r.sections[number].then, key) == value;
    for (uint64_t i = r.sections[number].changes; i < r.changes.count && !was; i++) {
        const struct range_entry *change = &r.changes.entries[i];
        was = change->first <= key && key <= change->last && change->value == value;
    }
    if (!was) {
        fail(&t, "range-snapshot", "a reader finds %llu at %#llx, which was never there",
             (ull)value, (ull)key);
    }
}

static void check_section(unsigned number)
{
    const struct ranges *then = &r.sections[number].then;
    if (r.sections[number].section == NULL || r.sections[number].root == 0) {
        return;
    }
    check_section_key(number, r.first);
    check_section_key(number, r.last + 1);
    for (uint64_t i = 0; i < then->count; i += then->count / 256 + 1) {
        check_section_key(number, then->entries[i].first);
        check_section_key(number, then->entries[i].last);
    }
}

static void *node_take(void *context)
{
    void *node = NULL;
    struct test *test = context;
    return kmem_cache_alloc(&test->potad, r.nodes, &node) == STATUS_OK ? node : NULL;
}

static void node_give_back(void *context, void *node)
{
    struct test *test = context;
    kmem_cache_free(&test->potad, r.nodes, node);
}

static void check_tree(struct test *test)
{
    struct violation violation;
    if (!r.open) {
        return;
    }
    if (!range_tree_validate(&r.tree, &violation)) {
        fail(test, invariant_name(violation.invariant), "key %#llx: %#llx, expected %#llx",
             (ull)violation.pfn, (ull)violation.actual, (ull)violation.expected);
    }
    check_all_ranges();
}

static void open_ranges(struct test *test, int expected)
{
    struct before before = remember(test);
    r.source = (struct range_source){test, node_take, node_give_back, on_step};
    enum status status = kmem_cache_create_site(&test->potad, "nodes", RANGE_NODE_BYTES,
                                                RANGE_NODE_BYTES, FAULT_RANGE_NODE, &r.nodes);
    answer(test, status, expected, "status");
    r.open = status == STATUS_OK;
    r.now.count = 0;
    r.prepared = 0;
    test->check_ranges = check_tree;
    if (r.open) {
        epoch_init(&r.epoch);
        range_tree_init(&r.tree, &r.epoch, &r.source);
    } else {
        check_unchanged(test, &before);
        done(test);
    }
    settle(test);
}

/* An operation on the keys from @first to @last begins, which makes r.next of r.now. */
static void write_begin(uint64_t first, uint64_t last, uint64_t storing)
{
    ranges_copy(&r.next, &r.now);
    r.first = first;
    r.last = last;
    r.storing = storing;
    r.objects = r.nodes->live;
}

static void write_end(struct test *test, enum status status, int expected, uint64_t value)
{
    r.writing = false;
    test->freeing = false;
    answer(test, status, expected, r.prepared > 0 ? "range-prepared" : "spurious-failure");
    if (status == STATUS_OK) {
        struct ranges before = r.now;
        r.now = r.next;
        r.next = before;
        ranges_reserve(&r.changes, r.changes.count + 1);
        r.changes.entries[r.changes.count++] = (struct range_entry){r.first, r.last, value};
    }
    settle(test);
    if (status == STATUS_NO_MEMORY) {
        if (r.nodes->live != r.objects) {
            fail(test, "failure-state", "%llu nodes are in use; before, %llu were",
                 (ull)r.nodes->live, (ull)r.objects);
        }
        check_all_ranges();
    }
    check_key(r.first);
    check_key(r.last);
    check_key(r.last + 1);
    for (unsigned i = 0; i < SECTIONS; i++) {
        check_section(i);
    }
    done(test);
}

/* A call that prepared stores are for was made. */
static void store_end(struct test *test, enum status status, int expected, uint64_t value)
{
    write_end(test, status, expected, value);
    r.prepared -= status == STATUS_OK && r.prepared > 0 ? 1 : 0;
}

/* Stores @value for the keys from @first to @last; with @only_empty, where none has one. */
static void store_as(struct test *test, uint64_t first, uint64_t last, uint64_t value,
                     bool only_empty, int expected)
{
    const struct range_entry *there = entry_next(&r.now, first);
    bool refused = first > last || (only_empty && there != NULL && there->first <= last);
    write_begin(first, last, refused ? 0 : value);
    if (!refused) {
        ranges_set(&r.next, first, last, value);
    }
    r.writing = true;
    enum status status = only_empty ? range_tree_store_empty(&r.tree, first, last, value)
                                    : range_tree_store(&r.tree, first, last, value);
    store_end(test, status, expected, value);
}

static void store(struct test *test, uint64_t first, uint64_t last, uint64_t value, int expected)
{
    store_as(test, first, last, value, false, expected);
}

static void store_empty(struct test *test, uint64_t first, uint64_t last, uint64_t value,
                        int expected)
{
    store_as(test, first, last, value, true, expected);
}

static void clear(struct test *test, uint64_t first, uint64_t last, int expected)
{
    const struct range_entry *left = entry_at(&r.now, first);
    const struct range_entry *right = entry_at(&r.now, last);
    bool cuts = first <= last &&
                ((left != NULL && left->first < first) || (right != NULL && right->last > last));
    write_begin(first, last, 0);
    if (first <= last) {
        ranges_set(&r.next, first, last, 0);
    }
    r.writing = true;
    test->freeing = !cuts; /* whole ranges are erased: that needs no memory */
    enum status status = range_tree_clear(&r.tree, first, last);
    store_end(test, status, expected, 0);
}

static void erase(struct test *test, uint64_t key)
{
    const struct range_entry *there = entry_at(&r.now, key);
    struct range_entry expected = there == NULL ? (struct range_entry){key, key, 0} : *there;
    struct range_entry erased = expected;
    write_begin(expected.first, expected.last, 0);
    ranges_set(&r.next, expected.first, expected.last, 0);
    r.writing = true;
    test->freeing = true;
    bool was = range_tree_erase(&r.tree, key, &erased);
    if (was != (expected.value != 0) || !same(&erased, &expected)) {
        fail(test, "range-lookup", "erase %#llx: %#llx to %#llx had %llu", (ull)key,
             (ull)erased.first, (ull)erased.last, (ull)erased.value);
    }
    write_end(test, STATUS_OK, STATUS_OK, 0);
}

static void load(struct test *test, uint64_t key)
{
    check_key(key);
    check_key(key - 1);
    check_key(key + 1);
    done(test);
}

/* @right: the first key of the gap that is to be found. */
static void gap(struct test *test, struct range_gap_request request, uint64_t right, int expected)
{
    uint64_t found = 0;
    enum status status = range_tree_gap(&r.tree, &request, &found);
    if ((int)status != expected || found != right) {
        fail(test, "gap-search", "answers %d, %#llx; expected %d, %#llx", (int)status, (ull)found,
             expected, (ull)right);
    }
    done(test);
}

static void prepare(struct test *test, uint64_t stores, int expected)
{
    uint64_t prepared = r.prepared;
    write_begin(0, 0, 0);
    r.writing = true;
    enum status status = range_tree_prepare(&r.tree, stores);
    r.prepared = 0;
    write_end(test, status, expected, value_at(&r.now, 0));
    r.prepared = status == STATUS_OK ? stores : prepared;
}

/* The next entry of a build. */
static struct ranges entries_to_come;
static void entry(uint64_t first, uint64_t last, uint64_t value)
{
    ranges_reserve(&entries_to_come, entries_to_come.count + 1);
    entries_to_come.entries[entries_to_come.count++] = (struct range_entry){first, last, value};
}

static void build(struct test *test, int expected)
{
    uint64_t count = entries_to_come.count;
    ranges_reserve(&entries_to_come, 1);
    write_begin(0, UINT64_MAX, 0);
    if (r.now.count == 0) {
        ranges_copy(&r.next, &entries_to_come);
    }
    r.writing = expected == STATUS_OK || expected == STATUS_NO_MEMORY;
    enum status status = range_tree_build(&r.tree, entries_to_come.entries, count);
    write_end(test, status, expected, 0);
    for (uint64_t i = 0; i < count && status == STATUS_OK; i++) {
        ranges_reserve(&r.changes, r.changes.count + 1);
        r.changes.entries[r.changes.count++] = entries_to_come.entries[i];
    }
    entries_to_come.count = 0;
}

static void enter(struct test *test, unsigned number)
{
    r.sections[number].section = epoch_enter(&r.epoch, 0);
    r.sections[number].root = atomic_word_acquire(&r.tree.root);
    r.sections[number].changes = r.changes.count;
    ranges_copy(&r.sections[number].then, &r.now);
    done(test);
}

static void leave(struct test *test, unsigned number)
{
    if (r.sections[number].section != NULL) {
        check_section(number);
        epoch_exit(r.sections[number].section);
        r.sections[number].section = NULL;
    }
    done(test);
}

static void close_ranges(struct test *test)
{
    if (!r.open) {
        return;
    }
    for (unsigned i = 0; i < SECTIONS; i++) {
        leave(test, i);
    }
    clear(test, 0, UINT64_MAX, STATUS_OK);
    test->freeing = true;
    range_tree_destroy(&r.tree);
    answer(test, kmem_cache_destroy(&test->potad, r.nodes), STATUS_OK, "status");
    test->freeing = false;
    r.open = false;
    settle(test);
}

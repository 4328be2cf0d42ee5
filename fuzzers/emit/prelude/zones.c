/* SPDX-License-Identifier: MIT */
/* Zones that come and go. */

/* The ranges of @zone in the map. Return: how many there are from *@first on. */
static uint32_t zone_ranges(const struct test *test, zone_id_t zone, const struct range **first)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < test->map->ranges_count; i++) {
        const struct range *range = &test->map->ranges[i];
        if (range->zone == zone) {
            *first = count == 0 ? range : *first;
            count++;
        }
    }
    return count;
}

static void set_zone(struct test *test, zone_id_t zone, bool there)
{
    const struct range *ranges = NULL;
    uint32_t count = zone_ranges(test, zone, &ranges);
    test->zones ^= 1U << zone;
    for (uint32_t i = 0; i < count; i++) {
        for (pfn_t at = ranges[i].start; at < ranges[i].start + ranges[i].frames; at++) {
            struct frame *frame = frame_at(test, at);
            frame->use = there ? FREE : HOLE;
            frame->failed = false;
            frame->kind = ranges[i].unaccepted ? UNACCEPTED : (ranges[i].cma ? CMA : ACCEPTED);
        }
    }
}

static void remove_zone(struct test *test, zone_id_t zone, int expected)
{
    const struct range *ranges = NULL;
    struct before before = remember(test);
    test->freeing = true;
    enum status status = potad_zone_remove(&test->potad, zone);
    test->freeing = false;
    answer(test, status, expected, "status");
    if (status == STATUS_OK) {
        set_zone(test, zone, false);
    }
    settle(test);
    if (status != STATUS_OK) {
        check_unchanged(test, &before);
    } else if (zone_ranges(test, zone, &ranges) > 0) {
        check_lookup(test, ranges[0].start);
    }
    done(test);
}

static void add_zone(struct test *test, zone_id_t zone, int expected)
{
    const struct range *ranges = NULL;
    uint32_t count = zone_ranges(test, zone, &ranges);
    struct before before = remember(test);
    enum status status = potad_zone_add(&test->potad, zone, &test->map->zones[zone], ranges, count);
    answer(test, status, expected, "spurious-failure");
    if (status == STATUS_OK) {
        set_zone(test, zone, true);
    }
    settle(test);
    if (status != STATUS_OK) {
        check_unchanged(test, &before);
    } else {
        check_lookup(test, ranges[0].start);
    }
    done(test);
    if (status == STATUS_OK && expected == REFUSED) {
        remove_zone(test, zone, STATUS_OK);
    }
}

static void remove_zones(struct test *test)
{
    for (zone_id_t zone = 0; zone < test->map->zones_count; zone++) {
        if ((test->zones >> zone & 1) != 0 && test->map->zones[zone].later) {
            remove_zone(test, zone, STATUS_OK);
        }
    }
}

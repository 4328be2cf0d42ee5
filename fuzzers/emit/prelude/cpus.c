/* SPDX-License-Identifier: MIT */
/* CPUs, and what they keep: to everybody who wants memory it is free; only the core's own counts
 * and lookups have it in use. */
struct kept {
    const struct buddy *block;
    struct cpu_kind kind;
};

static struct kept kept_blocks[FRAMES];
static unsigned kept_count;

static uint32_t cpu_enter(void *context)
{
    return ((const struct test *)context)->cpu;
}

static void list_kept(struct test *test)
{
    kept_count = 0;
    for (unsigned keeper = 0; keeper < CPU_KEEPERS; keeper++) {
        const struct cpu_list *lists = cpu_keeper_lists(&test->potad, keeper);
        for (unsigned i = 0; lists != NULL && i < CPU_LISTS; i++) {
            for (uint32_t k = 0; k < lists[i].count && kept_count < FRAMES; k++) {
                kept_blocks[kept_count++] = (struct kept){lists[i].blocks[k], cpu_kind_of(i)};
            }
        }
    }
}

static void mark_kept(struct test *test, bool mark)
{
    if (mark) {
        list_kept(test);
    }
    for (unsigned i = 0; i < kept_count; i++) {
        pfn_t pfn = kept_blocks[i].block->pfn;
        uint64_t frames = order_frames(kept_blocks[i].kind.order);
        const struct frame *first = frame_at(test, pfn);
        if (mark && (first->use != FREE || first->zone != kept_blocks[i].kind.zone ||
                     first->kind == UNACCEPTED ||
                     (first->kind == CMA && kept_blocks[i].kind.type != MIGRATE_MOVABLE) ||
                     frames_alike(test, pfn, pfn + frames) < frames)) {
            fail(test, "overlap", "a CPU keeps a block that is not free: %#llx, order %u", (ull)pfn,
                 kept_blocks[i].kind.order);
        }
        for (uint64_t at = 0; at < frames; at++) {
            frame_at(test, pfn + at)->use = mark ? KEPT : FREE;
            frame_at(test, pfn + at)->owner =
                mark ? (uint32_t)kept_blocks[i].kind.type * 2 + (at == 0 ? 1 : 0) : 0;
        }
    }
}

static void check_kept(struct test *test, pfn_t pfn, const struct memdesc_info *info)
{
    for (unsigned i = 0; i < kept_count; i++) {
        uint64_t frames = order_frames(kept_blocks[i].kind.order);
        if (pfn - kept_blocks[i].block->pfn < frames &&
            (info->type != MEMDESC_BUDDY_ALLOCATED || info->pfn != kept_blocks[i].block->pfn ||
             info->frames != frames || info->zone != kept_blocks[i].kind.zone ||
             info->migratetype != kept_blocks[i].kind.type || info->unaccepted || info->flawed)) {
            fail_lookup(test, pfn, info, "the block around it that a CPU keeps");
        }
    }
}

static bool cpus_keep(struct test *test)
{
    uint64_t spare = 0;
    list_kept(test);
    for (zone_id_t zone = 0; zone < ZONES_MAX; zone++) {
        spare += test->potad.zones[zone].spare.count;
    }
    list_for_each (link, &test->potad.caches) {
        spare += cpu_objects_count(&test->potad, list_item(link, struct kmem_cache, caches));
    }
    return kept_count + spare > 0;
}

/* Context: before boot(). */
static void use_cpus(struct test *test)
{
    test->port.cpu_enter = cpu_enter;
}

/* Context: behind boot(). */
static void watch_cpus(struct test *test)
{
    test->keeps = cpus_keep;
    test->mark_kept = mark_kept;
    test->check_kept = check_kept;
}

/* Goes to CPU @cpu; CPUS_MAX: to none. */
static void on_cpu(struct test *test, uint32_t cpu)
{
    test->cpu = cpu;
}

static void cpu_offline(struct test *test, uint32_t cpu, int expected)
{
    struct before before = remember(test);
    test->freeing = true;
    enum status status = potad_cpu_offline(&test->potad, cpu);
    test->freeing = false;
    answer(test, status, expected, "status");
    settle(test);
    if (status != STATUS_OK) {
        check_unchanged(test, &before);
    }
    done(test);
}

static void cpu_online(struct test *test, uint32_t cpu, int expected)
{
    struct before before = remember(test);
    enum status status = potad_cpu_online(&test->potad, cpu);
    answer(test, status, expected, "spurious-failure");
    settle(test);
    if (status != STATUS_OK) {
        check_unchanged(test, &before);
    }
    done(test);
    if (status == STATUS_OK && expected == REFUSED) {
        cpu_offline(test, cpu, STATUS_OK);
    }
}

static void end_cpus(struct test *test)
{
    on_cpu(test, CPUS_MAX);
    for (uint32_t cpu = 0; cpu < CPUS_MAX; cpu++) {
        if (atomic_word_peek(&test->potad.cpus[cpu]) != 0) {
            cpu_offline(test, cpu, STATUS_OK);
        }
    }
}

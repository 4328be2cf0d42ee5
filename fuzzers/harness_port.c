/* SPDX-License-Identifier: MIT
 *
 * harness_port.c: what the subject asks of its surroundings, checked against the model on the way.
 */
#include "fuzzers/harness_internal.h"

static void check_may_allocate(struct harness *harness, const char *what)
{
    if (harness->freeing) {
        harness_fail(harness, CHECK_FREE_ALLOCATES, "a free asks for %s", what);
    }
}

/* How many frames from @pfn on, before @end, can be dealt with as one. */
static uint64_t frames_alike(const struct model *model, pfn_t pfn, pfn_t end)
{
    uint64_t alike = model_alike(model, pfn);
    return alike < end - pfn ? alike : end - pfn;
}

static void port_expose(void *context, pfn_t pfn, uint64_t frames, bool zeroed)
{
    struct harness *harness = context;
    struct model *model = &harness->model;
    check_may_allocate(harness, "metadata frames");
    if (!harness->opened) {
        harness->boot_metadata_start = pfn;
    }
    for (pfn_t at = pfn; at < pfn + frames;) {
        if (model_use(model, at) != USE_FREE) {
            harness_fail(harness, CHECK_METADATA_HOME, "metadata in frame %#llx, not free",
                         (unsigned long long)at);
            break;
        }
        uint8_t kind = model_frame_kind(model, at);
        if (model_kind_class(kind) != FRAME_ACCEPTED ||
            !zone_holds_metadata(&model->map.zones[model_kind_zone(kind)])) {
            harness_fail(harness, CHECK_METADATA_HOME, "metadata in frame %#llx of zone %u%s",
                         (unsigned long long)at, model_kind_zone(kind),
                         model_kind_unaccepted(kind)           ? ", unaccepted"
                         : model_kind_class(kind) == FRAME_CMA ? ", cma"
                                                               : "");
        }
        uint64_t alike = frames_alike(model, at, pfn + frames);
        model_expose(model, at, alike);
        at += alike;
    }
    harness->exposed += frames;
    simmem_expose(&harness->mem, pfn, frames, zeroed);
}

static void port_conceal(void *context, pfn_t pfn, uint64_t frames)
{
    struct harness *harness = context;
    for (pfn_t at = pfn; at < pfn + frames;) {
        if (model_use(&harness->model, at) != USE_METADATA) {
            harness_fail(harness, CHECK_METADATA_HOME, "frame %#llx given back, not metadata",
                         (unsigned long long)at);
            return;
        }
        uint64_t alike = frames_alike(&harness->model, at, pfn + frames);
        model_conceal(&harness->model, at, alike);
        at += alike;
    }
    simmem_conceal(&harness->mem, pfn, frames);
}

static bool port_accept(void *context, pfn_t pfn, uint64_t frames)
{
    struct harness *harness = context;
    struct model *model = &harness->model;
    check_may_allocate(harness, "acceptance");
    for (pfn_t at = pfn; at < pfn + frames;) {
        if (model_use(model, at) != USE_FREE ||
            !model_kind_unaccepted(model_frame_kind(model, at))) {
            harness_fail(harness, CHECK_ACCEPT, "frame %#llx accepted, not free and unaccepted",
                         (unsigned long long)at);
            return false;
        }
        uint64_t alike = frames_alike(model, at, pfn + frames);
        model_accept(model, at, alike);
        at += alike;
    }
    return true;
}

static bool port_fault(void *context, enum fault_site site)
{
    struct harness *harness = context;
    check_may_allocate(harness, fault_site_name(site));
    return fault_step(&harness->fault, site);
}

static uint32_t port_cpu_enter(void *context)
{
    const struct harness *harness = context;
    return harness->cpus.current;
}

void harness_port_init(struct harness *harness)
{
    harness->port = (struct port){
        .context = harness,
        .direct_map = simmem_direct_map(&harness->mem),
        .expose = port_expose,
        .conceal = port_conceal,
        .accept = port_accept,
        .fault = port_fault,
        .cpu_enter = harness->cpus.count == 0 ? NULL : port_cpu_enter,
    };
}

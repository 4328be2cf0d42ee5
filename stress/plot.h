/* SPDX-License-Identifier: MIT
 *
 * plot.h: memory of the map that comes and goes while threads work, as a zone of some number and
 * class, each time another one. In the shadow table, its frames are COOKIE_ABSENT from when the
 * subject has removed them until just before it gets them again: a block of memory that is not
 * there is an overlap.
 *
 *               zone_add()                           zone_remove()
 *     ABSENT ─── MOVING ──────────► THERE ──────────── MOVING ─────► ABSENT
 *       ▲           │ no memory       ▲                   │ busy
 *       └───────────┘                 └───────────────────┘ all threads free what they have there
 */
#ifndef POTAD_STRESS_PLOT_H
#define POTAD_STRESS_PLOT_H

#include "stress/worker.h"

/* Adds or removes @plot, if nobody else is just doing that. */
void plot_turn(struct worker *worker, struct plot *plot);

/* Whether the threads are asked to leave @plot, so that it can be removed. */
static inline bool plot_is_leaving(const struct plot *plot)
{
    return relaxed_load(&plot->leaving) != 0;
}

/* Removes all plots, adds each once more, and removes it again: now nothing can be in the way.
 * Context: the coordinator, all threads parked, and nothing is allocated. */
void plots_end(struct worker *coordinator);

#endif

/* SPDX-License-Identifier: MIT
 *
 * command_explore.h: the commands of potad-stress that explore schedules.
 */
#ifndef POTAD_STRESS_COMMAND_EXPLORE_H
#define POTAD_STRESS_COMMAND_EXPLORE_H

#include "stress/options.h"
#include "stress/run.h"

enum result command_explore(const struct options *options);
enum result command_replay(const struct options *options);

#endif

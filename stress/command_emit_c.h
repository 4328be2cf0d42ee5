/* SPDX-License-Identifier: MIT
 *
 * command_emit_c.h: potad-stress emit-c.
 */
#ifndef POTAD_STRESS_COMMAND_EMIT_C_H
#define POTAD_STRESS_COMMAND_EMIT_C_H

#include "stress/options.h"
#include "stress/run.h"

enum result command_emit_c(const struct options *options);

#endif

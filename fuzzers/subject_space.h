/* SPDX-License-Identifier: MIT
 *
 * subject_space.h: spaces over the allocator of core/.
 */
#ifndef POTAD_FUZZERS_SUBJECT_SPACE_H
#define POTAD_FUZZERS_SUBJECT_SPACE_H

#include "fuzzers/subject.h"

extern const struct subject_space_ops subject_core_spaces;

#endif

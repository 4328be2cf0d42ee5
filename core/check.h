/* SPDX-License-Identifier: MIT
 *
 * check.h: assertions, for bugs only; exhaustion and bad arguments are status codes. Always on:
 * an allocator under test that hides its own confusion is of no use.
 */
#ifndef POTAD_CORE_CHECK_H
#define POTAD_CORE_CHECK_H

#include "core/port.h"

#define ASSERT(condition)                                                                          \
    do {                                                                                           \
        if (UNLIKELY(!(condition))) {                                                              \
            port_assert_failed(#condition, __FILE__, __LINE__);                                    \
        }                                                                                          \
    } while (0)

#endif

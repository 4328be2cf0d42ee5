/* SPDX-License-Identifier: MIT
 *
 * bench_page_untraced.c: instead of the library of bench_page_traced.c, where there can be none.
 */
#include "stress/bench_page.h"

const struct bench_page_traced *bench_page_traced(void)
{
    return NULL;
}

/* SPDX-License-Identifier: MIT
 *
 * crash.h: last words. A broken assertion of the subject, or its touch of memory that it did not
 * expose, ends the process by a signal: what ran, where it stood, and the line that repeats it are
 * printed first.
 */
#ifndef POTAD_STRESS_CRASH_H
#define POTAD_STRESS_CRASH_H

/* From here on, a fatal signal prints @replay (which stays) and a stack of addresses, and ends the
 * process with RESULT_VIOLATION, or as AddressSanitizer ends it, with its report. */
void crash_install(const char *replay);

/* Ends the process at once, whatever state it is in. */
_Noreturn void crash_exit(int status);

#endif

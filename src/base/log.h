/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a program has to say: one line per event, to standard error, without any prefix (the
 * supervisor that collects the lines knows the time and the program).
 *
 * Only programs (src/server and main) log. Libraries return errors, count, or call back.
 * Any thread: a line is one write(2), so lines do not mix.
 */
#ifndef LARDER_BASE_LOG_H
#define LARDER_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

enum base_log_level {
    BASE_LOG_ERROR,  /* what was tried, what failed, what to do */
    BASE_LOG_NOTICE, /* what an operator wants to know once (-v) */
    BASE_LOG_DEBUG,  /* every request and answer (-vv) */
    BASE_LOG_TRACE,  /* every step (-vvv) */
};

enum { BASE_LOG_LINE_MAX = 2048 }; /* bytes with the newline; the rest is cut off */

/*
 * An event that may repeat without end. Initialise `per_s` alone; the owner serialises its use.
 */
struct base_log_limit {
    uint32_t per_s; /* lines per second that are let through */
    uint32_t passed_count;
    uint64_t second;
    uint64_t suppressed_count; /* since the last line that was let through */
};

/* Levels up to this one are written. Once, before there are threads; BASE_LOG_ERROR until then. */
void base_log_set_level(enum base_log_level level);
/* Ask before an argument that is dear to make. */
bool base_log_is_on(enum base_log_level level);

/* Writes the event; a newline is added. Never fails: what cannot be written is lost. */
BASE_PRINTF(2, 3) void base_log(enum base_log_level level, const char *format, ...);

/*
 * The same, at most limit->per_s times a second. The first line after a silence ends in
 * " (suppressed K more)".
 */
BASE_PRINTF(3, 4)
void base_log_limited(struct base_log_limit *limit, enum base_log_level level, const char *format,
                      ...);

/*
 * The decision alone: may an event of this second pass? *ret_suppressed is how many did not since
 * the last that did; it is written when the answer is true.
 */
bool base_log_limit_pass(struct base_log_limit *limit, uint64_t second, uint64_t *ret_suppressed);

#endif

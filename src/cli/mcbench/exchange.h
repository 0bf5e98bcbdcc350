/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bytes for people: what was asked and what was answered, in hexadecimal and text.
 *
 * Pure; any thread.
 */
#ifndef LARDER_MCBENCH_EXCHANGE_H
#define LARDER_MCBENCH_EXCHANGE_H

#include <stddef.h>

#include "base/slice.h"

enum {
    BENCH_EXCHANGE_LINE_SIZE = 16,   /* bytes shown per line */
    BENCH_EXCHANGE_SHOWN_SIZE = 256, /* bytes shown at most */
};

/*
 * Appends "TITLE, N bytes:" and a line per 16 of the first bytes to the text of *used bytes in `out`, as much as `room` (bytes, with the NUL)
 * takes; *used grows. There always is a NUL.
 */
void bench_exchange_write(const char *title, struct base_slice bytes, char *out, size_t room,
                          size_t *used);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The line on a terminal that says how far a run is. Where standard error is no terminal there is none.
 *
 * One thread.
 */
#ifndef LARDER_MCBENCH_PROGRESS_H
#define LARDER_MCBENCH_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BENCH_PROGRESS_LINE_MAX = 128 }; /* bytes, the NUL included */

struct bench_progress {
    bool is_shown; /* there is a terminal, and it is wanted */
    bool has_line; /* one is standing there */
};

/* A moment of a run. length_s: how long it is to take; 0 while keys are stored, of which there are `expected`. */
struct bench_progress_state {
    double elapsed_s, length_s;
    uint64_t answered, expected;
    double answered_per_s;
    uint64_t p99_ns; /* 0: not known yet */
};

void bench_progress_init(struct bench_progress *progress, bool is_wanted);
/* Replaces the line. */
void bench_progress_show(struct bench_progress *progress, const struct bench_progress_state *state);
/* Removes it: something else is about to be written. */
void bench_progress_clear(struct bench_progress *progress);

/* The words of the line, without a newline. Pure. Returns `out`. */
const char *bench_progress_write(const struct bench_progress_state *state,
                                 char out[static BENCH_PROGRESS_LINE_MAX]);

#endif

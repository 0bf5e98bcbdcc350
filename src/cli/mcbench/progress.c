/* SPDX-License-Identifier: BSD-3-Clause */
/* How far a run is: see progress.h. */
#include "cli/mcbench/progress.h"

#include <stdio.h>
#include <unistd.h>

static const double kilo = 1e3;

void bench_progress_init(struct bench_progress *progress, bool is_wanted)
{
    *progress = (struct bench_progress){.is_shown = is_wanted && isatty(STDERR_FILENO) == 1};
}

const char *bench_progress_write(const struct bench_progress_state *state,
                                 char out[static BENCH_PROGRESS_LINE_MAX])
{
    if (state->length_s <= 0) {
        (void)snprintf(out, BENCH_PROGRESS_LINE_MAX, "storing keys: %.0f of %.0f thousand",
                       (double)state->answered / kilo, (double)state->expected / kilo);
    } else if (state->p99_ns == 0) {
        (void)snprintf(out, BENCH_PROGRESS_LINE_MAX, "%.0f of %.0f s: %.1f thousand requests/s",
                       state->elapsed_s, state->length_s, state->answered_per_s / kilo);
    } else {
        (void)snprintf(out, BENCH_PROGRESS_LINE_MAX,
                       "%.0f of %.0f s: %.1f thousand requests/s, 99 %% within %.3f ms",
                       state->elapsed_s, state->length_s, state->answered_per_s / kilo,
                       (double)state->p99_ns / 1e6);
    }
    return out;
}

void bench_progress_show(struct bench_progress *progress, const struct bench_progress_state *state)
{
    char line[BENCH_PROGRESS_LINE_MAX];

    if (progress->is_shown) {
        /* Back to the start, the words, and nothing behind them. */
        (void)fprintf(stderr, "\r%s\x1b[K", bench_progress_write(state, line));
        (void)fflush(stderr);
        progress->has_line = true;
    }
}

void bench_progress_clear(struct bench_progress *progress)
{
    if (progress->has_line) {
        (void)fputs("\r\x1b[K", stderr);
        (void)fflush(stderr);
        progress->has_line = false;
    }
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writes a log of latency histograms, for the test that has another program read it (test_mcbench_figures.py).
 *
 * hist-log LOG: numbers on standard input, one per line, an empty line after each histogram. What mcbench itself makes of them
 * goes to standard output, a line each: tag, count, minimum, maximum, mean, and the percentiles that the test asks for.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/mcbench/hist.h"

static int write_one(FILE *log, const struct bench_hist *hist, unsigned index)
{
    static const double percentiles[] = {10, 50, 75, 90, 99, 99.9, 99.99, 100};
    char tag[16];

    (void)snprintf(tag, sizeof tag, "h%u", index);
    (void)printf("%s %" PRIu64 " %" PRIu64 " %" PRIu64 " %.17g", tag, bench_hist_count(hist),
                 bench_hist_min(hist), bench_hist_max(hist), bench_hist_mean(hist));
    for (size_t i = 0; i < sizeof percentiles / sizeof percentiles[0]; i++) {
        (void)printf(" %" PRIu64, bench_hist_percentile(hist, percentiles[i]));
    }
    (void)printf("\n");
    return bench_hist_log_write(log, hist, tag, 1700000000.25 + index, 0.5);
}

int main(int argc, char **argv)
{
    struct bench_hist *hist = bench_hist_create();
    FILE *log = argc == 2 ? fopen(argv[1], "we") : NULL;
    unsigned index = 0;
    char line[64];
    int status = 1;

    if (hist == NULL || log == NULL || bench_hist_log_begin(log, 1700000000.25) != 0) {
        goto done;
    }
    while (fgets(line, sizeof line, stdin) != NULL) {
        if (line[0] != '\n') {
            bench_hist_record(hist, strtoull(line, NULL, 10));
            continue;
        }
        if (write_one(log, hist, index++) != 0) {
            goto done;
        }
        bench_hist_reset(hist);
    }
    status = 0;
done:
    if (log != NULL && fclose(log) != 0) {
        status = 1;
    }
    bench_hist_destroy(&hist);
    return status;
}

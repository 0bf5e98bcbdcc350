/* SPDX-License-Identifier: BSD-3-Clause */
/* The files of a run: see run_output.h. */
#include "cli/mcbench/run_output.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/mcbench/report.h"

enum { PATH_SIZE = 4096 };

static const double second_ns = 1e9;

/* ---- JSON ---- */

bool bench_run_output_json(const char *path, const struct bench_plan *plan,
                           const struct bench_result *result)
{
    json_t *document = bench_report_run(plan, result);
    FILE *file = strcmp(path, "-") == 0 ? stdout : fopen(path, "we");
    bool is_written = false;

    if (file != NULL && document != NULL) {
        is_written = json_dumpf(document, file, JSON_INDENT(1)) == 0 && fputc('\n', file) != EOF &&
                     fflush(file) == 0;
    }
    if (!is_written) {
        (void)fprintf(stderr, "mcbench run: cannot write %s: %s\n", path, strerrordesc_np(errno));
    }
    if (file != NULL && file != stdout && fclose(file) != 0) {
        is_written = false;
    }
    json_decref(document);
    return is_written;
}

/* ---- HdrHistogram logs ---- */

static bool write_hist(const char *prefix, const char *name, const struct bench_hist *hist,
                       double length_s)
{
    const double start_s = (double)base_clock_real_s() - length_s;
    char path[PATH_SIZE];
    FILE *file = NULL;
    int status;

    if (hist == NULL) {
        return true;
    }
    errno = ENAMETOOLONG;
    if ((size_t)snprintf(path, sizeof(path), "%s.%s.hlog", prefix, name) < sizeof(path)) {
        file = fopen(path, "we");
    }
    if (file == NULL) {
        (void)fprintf(stderr, "mcbench run: cannot write %s: %s\n", path, strerrordesc_np(errno));
        return false;
    }
    status = bench_hist_log_begin(file, start_s);
    if (status == 0) {
        status = bench_hist_log_write(file, hist, NULL, start_s, length_s);
    }
    if (fclose(file) != 0 && status == 0) {
        status = -errno;
    }
    if (status != 0) {
        (void)fprintf(stderr, "mcbench run: cannot write %s: %s\n", path, strerrordesc_np(-status));
    }
    return status == 0;
}

bool bench_run_output_hist(const char *prefix, const struct bench_result *result)
{
    const double length_s = (double)result->wall_ns / second_ns;

    return write_hist(prefix, "service", result->service, length_s) &&
           write_hist(prefix, "intended", result->intended, length_s) &&
           write_hist(prefix, "probe", result->probe, length_s);
}

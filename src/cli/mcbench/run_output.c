/* SPDX-License-Identifier: BSD-3-Clause */
/* The files of a run: see run_output.h. */
#include "cli/mcbench/run_output.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/mcbench/report.h"
#include "cli/mcbench/results.h"

enum { PATH_SIZE = 4096 };

static const double second_ns = 1e9;

/* ---- JSON ---- */

static json_t *create_results(const struct bench_plan *plan, const struct bench_result *result)
{
    json_t *results = bench_results_create();
    int failed;

    if (results == NULL) {
        return NULL;
    }
    failed = json_object_set_new(results, "servers",
                                 json_pack("[{s:s, s:s, s:s, s:b}]", "name", "run", "version", "",
                                           "command", "", "is_limit", 0));
    failed |= json_object_set_new(results, "workloads",
                                  json_pack("[{s:s, s:s, s:o}]", "name", "run", "title", "run",
                                            "work", bench_report_work(&plan->work)));
    failed |= json_object_set_new(results, "rounds",
                                  json_pack("[{s:i, s:s, s:s, s:o}]", "round", 0, "workload", "run",
                                            "server", "run", "result",
                                            bench_report_result(plan, result)));
    if (failed != 0) {
        json_decref(results);
        return NULL;
    }
    return results;
}

bool bench_run_output_json(const char *path, const struct bench_plan *plan,
                           const struct bench_result *result)
{
    json_t *results = create_results(plan, result);
    char complaint[BENCH_RESULTS_ERROR_MAX] = "no memory";
    bool is_written = false;

    if (results != NULL && strcmp(path, "-") == 0) {
        is_written = json_dumpf(results, stdout, JSON_INDENT(1)) == 0 && putchar('\n') != EOF &&
                     fflush(stdout) == 0;
        (void)snprintf(complaint, sizeof(complaint), "%s", strerrordesc_np(errno));
    } else if (results != NULL) {
        is_written = bench_results_save(path, results, complaint);
    }
    json_decref(results);
    if (!is_written) {
        (void)fprintf(stderr, "mcbench run: cannot write %s: %s\n", path, complaint);
    }
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

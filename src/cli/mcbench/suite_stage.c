/* SPDX-License-Identifier: BSD-3-Clause */
/* The suite's stages: servers that are up together, and rounds in which each has its turn. See suite.h. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "cli/mcbench/report.h"
#include "cli/mcbench/suite.h"

enum {
    STALL_S = 60,   /* of a server: a busy machine makes it void, not dead */
    PEAK_TRIES = 2, /* windows of a closed loop whose best is the peak */
};

static const uint64_t ms_ns = 1000000;
static const uint64_t s_ns = 1000000000;
static const double saturated_share = 0.95; /* of its CPUs' time */

/* ---- one measurement ---- */

/* Both signals are blocked: who pressed the key waits until the servers are stopped. */
bool bench_suite_is_interrupted(struct bench_suite *suite)
{
    sigset_t pending;

    if (sigpending(&pending) == 0 &&
        (sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1)) {
        suite->is_cut = true;
    }
    return suite->is_cut;
}

enum bench_suite_outcome bench_suite_run(struct bench_suite *suite,
                                         struct bench_suite_server *server, const char *workload,
                                         struct bench_plan *plan, struct bench_result *ret_result)
{
    char complaint[BENCH_SUITE_COMPLAINT_MAX];

    if (bench_suite_is_interrupted(suite)) {
        return BENCH_SUITE_CUT;
    }
    plan->stall_ns = STALL_S * s_ns;
    plan->work.trust_values = server->kind == BENCH_SUITE_EMPTY;
    if (server->kind == BENCH_SUITE_REDIS) {
        plan->work.protocol = BENCH_RESP;
    }
    if (bench_run(plan, ret_result, complaint) != 0) {
        bench_suite_fail(suite, server, workload, complaint);
        return BENCH_SUITE_FAILED;
    }
    if (ret_result->is_cut || bench_suite_is_interrupted(suite)) {
        suite->is_cut = true;
        bench_result_fini(ret_result);
        return BENCH_SUITE_CUT;
    }
    return BENCH_SUITE_FINE;
}

static struct bench_plan plan_of(const struct bench_suite *suite,
                                 const struct bench_suite_server *server,
                                 const struct bench_suite_row *row, uint32_t round)
{
    struct bench_plan plan = {
        .address = server->process.address,
        .work = row->workload.work,
        .warmup_ns = suite->settings.warmup_ms * ms_ns,
        .window_ns = suite->settings.window_ms * ms_ns,
        .server = server->process.pid,
        .cpu_count = row->cpus.load_count,
        .interruptible = true,
    };

    memcpy(plan.cpus, row->cpus.load, sizeof(plan.cpus));
    plan.work.seed = round + 1;
    return plan;
}

/* Which side had no time left. */
static const char *limit_of(const struct bench_suite_row *row, const struct bench_result *result)
{
    const double server_ns = (double)result->wall_ns * (double)row->cpus.server_count;

    if ((double)result->server.run_ns >= saturated_share * server_ns) {
        return "server";
    }
    return result->is_load_bound ? "generator" : "neither";
}

static bool record(struct bench_suite *suite, const struct bench_suite_server *server,
                   const struct bench_suite_row *row, uint32_t round, uint32_t tries,
                   const struct bench_plan *plan, const struct bench_result *result)
{
    json_t *entry =
        json_pack("{s:I, s:s, s:s, s:I, s:s, s:o}", "round", (json_int_t)round, "workload",
                  row->workload.name, "server", server->name, "tries", (json_int_t)tries,
                  "saturated", limit_of(row, result), "result", bench_report_result(plan, result));

    return json_array_append_new(json_object_get(suite->results, "rounds"), entry) == 0;
}

/* A void measurement is repeated; the last one stands, void or not. */
static void measure(struct bench_suite *suite, struct bench_suite_server *server,
                    const struct bench_suite_row *row, uint32_t round)
{
    struct bench_plan plan = plan_of(suite, server, row, round);
    struct bench_result result;

    for (uint32_t tries = 1;; tries++) {
        if (bench_suite_run(suite, server, row->workload.name, &plan, &result) !=
            BENCH_SUITE_FINE) {
            return;
        }
        if (result.is_void && tries < suite->settings.tries) {
            suite->repeated_count++;
            bench_result_fini(&result);
            continue;
        }
        suite->void_count += result.is_void ? 1 : 0;
        CHECK(record(suite, server, row, round, tries, &plan, &result));
        bench_result_fini(&result);
        return;
    }
}

/* ---- open loops ---- */

/* Requests per second of a closed loop of the same requests; 0: none. */
static double peak_of(struct bench_suite *suite, struct bench_suite_server *server,
                      const struct bench_suite_row *row)
{
    struct bench_plan plan = plan_of(suite, server, row, 0);
    struct bench_result result;
    double peak = 0;

    plan.work.arrival = BENCH_CLOSED;
    for (int i = 0; i < PEAK_TRIES; i++) {
        double rate;

        if (bench_suite_run(suite, server, row->workload.name, &plan, &result) !=
            BENCH_SUITE_FINE) {
            return 0;
        }
        rate = (double)result.requests / ((double)result.wall_ns / 1e9);
        peak = rate > peak ? rate : peak;
        bench_result_fini(&result);
    }
    return peak;
}

/* The offered load is the same for all servers: shares of what the best of them reaches. */
static void set_rate(struct bench_suite_row *row, double peak)
{
    struct bench_workload *workload = &row->workload;

    workload->work.rate = peak * workload->rate_percent / 100;
    (void)snprintf(workload->title, sizeof(workload->title),
                   "GET from a schedule: %.0f/s, %" PRIu32 " %% of the best closed loop",
                   workload->work.rate, workload->rate_percent);
}

static void find_rates(struct bench_suite *suite, size_t row_count,
                       struct bench_suite_row *const *rows)
{
    const struct bench_suite_row *first = NULL;
    double peak = 0;

    for (size_t i = 0; i < row_count && first == NULL; i++) {
        first = rows[i]->workload.rate_percent > 0 ? rows[i] : NULL;
    }
    for (size_t i = 0; i < suite->server_count && first != NULL; i++) {
        struct bench_suite_server *server = &suite->servers[i];

        if (server->is_running && server->kind != BENCH_SUITE_EMPTY) {
            const double rate = peak_of(suite, server, first);

            peak = rate > peak ? rate : peak;
        }
    }
    for (size_t i = 0; i < row_count; i++) {
        if (rows[i]->workload.rate_percent > 0) {
            set_rate(rows[i], peak);
        }
    }
}

/* ---- a stage ---- */

static bool add_workload(struct bench_suite *suite, const struct bench_workload *workload)
{
    json_t *entry =
        json_pack("{s:s, s:s, s:s, s:o}", "name", workload->name, "title", workload->title, "group",
                  workload->group, "work", bench_report_work(&workload->work));
    int failed = 0;

    if (workload->rate_percent > 0) {
        failed = json_object_set_new(entry, "curve",
                                     json_pack("{s:s, s:s, s:s, s:f}", "name", "latency", "title",
                                               "GET from a schedule", "axis", "offered_per_s", "x",
                                               workload->work.rate));
    } else if (strcmp(workload->group, "threads") == 0) {
        failed = json_object_set_new(entry, "curve",
                                     json_pack("{s:s, s:s, s:s, s:I}", "name", "threads", "title",
                                               "GET, pipeline of 16", "axis", "server_threads", "x",
                                               (json_int_t)workload->server_threads));
    }
    return failed == 0 &&
           json_array_append_new(json_object_get(suite->results, "workloads"), entry) == 0;
}

static void show_progress(struct bench_suite *suite, const struct bench_suite_server *server,
                          const struct bench_suite_row *row, uint32_t round)
{
    if (isatty(STDERR_FILENO) == 1) {
        (void)fprintf(stderr, "\r\033[K%3" PRIu32 " %%  round %" PRIu32 ": %s on %s",
                      suite->done_count * 100 / suite->expected_count, round + 1,
                      row->workload.name, server->name);
    }
    suite->done_count++;
}

static void run_round(struct bench_suite *suite, size_t row_count,
                      struct bench_suite_row *const *rows, uint32_t round)
{
    for (size_t i = 0; i < row_count && !bench_suite_is_interrupted(suite); i++) {
        for (size_t place = 0; place < suite->server_count; place++) {
            struct bench_suite_server *server =
                &suite->servers[bench_suite_turn(round, i, place, suite->server_count)];

            if (server->is_running && bench_suite_fits(server, &rows[i]->workload) &&
                !suite->is_cut) {
                show_progress(suite, server, rows[i], round);
                measure(suite, server, rows[i], round);
            }
        }
    }
}

/* Keys that had to go were not there to be found: that would be another benchmark. */
static void check_evictions(struct bench_suite *suite, const struct bench_suite_row *row)
{
    for (size_t i = 0; i < suite->server_count; i++) {
        const struct bench_suite_server *server = &suite->servers[i];
        uint64_t evictions;

        if (server->is_running && server->kind == BENCH_SUITE_CACHE &&
            bench_process_stat(&server->process, "evictions", &evictions) && evictions > 0) {
            (void)fprintf(stderr, "\nmcbench suite: %s evicted %" PRIu64 " items around %s\n",
                          server->name, evictions, row->workload.name);
        }
    }
}

static bool fits_any(const struct bench_suite_server *server, size_t row_count,
                     struct bench_suite_row *const *rows)
{
    for (size_t i = 0; i < row_count; i++) {
        if (bench_suite_fits(server, &rows[i]->workload)) {
            return true;
        }
    }
    return false;
}

void bench_suite_run_stage(struct bench_suite *suite, size_t first_row)
{
    struct bench_suite_row *rows[BENCH_WORKLOADS_MAX];
    struct bench_suite_row *first = &suite->rows[first_row];
    size_t row_count = 0;

    for (size_t i = first_row; i < suite->row_count; i++) {
        struct bench_suite_row *row = &suite->rows[i];

        if (i == first_row ||
            (!row->is_done && bench_workload_shares(&first->workload, &row->workload))) {
            row->is_done = true;
            rows[row_count++] = row;
        }
    }
    (void)fprintf(stderr, "%smcbench suite: %s%s\n", isatty(STDERR_FILENO) == 1 ? "\r\033[K" : "",
                  first->workload.title, row_count > 1 ? ", and what wants the same servers" : "");
    for (size_t i = 0; i < suite->server_count && !suite->is_cut; i++) {
        if (!suite->servers[i].has_failed && fits_any(&suite->servers[i], row_count, rows)) {
            (void)bench_suite_start(suite, &suite->servers[i], first);
        }
    }
    find_rates(suite, row_count, rows);
    for (size_t i = 0; i < row_count; i++) {
        CHECK(add_workload(suite, &rows[i]->workload));
    }
    for (uint32_t round = 0; round < suite->settings.rounds && !suite->is_cut; round++) {
        run_round(suite, row_count, rows, round);
    }
    check_evictions(suite, first);
    bench_suite_stop_all(suite);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* What people read at the end of a suite: see suite.h. The page with everything is `mcbench plot`'s. */
#include <string.h>

#include "cli/mcbench/figures.h"
#include "cli/mcbench/report_priv.h"
#include "cli/mcbench/suite.h"

enum { RATIO_SIZE = 48 }; /* bytes */

/* What the most rounds were limited by. */
static const char *limit_of(const json_t *results, const char *workload, const char *server)
{
    static const char *const limits[] = {"server", "generator", "neither"};
    size_t counts[3] = {0, 0, 0};
    size_t best = 0;
    size_t index;
    const json_t *entry;

    json_array_foreach(json_object_get(results, "rounds"), index, entry)
    {
        for (size_t i = 0; i < 3; i++) {
            counts[i] +=
                strcmp(json_string_value(json_object_get(entry, "workload")), workload) == 0 &&
                strcmp(json_string_value(json_object_get(entry, "server")), server) == 0 &&
                strcmp(json_string_value(json_object_get(entry, "saturated")), limits[i]) == 0;
        }
    }
    for (size_t i = 1; i < 3; i++) {
        best = counts[i] > counts[best] ? i : best;
    }
    return limits[best];
}

/* "1.75x [1.70-1.81]", of the rounds that both have; "" for none. */
static void write_ratio(const struct bench_series *a, const struct bench_series *b,
                        char out[static RATIO_SIZE])
{
    struct bench_series ratios;
    struct bench_summary summary;

    bench_figures_pair(a, b, &ratios);
    if (ratios.count == 0) {
        out[0] = '\0';
        return;
    }
    bench_stats_summarize(ratios.count, ratios.values, &summary);
    (void)snprintf(out, RATIO_SIZE, "%.2fx [%.2f-%.2f]", summary.median, summary.low, summary.high);
}

static const char *write_median(const struct bench_series *series, double scale, int decimals,
                                char out[static BENCH_REPORT_NUMBER_MAX])
{
    struct bench_summary summary;

    if (series->count == 0) {
        return series->void_count > 0 ? "void" : "-";
    }
    bench_stats_summarize(series->count, series->values, &summary);
    return bench_report_number(summary.median * scale, decimals, out);
}

static bool has_rounds(const json_t *results, const char *workload, const char *server)
{
    struct bench_series series;

    bench_figures_collect(results, workload, server, BENCH_FIGURE_RATE, &series);
    return series.count + series.void_count > 0;
}

static void print_closed(FILE *file, const json_t *results, const char *workload, const char *base,
                         const char *server)
{
    struct bench_series base_rates;
    struct bench_series base_costs;
    struct bench_series rates;
    struct bench_series costs;
    char rate[BENCH_REPORT_NUMBER_MAX];
    char cost[BENCH_REPORT_NUMBER_MAX];
    char rate_ratio[RATIO_SIZE] = "";
    char cost_ratio[RATIO_SIZE] = "";

    bench_figures_collect(results, workload, base, BENCH_FIGURE_RATE, &base_rates);
    bench_figures_collect(results, workload, base, BENCH_FIGURE_CPU, &base_costs);
    bench_figures_collect(results, workload, server, BENCH_FIGURE_RATE, &rates);
    bench_figures_collect(results, workload, server, BENCH_FIGURE_CPU, &costs);
    if (strcmp(base, server) != 0) {
        write_ratio(&base_rates, &rates, rate_ratio);
        write_ratio(&costs, &base_costs, cost_ratio);
    }
    (void)fprintf(file, "  %-18s %12s  %-19s %9s ns  %-19s %s\n", server,
                  write_median(&rates, 1, 0, rate), rate_ratio, write_median(&costs, 1, 0, cost),
                  cost_ratio, limit_of(results, workload, server));
}

static void print_open(FILE *file, const json_t *results, const char *workload, const char *server)
{
    static const enum bench_figure figures[] = {BENCH_FIGURE_P50, BENCH_FIGURE_P99,
                                                BENCH_FIGURE_P999, BENCH_FIGURE_CPU};

    (void)fprintf(file, "  %-18s", server);
    for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
        struct bench_series series;
        char number[BENCH_REPORT_NUMBER_MAX];

        bench_figures_collect(results, workload, server, figures[i], &series);
        (void)fprintf(file, "  %s %s", bench_figures_name(figures[i]),
                      write_median(&series, bench_figures_scale(figures[i]), 0, number));
    }
    (void)fputc('\n', file);
}

void bench_suite_print(FILE *file, const struct bench_suite *suite)
{
    const char *base = suite->servers[0].name;
    const json_t *workload;
    size_t index;

    (void)fprintf(file,
                  "\nMedians. Requests/s, and %s's times that; CPU time of the server for each "
                  "request, and\nthat, times %s's; what had no time left. Ratios are paired by "
                  "round: median [interval].\n",
                  base, base);
    json_array_foreach(json_object_get(suite->results, "workloads"), index, workload)
    {
        const char *name = json_string_value(json_object_get(workload, "name"));
        const bool is_open = bench_figures_is_open(workload);

        (void)fprintf(file, "\n%s: %s\n", name,
                      json_string_value(json_object_get(workload, "title")));
        for (size_t i = 0; i < suite->server_count; i++) {
            if (!has_rounds(suite->results, name, suite->servers[i].name)) {
                continue;
            }
            if (is_open) {
                print_open(file, suite->results, name, suite->servers[i].name);
            } else {
                print_closed(file, suite->results, name, base, suite->servers[i].name);
            }
        }
    }
    (void)fprintf(file,
                  "\n%u measurements; %u were void, and were repeated; %u stayed void and do not "
                  "count.\n",
                  suite->done_count, suite->repeated_count, suite->void_count);
}

void bench_suite_print_list(FILE *file)
{
    const char *group = "";

    for (size_t i = 0; i < bench_workload_count(); i++) {
        struct bench_workload workload;

        bench_workload_get(i, &workload);
        if (strcmp(group, workload.group) != 0) {
            (void)fprintf(file, "%s%s:\n", i > 0 ? "\n" : "", workload.group);
            group = workload.group;
        }
        (void)fprintf(file, "  %-20s %s%s\n", workload.name, workload.title,
                      workload.is_quick ? "  (quick)" : "");
    }
}

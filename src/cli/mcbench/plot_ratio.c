/* SPDX-License-Identifier: BSD-3-Clause */
/* Who is better, and by how much: figures out of the result file for tables and drawings. */
#include <stdlib.h>
#include <string.h>

#include "cli/mcbench/plot_priv.h"

const char *bench_plot_text(const json_t *entry, const char *member)
{
    return json_string_value(json_object_get(entry, member));
}

double bench_plot_number(const json_t *entry, const char *member)
{
    return json_number_value(json_object_get(entry, member));
}

bool bench_plot_summary(const struct bench_plot *plot, const json_t *workload, size_t server,
                        enum bench_figure figure, struct bench_summary *ret_summary)
{
    struct bench_series series;

    bench_figures_collect(plot->results, bench_plot_text(workload, "name"),
                          plot->servers[server].name, figure, &series);
    if (series.count == 0) {
        return false;
    }
    bench_stats_summarize(series.count, series.values, ret_summary);
    return true;
}

bool bench_plot_ratio(const struct bench_plot *plot, const json_t *workload, size_t peer,
                      enum bench_figure figure, struct bench_plot_ratio *ret_ratio)
{
    const char *name = bench_plot_text(workload, "name");
    struct bench_series own, other, times;

    bench_figures_collect(plot->results, name, plot->servers[0].name, figure, &own);
    bench_figures_collect(plot->results, name, plot->servers[peer].name, figure, &other);
    if (bench_figures_more_is_better(figure)) {
        bench_figures_pair(&own, &other, &times);
    } else {
        bench_figures_pair(&other, &own, &times);
    }
    if (times.count == 0) {
        return false;
    }
    *ret_ratio = (struct bench_plot_ratio){.workload = workload,
                                           .peer = peer,
                                           .figure = figure,
                                           .is_least = own.bound_count > 0,
                                           .is_most = other.bound_count > 0};
    bench_stats_summarize(times.count, times.values, &ret_ratio->times);
    return true;
}

enum bench_plot_verdict bench_plot_judge(const struct bench_plot_ratio *ratio)
{
    if (!bench_stats_differs(&ratio->times)) {
        return BENCH_PLOT_UNCLEAR;
    }
    if (ratio->times.median < 1) {
        return ratio->is_least ? BENCH_PLOT_UNCLEAR : BENCH_PLOT_WORSE;
    }
    return ratio->is_most ? BENCH_PLOT_UNCLEAR : BENCH_PLOT_BETTER;
}

const char *bench_plot_bound(const struct bench_plot_ratio *ratio)
{
    if (ratio->is_least) {
        return ratio->is_most ? "\xe2\x89\x88 " : "\xe2\x89\xa5 ";
    }
    return ratio->is_most ? "\xe2\x89\xa4 " : "";
}

static int compare_ratios(const void *left, const void *right)
{
    const struct bench_plot_ratio *a = left, *b = right;

    return (a->times.median > b->times.median) - (a->times.median < b->times.median);
}

struct bench_plot_ratio *bench_plot_ratios(const struct bench_plot *plot, size_t *ret_count)
{
    const json_t *workloads = json_object_get(plot->results, "workloads");
    const size_t most = json_array_size(workloads) * plot->server_count * BENCH_FIGURE_COUNT;
    struct bench_plot_ratio *ratios = calloc(most > 0 ? most : 1, sizeof *ratios);
    size_t count = 0, index;
    json_t *workload;

    *ret_count = 0;
    if (ratios == NULL) {
        return NULL;
    }
    json_array_foreach(workloads, index, workload)
    {
        const bool is_open = bench_figures_is_open(workload);

        for (size_t peer = 1; peer < plot->server_count; peer++) {
            for (enum bench_figure figure = 0; figure < BENCH_FIGURE_COUNT; figure++) {
                if (!plot->servers[peer].is_limit && bench_figures_matters(figure, is_open) &&
                    bench_plot_ratio(plot, workload, peer, figure, &ratios[count])) {
                    count++;
                }
            }
        }
    }
    if (count == 0) {
        free(ratios);
        return NULL;
    }
    qsort(ratios, count, sizeof *ratios, compare_ratios);
    *ret_count = count;
    return ratios;
}

size_t bench_plot_void_count(const struct bench_plot *plot)
{
    size_t index, count = 0;
    json_t *entry;

    json_array_foreach(json_object_get(plot->results, "rounds"), index, entry)
    {
        count += json_is_true(json_object_get(json_object_get(entry, "result"), "void"));
    }
    return count;
}

const json_t *bench_plot_replay(const struct bench_plot *plot, const char *trace,
                                json_int_t memory_bytes, size_t server)
{
    size_t index;
    json_t *entry;

    json_array_foreach(json_object_get(plot->results, "replay"), index, entry)
    {
        if (strcmp(bench_plot_text(entry, "trace"), trace) == 0 &&
            strcmp(bench_plot_text(entry, "server"), plot->servers[server].name) == 0 &&
            json_integer_value(json_object_get(entry, "memory_bytes")) == memory_bytes) {
            return entry;
        }
    }
    return NULL;
}

bool bench_plot_has_replay(const struct bench_plot *plot, size_t server)
{
    size_t index;
    json_t *entry;

    json_array_foreach(json_object_get(plot->results, "replay"), index, entry)
    {
        if (strcmp(bench_plot_text(entry, "server"), plot->servers[server].name) == 0) {
            return true;
        }
    }
    return false;
}

bool bench_plot_more_misses(const struct bench_plot *plot, const json_t *entry, size_t peer,
                            double *ret_more)
{
    const json_t *other;

    if (strcmp(bench_plot_text(entry, "server"), plot->servers[0].name) != 0) {
        return false;
    }
    other = bench_plot_replay(plot, bench_plot_text(entry, "trace"),
                              json_integer_value(json_object_get(entry, "memory_bytes")), peer);
    if (bench_plot_number(other, "misses") <= 0) {
        return false;
    }
    *ret_more = bench_plot_number(entry, "misses") / bench_plot_number(other, "misses");
    return true;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/mcbench/figures.h"

#include <string.h>

#include "base/check.h"

struct figure {
    const char *name;
    double scale;
    bool more_is_better;
    bool in_closed, in_open; /* does it matter there? */
    const char *percentile;  /* of a latency; NULL: no latency */
};

static const struct figure FIGURES[BENCH_FIGURE_COUNT] = {
    [BENCH_FIGURE_RATE] = {"requests/s", 1, true, true, false, NULL},
    [BENCH_FIGURE_CPU] = {"CPU ns/request", 1, false, true, true, NULL},
    [BENCH_FIGURE_P50] = {"p50 us", 1e-3, false, false, true, "p50_ns"},
    [BENCH_FIGURE_P99] = {"p99 us", 1e-3, false, false, true, "p99_ns"},
    [BENCH_FIGURE_P999] = {"p99.9 us", 1e-3, false, false, true, "p999_ns"},
};

const char *bench_figures_name(enum bench_figure figure)
{
    return FIGURES[figure].name;
}

double bench_figures_scale(enum bench_figure figure)
{
    return FIGURES[figure].scale;
}

bool bench_figures_more_is_better(enum bench_figure figure)
{
    return FIGURES[figure].more_is_better;
}

bool bench_figures_matters(enum bench_figure figure, bool is_open)
{
    return is_open ? FIGURES[figure].in_open : FIGURES[figure].in_closed;
}

bool bench_figures_is_open(const json_t *workload)
{
    const json_t *load = json_object_get(json_object_get(workload, "work"), "load");

    return strcmp(json_string_value(json_object_get(load, "arrival")), "closed") != 0;
}

/* 0 when there is none. */
static double read_figure(const json_t *result, enum bench_figure figure)
{
    const json_t *latency = json_object_get(result, "latency");
    const json_t *of = json_object_get(latency, "intended");

    if (figure == BENCH_FIGURE_RATE) {
        return json_number_value(json_object_get(result, "requests_per_s"));
    }
    if (figure == BENCH_FIGURE_CPU) {
        const json_t *cpu = json_object_get(result, "server_cpu");

        return json_number_value(json_object_get(cpu, "ns_per_request"));
    }
    if (json_is_null(of)) {
        of = json_object_get(latency, "service");
    }
    return json_number_value(json_object_get(of, FIGURES[figure].percentile));
}

static bool is_text(const json_t *entry, const char *member, const char *text)
{
    return strcmp(json_string_value(json_object_get(entry, member)), text) == 0;
}

void bench_figures_collect(const json_t *results, const char *workload, const char *server,
                           enum bench_figure figure, struct bench_series *ret_series)
{
    size_t index;
    json_t *entry;

    CHECK(figure < BENCH_FIGURE_COUNT);
    memset(ret_series, 0, sizeof *ret_series);
    json_array_foreach(json_object_get(results, "rounds"), index, entry)
    {
        const json_t *result = json_object_get(entry, "result");
        double value;

        if (!is_text(entry, "workload", workload) || !is_text(entry, "server", server)) {
            continue;
        }
        value = read_figure(result, figure);
        if (json_is_true(json_object_get(result, "void"))) {
            ret_series->void_count++;
        } else if (value > 0 && ret_series->count < BENCH_STATS_SIDE_MAX) {
            ret_series->rounds[ret_series->count] =
                json_integer_value(json_object_get(entry, "round"));
            ret_series->values[ret_series->count++] = value;
            ret_series->bound_count +=
                figure == BENCH_FIGURE_RATE && json_is_true(json_object_get(result, "load_bound"));
        }
    }
}

void bench_figures_pair(const struct bench_series *a, const struct bench_series *b,
                        struct bench_series *ret_ratios)
{
    memset(ret_ratios, 0, sizeof *ret_ratios);
    ret_ratios->void_count = a->void_count + b->void_count;
    ret_ratios->bound_count = a->bound_count + b->bound_count;
    for (size_t i = 0; i < a->count; i++) {
        for (size_t k = 0; k < b->count; k++) {
            if (a->rounds[i] == b->rounds[k]) {
                ret_ratios->rounds[ret_ratios->count] = a->rounds[i];
                ret_ratios->values[ret_ratios->count++] = a->values[i] / b->values[k];
            }
        }
    }
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Tables of a page: what was measured on what, who is better, and first of all where the tested server is not. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/mcbench/plot_priv.h"
#include "cli/mcbench/report_priv.h"

enum { COLUMNS_MAX = BENCH_PLOT_SERVERS_MAX + 5 };

static void say_value(char out[BENCH_PLOT_CELL_MAX], const json_t *value)
{
    if (json_is_string(value)) {
        bench_page_say(out, "%s", json_string_value(value));
    } else if (json_is_boolean(value)) {
        bench_page_say(out, "%s", json_is_true(value) ? "yes" : "no");
    } else if (json_is_number(value)) {
        char number[BENCH_REPORT_NUMBER_MAX];

        bench_page_say(out, "%s", bench_report_number(json_number_value(value), 0, number));
    } else {
        bench_page_say(out, "not known");
    }
}

static void say_ratio(char out[BENCH_PLOT_CELL_MAX], const struct bench_plot_ratio *ratio)
{
    bench_page_say(out, "%s%.2f (%.2f to %.2f)", bench_plot_bound(ratio), ratio->times.median,
                   ratio->times.low, ratio->times.high);
}

static void say_figure(char out[BENCH_PLOT_CELL_MAX], double value, enum bench_figure figure)
{
    const double scale = bench_figures_scale(figure);
    char number[BENCH_REPORT_NUMBER_MAX];

    bench_page_say(out, "%s", bench_report_number(value * scale, scale < 1 ? 1 : 0, number));
}

static void print_servers(struct bench_plot *plot)
{
    char cells[COLUMNS_MAX][BENCH_PLOT_CELL_MAX] = {"server", "version", "command"};

    bench_page_table_begin(plot);
    bench_page_row(plot, 3, cells, NULL);
    for (size_t i = 0; i < plot->server_count; i++) {
        size_t index;
        json_t *server;

        json_array_foreach(json_object_get(plot->results, "servers"), index, server)
        {
            if (strcmp(bench_plot_text(server, "name"), plot->servers[i].name) == 0) {
                bench_page_say(cells[0], "%s%s", plot->servers[i].name,
                               plot->servers[i].is_limit ? " (only answers: the limit)" : "");
                bench_page_say(cells[1], "%s", bench_plot_text(server, "version"));
                bench_page_say(cells[2], "%s", bench_plot_text(server, "command"));
                bench_page_row(plot, 3, cells, NULL);
            }
        }
    }
    bench_page_table_end(plot);
}

void bench_plot_setting(struct bench_plot *plot)
{
    json_t *machine = json_object_get(plot->results, "machine");
    char cells[COLUMNS_MAX][BENCH_PLOT_CELL_MAX] = {"machine", ""};
    const char *member;
    json_t *value;

    bench_page_heading(plot, "What was measured");
    bench_page_table_begin(plot);
    bench_page_row(plot, 2, cells, NULL);
    json_object_foreach(machine, member, value)
    {
        bench_page_say(cells[0], "%s", member);
        for (char *letter = cells[0]; *letter != '\0'; letter++) {
            *letter = *letter == '_' ? ' ' : *letter;
        }
        say_value(cells[1], value);
        bench_page_row(plot, 2, cells, NULL);
    }
    bench_page_table_end(plot);
    print_servers(plot);
}

static void print_ratio(struct bench_plot *plot, const struct bench_plot_ratio *ratio, bool strong)
{
    const bool bold[COLUMNS_MAX] = {[3] = strong};
    char cells[COLUMNS_MAX][BENCH_PLOT_CELL_MAX];

    bench_page_say(cells[0], "%s", bench_plot_text(ratio->workload, "title"));
    bench_page_say(cells[1], "%s", bench_figures_name(ratio->figure));
    bench_page_say(cells[2], "%s", plot->servers[ratio->peer].name);
    say_ratio(cells[3], ratio);
    bench_page_row(plot, 4, cells, bold);
}

static void begin_ratios(struct bench_plot *plot)
{
    char heads[COLUMNS_MAX][BENCH_PLOT_CELL_MAX] = {"workload", "figure", "against",
                                                    "times as good"};

    bench_page_table_begin(plot);
    bench_page_row(plot, 4, heads, NULL);
}

/* Rows of the ratios that are worse (want_worse) or show nothing. Begins a table with the first; returns how many. */
static size_t print_ratios(struct bench_plot *plot, size_t count,
                           const struct bench_plot_ratio *ratios, bool want_worse)
{
    size_t printed = 0;

    for (size_t i = 0; i < count; i++) {
        if (bench_plot_judge(&ratios[i]) == (want_worse ? BENCH_PLOT_WORSE : BENCH_PLOT_UNCLEAR)) {
            if (printed++ == 0) {
                begin_ratios(plot);
            }
            print_ratio(plot, &ratios[i], want_worse);
        }
    }
    return printed;
}

/* Replays with more misses than a peer's. `printed` rows of the table are there already. Returns how many there are then. */
static size_t print_more_misses(struct bench_plot *plot, size_t printed)
{
    const bool bold[COLUMNS_MAX] = {[3] = true};
    size_t index;
    json_t *entry;

    json_array_foreach(json_object_get(plot->results, "replay"), index, entry)
    {
        for (size_t peer = 1; peer < plot->server_count; peer++) {
            char cells[COLUMNS_MAX][BENCH_PLOT_CELL_MAX];
            double more;

            if (!bench_plot_more_misses(plot, entry, peer, &more) || more <= 1) {
                continue;
            }
            if (printed++ == 0) {
                begin_ratios(plot);
            }
            bench_page_say(cells[0], "%s at %.1f MiB", bench_plot_text(entry, "trace"),
                           bench_plot_number(entry, "memory_bytes") / (1 << 20));
            bench_page_say(cells[1], "misses");
            bench_page_say(cells[2], "%s", plot->servers[peer].name);
            bench_page_say(cells[3], "%.2f", 1 / more);
            bench_page_row(plot, 4, cells, bold);
        }
    }
    return printed;
}

void bench_plot_losses(struct bench_plot *plot)
{
    char text[BENCH_PLOT_CELL_MAX];
    size_t count, printed;
    struct bench_plot_ratio *ratios = bench_plot_ratios(plot, &count);
    const size_t void_count = bench_plot_void_count(plot);

    bench_page_say(text, "Where %s is worse", plot->servers[0].name);
    bench_page_heading(plot, text);
    printed = print_more_misses(plot, print_ratios(plot, count, ratios, true));
    if (printed > 0) {
        bench_page_table_end(plot);
    } else {
        bench_page_text(plot,
                        "Nowhere here: no interval lies below 1, and no replay has more misses.");
    }
    if (count > 0) {
        bench_page_heading(plot,
                           "Where no difference was shown, or too few rounds were left to say");
        if (print_ratios(plot, count, ratios, false) > 0) {
            bench_page_table_end(plot);
        } else {
            bench_page_text(plot, "Nowhere here: no interval has 1 in it.");
        }
    }
    if (void_count > 0) {
        bench_page_say(
            text,
            "Void rounds, which count nowhere: %zu. In them the generator, not the server, was the "
            "limit.",
            void_count);
        bench_page_text(plot, text);
    }
    free(ratios);
}

/* The cells of one workload's row; false when the tested server has no such figure. */
static bool fill_row(const struct bench_plot *plot, const json_t *workload,
                     enum bench_figure figure, char (*cells)[BENCH_PLOT_CELL_MAX], bool *strong)
{
    struct bench_summary own;

    if (!bench_plot_summary(plot, workload, 0, figure, &own)) {
        return false;
    }
    bench_page_say(cells[0], "%s", bench_plot_text(workload, "title"));
    say_figure(cells[1], own.median, figure);
    for (size_t peer = 1; peer < plot->server_count; peer++) {
        struct bench_plot_ratio ratio;

        cells[1 + peer][0] = '\0';
        strong[1 + peer] = false;
        if (bench_plot_ratio(plot, workload, peer, figure, &ratio)) {
            say_ratio(cells[1 + peer], &ratio);
            strong[1 + peer] =
                !plot->servers[peer].is_limit && bench_plot_judge(&ratio) == BENCH_PLOT_WORSE;
        }
    }
    return true;
}

static void print_figure(struct bench_plot *plot, enum bench_figure figure, bool is_open,
                         const char *heading)
{
    char cells[COLUMNS_MAX][BENCH_PLOT_CELL_MAX];
    bool strong[COLUMNS_MAX] = {false};
    bool has_rows = false;
    size_t index;
    json_t *workload;

    json_array_foreach(json_object_get(plot->results, "workloads"), index, workload)
    {
        if (bench_figures_is_open(workload) != is_open ||
            !fill_row(plot, workload, figure, cells, strong)) {
            continue;
        }
        if (!has_rows) {
            char heads[COLUMNS_MAX][BENCH_PLOT_CELL_MAX] = {"workload"};

            bench_page_say(heads[1], "%s, %s", plot->servers[0].name, bench_figures_name(figure));
            for (size_t i = 1; i < plot->server_count; i++) {
                bench_page_say(heads[1 + i], "%s %s", plot->servers[i].is_limit ? "of" : "against",
                               plot->servers[i].name);
            }
            bench_page_heading(plot, heading);
            bench_page_table_begin(plot);
            bench_page_row(plot, 1 + plot->server_count, heads, NULL);
            has_rows = true;
        }
        bench_page_row(plot, 1 + plot->server_count, cells, strong);
    }
    if (has_rows) {
        bench_page_table_end(plot);
    }
}

void bench_plot_tables(struct bench_plot *plot)
{
    print_figure(plot, BENCH_FIGURE_RATE, false, "Requests per second, closed loop");
    bench_plot_ratio_chart(plot);
    print_figure(plot, BENCH_FIGURE_CPU, false, "CPU per request, closed loop");
    bench_plot_cpu_chart(plot);
    print_figure(plot, BENCH_FIGURE_P99, true, "Latency that 99 % stay below, open loop");
}

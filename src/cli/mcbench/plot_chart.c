/* SPDX-License-Identifier: BSD-3-Clause */
/* Drawings of lines: latency against load, requests per second by threads, hit ratio against memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/mcbench/chart.h"
#include "cli/mcbench/plot_priv.h"
#include "cli/mcbench/svg.h"

enum {
    WIDTH = 960,
    LEFT = 66,
    TOP = 92,
    BOTTOM = 50,
    PANEL_GAP = 24,
    PANEL_HEIGHT = 260,
    PANELS_MAX = 3, /* beside each other */
    POINTS_MAX = 100,
    TRACES_MAX = 24,
};

struct panel {
    const char *title;
    size_t line_count;
    struct bench_line lines[BENCH_PLOT_SERVERS_MAX];
    bool shown[BENCH_PLOT_SERVERS_MAX]; /* servers that have a line, in any use of this panel */
    struct bench_point points[BENCH_PLOT_SERVERS_MAX][POINTS_MAX];
};

static int compare_points(const void *left, const void *right)
{
    const struct bench_point *a = left, *b = right;

    return (a->x > b->x) - (a->x < b->x);
}

/* Lines of the points that are there; empty ones are left out. */
static void close_line(const struct bench_plot *plot, struct panel *panel, size_t server,
                       size_t count)
{
    if (count > 0) {
        struct bench_point *points = panel->points[panel->line_count];

        qsort(points, count, sizeof *points, compare_points);
        panel->shown[server] = true;
        panel->lines[panel->line_count++] =
            (struct bench_line){plot->servers[server].colour, count, points};
    }
}

static void include(const struct panel *panel, struct bench_axis *x_axis, struct bench_axis *y_axis)
{
    for (size_t i = 0; i < panel->line_count; i++) {
        for (size_t k = 0; k < panel->lines[i].count; k++) {
            const struct bench_point *point = &panel->lines[i].points[k];

            bench_axis_include(x_axis, point->x);
            bench_axis_include(y_axis, point->low);
            bench_axis_include(y_axis, point->high);
        }
    }
}

void bench_plot_legend(const struct bench_plot *plot, FILE *file, const bool *shown, double x,
                       double y)
{
    const char *names[BENCH_PLOT_SERVERS_MAX];
    size_t colours[BENCH_PLOT_SERVERS_MAX], count = 0;

    for (size_t i = 0; i < plot->server_count; i++) {
        if (shown[i]) {
            names[count] = plot->servers[i].name;
            colours[count++] = plot->servers[i].colour;
        }
    }
    bench_chart_legend(file, x, y, count, names, colours);
}

static void draw_head(const struct bench_plot *plot, FILE *file, const bool *shown, double width,
                      double height, const char *title)
{
    bench_svg_begin(file, width, height, title);
    bench_svg_text(file, 20, 26, BENCH_SVG_TITLE, BENCH_SVG_START, title);
    bench_plot_legend(plot, file, shown, LEFT, 52);
}

/* The box of panel `index` of `across` beside each other. */
static struct bench_box place(size_t index, size_t across, double gap)
{
    const double width = (WIDTH - LEFT - 24 - gap * (double)(across - 1)) / (double)across;
    const size_t row = index / across;

    return (struct bench_box){LEFT + (width + gap) * (double)(index % across),
                              TOP + (double)row * (PANEL_HEIGHT + 74), width, PANEL_HEIGHT};
}

/* Points of the workloads of one curve. */
static void fill_curve(const struct bench_plot *plot, const char *curve_name,
                       enum bench_figure figure, struct panel *panel)
{
    const double scale = bench_figures_scale(figure);

    panel->title = bench_figures_name(figure);
    panel->line_count = 0;
    for (size_t server = 0; server < plot->server_count; server++) {
        struct bench_point *points = panel->points[panel->line_count];
        size_t count = 0, index;
        json_t *workload;

        json_array_foreach(json_object_get(plot->results, "workloads"), index, workload)
        {
            const json_t *curve = json_object_get(workload, "curve");
            struct bench_summary summary;

            if (json_is_object(curve) && strcmp(bench_plot_text(curve, "name"), curve_name) == 0 &&
                count < POINTS_MAX &&
                bench_plot_summary(plot, workload, server, figure, &summary)) {
                points[count++] =
                    (struct bench_point){bench_plot_number(curve, "x"), summary.median * scale,
                                         summary.low * scale, summary.high * scale};
            }
        }
        close_line(plot, panel, server, count);
    }
}

static void draw_latency(struct bench_plot *plot, const json_t *curve, struct panel *panels)
{
    static const enum bench_figure figures[] = {BENCH_FIGURE_P50, BENCH_FIGURE_P99,
                                                BENCH_FIGURE_P999};
    static const char *const titles[] = {"median", "99 %", "99.9 %"};
    struct bench_axis x_axis = {.label = "requests offered per second", .is_from_zero = true};
    struct bench_axis y_axis = {.label = "latency since due, \xc2\xb5s", .is_log = true};
    char name[BENCH_PLOT_CELL_MAX];
    FILE *file;

    memset(panels[0].shown, 0, sizeof panels[0].shown);
    for (size_t i = 0; i < PANELS_MAX; i++) {
        fill_curve(plot, bench_plot_text(curve, "name"), figures[i], &panels[i]);
        include(&panels[i], &x_axis, &y_axis);
    }
    if (!y_axis.is_fitted) {
        return;
    }
    bench_axis_round(&x_axis);
    bench_axis_round(&y_axis);
    (void)snprintf(name, sizeof name, "latency-%s", bench_plot_text(curve, "name"));
    file = bench_page_drawing(plot, name, bench_plot_text(curve, "title"));
    if (file == NULL) {
        return;
    }
    draw_head(plot, file, panels[0].shown, WIDTH, TOP + PANEL_HEIGHT + BOTTOM,
              bench_plot_text(curve, "title"));
    for (size_t i = 0; i < PANELS_MAX; i++) {
        const struct bench_box box = place(i, PANELS_MAX, 44);

        bench_chart_panel(file, &box, titles[i], &x_axis, &y_axis, panels[i].line_count,
                          panels[i].lines);
        y_axis.label = NULL;
    }
    bench_svg_end(file);
    bench_page_drawing_end(plot, file);
}

static void draw_threads(struct bench_plot *plot, const json_t *curve, struct panel *panel)
{
    struct bench_axis x_axis = {.label = "threads of the server", .is_from_zero = true};
    struct bench_axis y_axis = {.label = "requests per second", .is_from_zero = true};
    const struct bench_box box = {LEFT, TOP, 560, PANEL_HEIGHT};
    char name[BENCH_PLOT_CELL_MAX];
    FILE *file;

    memset(panel->shown, 0, sizeof panel->shown);
    fill_curve(plot, bench_plot_text(curve, "name"), BENCH_FIGURE_RATE, panel);
    include(panel, &x_axis, &y_axis);
    if (!y_axis.is_fitted) {
        return;
    }
    bench_axis_round(&x_axis);
    bench_axis_round(&y_axis);
    (void)snprintf(name, sizeof name, "threads-%s", bench_plot_text(curve, "name"));
    file = bench_page_drawing(plot, name, bench_plot_text(curve, "title"));
    if (file == NULL) {
        return;
    }
    draw_head(plot, file, panel->shown, LEFT + 560 + 24, TOP + PANEL_HEIGHT + BOTTOM,
              bench_plot_text(curve, "title"));
    bench_chart_panel(file, &box, "", &x_axis, &y_axis, panel->line_count, panel->lines);
    bench_svg_end(file);
    bench_page_drawing_end(plot, file);
}

/* Is it the first workload of its curve? */
static bool is_first(const struct bench_plot *plot, size_t index, const char *curve_name)
{
    const json_t *workloads = json_object_get(plot->results, "workloads");

    for (size_t i = 0; i < index; i++) {
        const json_t *curve = json_object_get(json_array_get(workloads, i), "curve");

        if (json_is_object(curve) && strcmp(bench_plot_text(curve, "name"), curve_name) == 0) {
            return false;
        }
    }
    return true;
}

void bench_plot_curves(struct bench_plot *plot)
{
    struct panel *panels = calloc(PANELS_MAX, sizeof *panels);
    size_t index;
    json_t *workload;

    if (panels == NULL) {
        return;
    }
    json_array_foreach(json_object_get(plot->results, "workloads"), index, workload)
    {
        const json_t *curve = json_object_get(workload, "curve");

        if (!json_is_object(curve) || !is_first(plot, index, bench_plot_text(curve, "name"))) {
            continue;
        }
        if (strcmp(bench_plot_text(curve, "axis"), "offered_per_s") == 0) {
            draw_latency(plot, curve, panels);
        } else if (strcmp(bench_plot_text(curve, "axis"), "server_threads") == 0) {
            draw_threads(plot, curve, panels);
        }
    }
    free(panels);
}

static void fill_hits(const struct bench_plot *plot, const char *trace, struct panel *panel)
{
    panel->title = trace;
    panel->line_count = 0;
    for (size_t server = 0; server < plot->server_count; server++) {
        struct bench_point *points = panel->points[panel->line_count];
        size_t count = 0, index;
        json_t *entry;

        json_array_foreach(json_object_get(plot->results, "replay"), index, entry)
        {
            const double hits = bench_plot_number(entry, "hits");
            const double reads = hits + bench_plot_number(entry, "misses");

            if (strcmp(bench_plot_text(entry, "trace"), trace) == 0 &&
                strcmp(bench_plot_text(entry, "server"), plot->servers[server].name) == 0 &&
                reads > 0 && count < POINTS_MAX) {
                const double percent = 100 * hits / reads;

                points[count++] =
                    (struct bench_point){bench_plot_number(entry, "memory_bytes") / (1 << 20),
                                         percent, percent, percent};
            }
        }
        close_line(plot, panel, server, count);
    }
}

static size_t list_traces(const struct bench_plot *plot, const char *traces[TRACES_MAX])
{
    size_t count = 0, index;
    json_t *entry;

    json_array_foreach(json_object_get(plot->results, "replay"), index, entry)
    {
        const char *trace = bench_plot_text(entry, "trace");
        size_t i = 0;

        while (i < count && strcmp(traces[i], trace) != 0) {
            i++;
        }
        if (i == count && count < TRACES_MAX) {
            traces[count++] = trace;
        }
    }
    return count;
}

void bench_plot_hits(struct bench_plot *plot)
{
    static const char title[] = "Hit ratio against memory";
    struct panel *panel = calloc(1, sizeof *panel);
    const char *traces[TRACES_MAX];
    const size_t count = list_traces(plot, traces);
    const size_t across = count < PANELS_MAX ? count : PANELS_MAX;
    FILE *file;

    if (panel == NULL || count == 0) {
        free(panel);
        return;
    }
    file = bench_page_drawing(plot, "hits", title);
    if (file != NULL) {
        const size_t rows = (count + across - 1) / across;

        for (size_t i = 0; i < count; i++) {
            fill_hits(plot, traces[i], panel);
        }
        draw_head(plot, file, panel->shown, WIDTH,
                  TOP + (double)rows * (PANEL_HEIGHT + 74) - 74 + BOTTOM, title);
        for (size_t i = 0; i < count; i++) {
            const struct bench_box box = place(i, across, 60);
            struct bench_axis x_axis = {.label = "memory, MiB", .is_log = true};
            struct bench_axis y_axis = {.label = i % across == 0 ? "hits, %" : NULL};

            fill_hits(plot, traces[i], panel);
            include(panel, &x_axis, &y_axis);
            bench_axis_round(&x_axis);
            bench_axis_round(&y_axis);
            bench_chart_panel(file, &box, traces[i], &x_axis, &y_axis, panel->line_count,
                              panel->lines);
        }
        bench_svg_end(file);
        bench_page_drawing_end(plot, file);
    }
    free(panel);
}

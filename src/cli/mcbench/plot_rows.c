/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Drawings of rows: a workload per row, in it a mark per server on a logarithmic axis. Marks and not bars, since a bar has no
 * length where the axis has no zero; and workloads differ a hundredfold, which a linear axis would not show.
 */
#include <stdio.h>
#include <string.h>

#include "cli/mcbench/chart.h"
#include "cli/mcbench/plot_priv.h"
#include "cli/mcbench/report_priv.h"
#include "cli/mcbench/svg.h"

enum {
    WIDTH = 960,
    LABEL_WIDTH = 320,
    RIGHT = 70, /* for the number beside the last mark */
    TOP = 76,
    BOTTOM = 48,
    MARK_HEIGHT = 14,
    ROW_GAP = 10,
    TITLE_LETTERS = 46,
};

struct rows {
    const char *name, *title;
    const char *axis_label;
    /* The value of one server in one workload, with its interval; `sign` goes before the number. False: none, no mark. */
    bool (*get)(const struct bench_plot *plot, const json_t *workload, size_t server,
                struct bench_summary *ret_summary, const char **ret_sign);
    bool is_ratio;       /* numbers with two decimals, and a line at 1 */
    size_t first_server; /* 1: the tested one is what the others are compared with */
};

/* At most TITLE_LETTERS letters, cut at a letter's start. */
static void clip(const char *text, char out[BENCH_PLOT_CELL_MAX])
{
    size_t letters = 0, size = 0;

    while (text[size] != '\0' && size + 8 < BENCH_PLOT_CELL_MAX) {
        letters += ((unsigned char)text[size] & 0xc0) != 0x80;
        if (letters > TITLE_LETTERS) {
            break;
        }
        size++;
    }
    (void)snprintf(out, BENCH_PLOT_CELL_MAX, "%.*s%s", (int)size, text,
                   text[size] != '\0' ? "\xe2\x80\xa6" : "");
}

/* How many marks the row has; whose they are is marked in `shown`. */
static size_t measure(const struct bench_plot *plot, const struct rows *rows,
                      const json_t *workload, struct bench_axis *axis, bool *shown)
{
    size_t marks = 0;

    for (size_t i = rows->first_server; i < plot->server_count; i++) {
        struct bench_summary summary;
        const char *sign;

        if (rows->get(plot, workload, i, &summary, &sign)) {
            bench_axis_include(axis,
                               summary.low * (rows->is_ratio ? 0.9 : 1)); /* room for its number */
            bench_axis_include(axis, summary.high);
            shown[i] = true;
            marks++;
        }
    }
    return marks;
}

static double draw_row(const struct bench_plot *plot, FILE *file, const struct rows *rows,
                       const json_t *workload, const struct bench_axis *axis,
                       const struct bench_box *box, double y)
{
    const double top = y;
    char text[BENCH_PLOT_CELL_MAX];

    y += ROW_GAP / 2.0;
    for (size_t i = rows->first_server; i < plot->server_count; i++) {
        struct bench_summary summary;
        char number[BENCH_REPORT_NUMBER_MAX];
        const char *sign;
        double x, low, high;

        if (!rows->get(plot, workload, i, &summary, &sign)) {
            continue;
        }
        y += MARK_HEIGHT / 2.0;
        x = box->x + box->width * bench_axis_place(axis, summary.median);
        low = box->x + box->width * bench_axis_place(axis, summary.low);
        high = box->x + box->width * bench_axis_place(axis, summary.high);
        if (high - low > 1) {
            bench_svg_whisker(file, low, y, high, y, plot->servers[i].colour);
        }
        bench_svg_mark(file, x, y, plot->servers[i].colour);
        (void)snprintf(text, sizeof text, "%s%s", sign,
                       bench_report_number(summary.median, rows->is_ratio ? 2 : 0, number));
        /* On the outer side of the line at 1. */
        if (rows->is_ratio && summary.median < 1) {
            bench_svg_text(file, low - 9, y + 4, BENCH_SVG_SMALL, BENCH_SVG_END, text);
        } else {
            bench_svg_text(file, high + 9, y + 4, BENCH_SVG_SMALL, BENCH_SVG_START, text);
        }
        y += MARK_HEIGHT / 2.0;
    }
    clip(bench_plot_text(workload, "title"), text);
    bench_svg_text(file, box->x - 10, (top + y + ROW_GAP / 2.0) / 2 + 4, BENCH_SVG_LABEL,
                   BENCH_SVG_END, text);
    y += ROW_GAP / 2.0;
    bench_svg_line(file, box->x, y, box->x + box->width, y, BENCH_SVG_GRID);
    return y;
}

static void draw_rows(struct bench_plot *plot, const struct rows *rows)
{
    const json_t *workloads = json_object_get(plot->results, "workloads");
    struct bench_axis axis = {.label = rows->axis_label, .is_log = true};
    struct bench_box box = {LABEL_WIDTH, TOP, WIDTH - LABEL_WIDTH - RIGHT, 0};
    bool shown[BENCH_PLOT_SERVERS_MAX] = {false};
    double y = TOP;
    size_t index;
    json_t *workload;
    FILE *file;

    json_array_foreach(workloads, index, workload)
    {
        const size_t marks = measure(plot, rows, workload, &axis, shown);

        box.height += marks > 0 ? (double)(marks * MARK_HEIGHT + ROW_GAP) : 0;
    }
    if (box.height < 1) {
        return;
    }
    if (rows->is_ratio) {
        bench_axis_include(&axis, 1);
    }
    bench_axis_round(&axis);
    file = bench_page_drawing(plot, rows->name, rows->title);
    if (file == NULL) {
        return;
    }
    bench_svg_begin(file, WIDTH, TOP + box.height + BOTTOM, rows->title);
    bench_svg_text(file, 20, 26, BENCH_SVG_TITLE, BENCH_SVG_START, rows->title);
    bench_plot_legend(plot, file, shown, LABEL_WIDTH, 50);
    bench_chart_x_axis(file, &box, &axis);
    if (rows->is_ratio) {
        const double one = box.x + box.width * bench_axis_place(&axis, 1);

        bench_svg_line(file, one, TOP, one, TOP + box.height, BENCH_SVG_STRONG);
        bench_svg_text(file, one - 6, TOP - 6, BENCH_SVG_SMALL, BENCH_SVG_END, "worse");
        bench_svg_text(file, one + 6, TOP - 6, BENCH_SVG_SMALL, BENCH_SVG_START, "better");
    }
    json_array_foreach(workloads, index, workload)
    {
        struct bench_axis unused = axis;

        if (measure(plot, rows, workload, &unused, shown) > 0) {
            y = draw_row(plot, file, rows, workload, &axis, &box, y);
        }
    }
    bench_svg_end(file);
    bench_page_drawing_end(plot, file);
}

static bool get_ratio(const struct bench_plot *plot, const json_t *workload, size_t server,
                      struct bench_summary *ret_summary, const char **ret_sign)
{
    struct bench_plot_ratio ratio;

    if (bench_figures_is_open(workload) ||
        !bench_plot_ratio(plot, workload, server, BENCH_FIGURE_RATE, &ratio)) {
        return false;
    }
    *ret_summary = ratio.times;
    *ret_sign = bench_plot_bound(&ratio);
    return true;
}

static bool get_cpu(const struct bench_plot *plot, const json_t *workload, size_t server,
                    struct bench_summary *ret_summary, const char **ret_sign)
{
    *ret_sign = "";
    return !bench_figures_is_open(workload) &&
           bench_plot_summary(plot, workload, server, BENCH_FIGURE_CPU, ret_summary);
}

void bench_plot_ratio_chart(struct bench_plot *plot)
{
    char title[BENCH_PLOT_CELL_MAX];
    const struct rows rows = {.name = "ratio",
                              .title = title,
                              .axis_label = "times the requests per second of the other server",
                              .get = get_ratio,
                              .is_ratio = true,
                              .first_server = 1};

    (void)snprintf(title, sizeof title, "Requests per second of %s against other servers",
                   plot->servers[0].name);
    draw_rows(plot, &rows);
}

void bench_plot_cpu_chart(struct bench_plot *plot)
{
    const struct rows rows = {.name = "cpu",
                              .title = "CPU per request: less is better",
                              .axis_label = "CPU time of the server per request, ns",
                              .get = get_cpu,
                              .is_ratio = false,
                              .first_server = 0};

    draw_rows(plot, &rows);
}

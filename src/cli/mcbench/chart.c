/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/mcbench/chart.h"

#include <math.h>
#include <stdint.h>

#include "base/check.h"
#include "cli/mcbench/svg.h"

void bench_axis_include(struct bench_axis *axis, double value)
{
    if (!isfinite(value) || (axis->is_log && value <= 0)) {
        return;
    }
    if (!axis->is_fitted) {
        axis->min = axis->max = value;
        axis->is_fitted = true;
    }
    axis->min = fmin(axis->min, value);
    axis->max = fmax(axis->max, value);
}

/* 1, 2 or 5 times a power of ten: at most 6 of them from min to max. */
static double find_step(double min, double max)
{
    const double wish = (max - min) / 5;
    const double power = pow(10, floor(log10(wish)));
    const double rest = wish / power;

    return power * (rest <= 1.0001 ? 1 : rest <= 2.0001 ? 2 : rest <= 5.0001 ? 5 : 10);
}

/* The next 1, 2 or 5 times a power of ten from here down, or up. */
static double round_log(double value, bool up)
{
    static const double digits[] = {1, 2, 5, 10};
    const double power = pow(10, floor(log10(value) + 1e-9));
    double best = up ? 10 : 1;

    for (size_t i = 0; i < 4; i++) {
        const double digit = digits[up ? 3 - i : i];

        if (up ? digit >= value / power * (1 - 1e-9) : digit <= value / power * (1 + 1e-9)) {
            best = digit;
        }
    }
    return best * power;
}

void bench_axis_round(struct bench_axis *axis)
{
    double step;

    if (!axis->is_fitted) {
        axis->min = axis->is_log ? 1 : 0;
        axis->max = axis->is_log ? 10 : 1;
        axis->is_fitted = true;
        return;
    }
    if (axis->is_log) {
        axis->min = round_log(axis->min, false);
        axis->max = round_log(axis->max, true);
        if (axis->max <= axis->min) {
            axis->max = axis->min * 10;
        }
        return;
    }
    if (axis->is_from_zero) {
        axis->min = fmin(axis->min, 0);
        axis->max = fmax(axis->max, 0);
    }
    if (axis->max <= axis->min) {
        axis->max = axis->min + 1;
    }
    step = find_step(axis->min, axis->max);
    axis->min = floor(axis->min / step + 1e-9) * step;
    axis->max = ceil(axis->max / step - 1e-9) * step;
}

double bench_axis_place(const struct bench_axis *axis, double value)
{
    double place;

    if (axis->is_log) {
        place = value > 0 ? log(value / axis->min) / log(axis->max / axis->min) : 0;
    } else {
        place = (value - axis->min) / (axis->max - axis->min);
    }
    return fmin(fmax(place, 0), 1);
}

size_t bench_axis_ticks(const struct bench_axis *axis, double ticks[BENCH_CHART_TICKS_MAX])
{
    static const double digits[] = {1, 2, 5};
    const double decades = axis->is_log ? log10(axis->max / axis->min) : 0;
    size_t count = 0;

    if (!axis->is_log) {
        const double step = find_step(axis->min, axis->max);

        for (double tick = axis->min; tick <= axis->max + step / 2 && count < BENCH_CHART_TICKS_MAX;
             tick = axis->min + step * (double)count) {
            ticks[count++] = fabs(tick) < step / 2 ? 0 : tick;
        }
        return count;
    }
    /* Over many decades only the powers of ten, over few also twice and five times. */
    const int first = (int)floor(log10(axis->min) + 1e-9);
    const int last = (int)floor(log10(axis->max) + 1e-4);

    for (int decade = first; decade <= last; decade++) {
        for (size_t i = 0; i < (decades > 3.1 ? 1 : 3); i++) {
            const double tick = pow(10, decade) * digits[i];

            if (tick >= axis->min * 0.9999 && tick <= axis->max * 1.0001 &&
                count < BENCH_CHART_TICKS_MAX) {
                ticks[count++] = tick;
            }
        }
    }
    return count;
}

void bench_axis_label(double value, char out[32])
{
    static const char *const units[] = {"", "k", "M", "G", "T"};
    size_t unit = 0;

    while (fabs(value) >= 999.5 && unit + 1 < sizeof units / sizeof units[0]) {
        value /= 1000;
        unit++;
    }
    (void)snprintf(out, 32, "%.4g%s", value, units[unit]);
}

static double x_of(const struct bench_box *box, const struct bench_axis *axis, double value)
{
    return box->x + box->width * bench_axis_place(axis, value);
}

static double y_of(const struct bench_box *box, const struct bench_axis *axis, double value)
{
    return box->y + box->height * (1 - bench_axis_place(axis, value));
}

void bench_chart_x_axis(FILE *file, const struct bench_box *box, const struct bench_axis *axis)
{
    const double bottom = box->y + box->height;
    double ticks[BENCH_CHART_TICKS_MAX], free_from = -1e9;
    const size_t count = bench_axis_ticks(axis, ticks);

    for (size_t i = 0; i < count; i++) {
        const double x = x_of(box, axis, ticks[i]);
        char label[32];
        double half;

        bench_axis_label(ticks[i], label);
        half = bench_svg_text_width(label) / 2;
        bench_svg_line(file, x, box->y, x, bottom, BENCH_SVG_GRID);
        if (x - half >= free_from) {
            bench_svg_text(file, x, bottom + 16, BENCH_SVG_SMALL, BENCH_SVG_MIDDLE, label);
            free_from = x + half + 6;
        }
    }
    bench_svg_line(file, box->x, bottom, box->x + box->width, bottom, BENCH_SVG_AXIS);
    bench_svg_text(file, box->x + box->width / 2, bottom + 34, BENCH_SVG_LABEL, BENCH_SVG_MIDDLE,
                   axis->label);
}

static void draw_y_axis(FILE *file, const struct bench_box *box, const struct bench_axis *axis)
{
    double ticks[BENCH_CHART_TICKS_MAX];
    const size_t count = bench_axis_ticks(axis, ticks);

    for (size_t i = 0; i < count; i++) {
        const double y = y_of(box, axis, ticks[i]);
        char label[32];

        bench_axis_label(ticks[i], label);
        bench_svg_line(file, box->x, y, box->x + box->width, y, BENCH_SVG_GRID);
        bench_svg_text(file, box->x - 6, y + 4, BENCH_SVG_SMALL, BENCH_SVG_END, label);
    }
    bench_svg_line(file, box->x, box->y, box->x, box->y + box->height, BENCH_SVG_AXIS);
    if (axis->label != NULL) {
        bench_svg_text_up(file, box->x - 44, box->y + box->height / 2, axis->label);
    }
}

static void draw_line(FILE *file, const struct bench_box *box, const struct bench_axis *x_axis,
                      const struct bench_axis *y_axis, const struct bench_line *line)
{
    if (line->count > 1) {
        bench_svg_path_begin(file, line->colour);
        for (size_t i = 0; i < line->count; i++) {
            bench_svg_path_to(file, x_of(box, x_axis, line->points[i].x),
                              y_of(box, y_axis, line->points[i].y));
        }
        bench_svg_path_end(file);
    }
    for (size_t i = 0; i < line->count; i++) {
        const struct bench_point *point = &line->points[i];
        const double x = x_of(box, x_axis, point->x);
        const double low = y_of(box, y_axis, point->low), high = y_of(box, y_axis, point->high);

        if (low - high > 1) {
            bench_svg_whisker(file, x, low, x, high, line->colour);
        }
        bench_svg_mark(file, x, y_of(box, y_axis, point->y), line->colour);
    }
}

void bench_chart_panel(FILE *file, const struct bench_box *box, const char *title,
                       const struct bench_axis *x_axis, const struct bench_axis *y_axis,
                       size_t line_count, const struct bench_line *lines)
{
    CHECK(x_axis->is_fitted && y_axis->is_fitted);
    bench_chart_x_axis(file, box, x_axis);
    draw_y_axis(file, box, y_axis);
    bench_svg_text(file, box->x + box->width / 2, box->y - 10, BENCH_SVG_LABEL, BENCH_SVG_MIDDLE,
                   title);
    /* The first line lies on top. */
    for (size_t i = line_count; i-- > 0;) {
        draw_line(file, box, x_axis, y_axis, &lines[i]);
    }
}

void bench_chart_legend(FILE *file, double x, double y, size_t count, const char *const *names,
                        const size_t *colours)
{
    for (size_t i = 0; i < count; i++) {
        bench_svg_mark(file, x + 4, y - 4, colours[i]);
        bench_svg_text(file, x + 14, y, BENCH_SVG_LABEL, BENCH_SVG_START, names[i]);
        x += 14 + bench_svg_text_width(names[i]) + 18;
    }
}

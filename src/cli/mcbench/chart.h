/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Charts out of shapes: axes with ticks and units, lines of points with their intervals, rows of bars.
 *
 * Pure but for the file that is written. An axis is fitted to its values first and then only read.
 */
#ifndef LARDER_MCBENCH_CHART_H
#define LARDER_MCBENCH_CHART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { BENCH_CHART_TICKS_MAX = 40 };

struct bench_axis {
    const char *label; /* with the unit; borrowed */
    bool is_log;
    bool is_from_zero; /* linear: 0 is on it whatever the values */
    bool is_fitted;
    double min, max;
};

struct bench_box {
    double x, y, width, height; /* pixels; of the plot area, its labels lie outside */
};

struct bench_point {
    double x, y;
    double low, high; /* interval of y */
};

struct bench_line {
    size_t colour;
    size_t count;
    const struct bench_point *points; /* borrowed; by ascending x */
};

/* Widens the axis so that value is on it. A value from 0 down is left out of a logarithmic one. */
void bench_axis_include(struct bench_axis *axis, double value);
/* After the last value: out to round numbers. An axis without values becomes 0..1 (1..10). */
void bench_axis_round(struct bench_axis *axis);
/* 0 (min) .. 1 (max); what is beyond is cut off. */
double bench_axis_place(const struct bench_axis *axis, double value);
/* Returns how many; ascending, within the axis. */
size_t bench_axis_ticks(const struct bench_axis *axis, double ticks[BENCH_CHART_TICKS_MAX]);
/* "0.5", "250", "1k", "2.5M". */
void bench_axis_label(double value, char out[32]);

/* One plot of lines with its axes. y's label may be NULL: it stands beside another panel's. */
void bench_chart_panel(FILE *file, const struct bench_box *box, const char *title,
                       const struct bench_axis *x_axis, const struct bench_axis *y_axis,
                       size_t line_count, const struct bench_line *lines);

/* Vertical grid and labels of a horizontal axis alone, for charts of rows. */
void bench_chart_x_axis(FILE *file, const struct bench_box *box, const struct bench_axis *axis);

/* Marks with names in a row, from x to the right. */
void bench_chart_legend(FILE *file, double x, double y, size_t count, const char *const *names,
                        const size_t *colours);

#endif

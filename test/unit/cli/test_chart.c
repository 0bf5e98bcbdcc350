/* SPDX-License-Identifier: BSD-3-Clause */
/* Axes and shapes: ticks and places of axes, and one small drawing, byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/mcbench/chart.h"
#include "cli/mcbench/svg.h"

/* Ticks as text: "0 20k 40k". */
static const char *show_ticks(const struct bench_axis *axis, char out[512])
{
    double ticks[BENCH_CHART_TICKS_MAX];
    const size_t count = bench_axis_ticks(axis, ticks);
    size_t used = 0;

    out[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        char label[32];

        bench_axis_label(ticks[i], label);
        used += (size_t)snprintf(out + used, 512 - used, "%s%s", i > 0 ? " " : "", label);
    }
    return out;
}

static void test_axes(void **state)
{
    static const struct {
        bool is_log, is_from_zero;
        double low, high;
        const char *ticks;
    } rows[] = {
        {false, false, 31, 48, "30 35 40 45 50"},
        {false, true, 31, 48, "0 10 20 30 40 50"},
        {false, true, 20000, 120000, "0 50k 100k 150k"},
        {false, true, 0.3, 7.9, "0 2 4 6 8"},
        {false, false, -3, 4, "-4 -2 0 2 4"},
        {false, false, 5, 5, "5 5.2 5.4 5.6 5.8 6"},
        {true, false, 0.9, 7.6, "0.5 1 2 5 10"},
        {true, false, 1, 10, "1 2 5 10"},
        {true, false, 28, 31000, "100 1k 10k"},
        {true, false, 3, 2e6, "10 100 1k 10k 100k 1M"},
        {true, false, 1000, 1000, "1k 2k 5k 10k"},
    };
    char text[512];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bench_axis axis = {.is_log = rows[i].is_log, .is_from_zero = rows[i].is_from_zero};

        bench_axis_include(&axis, rows[i].low);
        bench_axis_include(&axis, rows[i].high);
        bench_axis_include(&axis, (double)NAN);
        bench_axis_round(&axis);
        assert_string_equal(show_ticks(&axis, text), rows[i].ticks);
        assert_true(axis.min <= rows[i].low && axis.max >= rows[i].high);
    }
}

static void test_places(void **state)
{
    struct bench_axis linear = {0}, log = {.is_log = true}, none = {.is_log = true};

    (void)state;
    bench_axis_include(&linear, 10);
    bench_axis_include(&linear, 20);
    bench_axis_round(&linear);
    assert_true(fabs(bench_axis_place(&linear, 15) - 0.5) < 1e-12);
    assert_true(fabs(bench_axis_place(&linear, 99) - 1) < 1e-12); /* cut off, not outside */
    bench_axis_include(&log, 1);
    bench_axis_include(&log, 100);
    bench_axis_include(&log, 0); /* has no place */
    bench_axis_include(&log, -5);
    bench_axis_round(&log);
    assert_true(fabs(bench_axis_place(&log, 10) - 0.5) < 1e-12);
    assert_true(fabs(bench_axis_place(&log, 0)) < 1e-12);
    bench_axis_round(&none);
    assert_true(none.min > 0 && none.max > none.min);
}

static void test_labels(void **state)
{
    static const struct {
        double value;
        const char *text;
    } rows[] = {{0, "0"},     {0.5, "0.5"},      {999, "999"},
                {1000, "1k"}, {2500000, "2.5M"}, {-1e9, "-1G"}};
    char label[32];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bench_axis_label(rows[i].value, label);
        assert_string_equal(label, rows[i].text);
    }
}

/* What comes from a file does not become markup. */
static void test_escape(void **state)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);

    (void)state;
    bench_svg_escape(file, "<a href=\"x\">&\x01\n\xc2\xb5</a>");
    assert_int_equal(fclose(file), 0);
    assert_string_equal(text, "&lt;a href=&quot;x&quot;&gt;&amp;  \xc2\xb5&lt;/a&gt;");
    free(text);
}

static void test_drawing(void **state)
{
    static const struct bench_point points[] = {{1, 10, 8, 12}, {2, 20, 20, 20}};
    const struct bench_line line = {.colour = 1, .count = 2, .points = points};
    const struct bench_box box = {50, 20, 100, 80};
    struct bench_axis x_axis = {.label = "threads"},
                      y_axis = {.label = "hits, %", .is_from_zero = true};
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);

    (void)state;
    bench_axis_include(&x_axis, 1);
    bench_axis_include(&x_axis, 2);
    bench_axis_include(&y_axis, 20);
    x_axis.min = 0; /* as if rounded */
    y_axis.min = 0;
    bench_chart_panel(file, &box, "a < b", &x_axis, &y_axis, 1, &line);
    assert_int_equal(fclose(file), 0);
    assert_string_equal(
        strstr(text, "<text class=\"l\" x=\"100.0\" y=\"10.0\""),
        "<text class=\"l\" x=\"100.0\" y=\"10.0\" text-anchor=\"middle\">a &lt; b</text>\n"
        "<polyline class=\"p c c1\" points=\"100.0,60.0 150.0,20.0 \"/>\n"
        "<path class=\"w c c1\" d=\"M100.0 68.0L100.0 52.0\"/>\n"
        "<path class=\"f c1\" d=\"M100.0 60.0m-3.2 -3.2h6.4v6.4h-6.4zz\"/>\n"
        "<path class=\"f c1\" d=\"M150.0 20.0m-3.2 -3.2h6.4v6.4h-6.4zz\"/>\n");
    assert_non_null(strstr(text, ">threads</text>"));
    assert_non_null(strstr(text, "rotate(-90)\">hits, %</text>"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_axes),    cmocka_unit_test(test_places),
        cmocka_unit_test(test_labels),  cmocka_unit_test(test_escape),
        cmocka_unit_test(test_drawing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

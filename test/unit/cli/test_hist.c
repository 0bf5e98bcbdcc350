/* SPDX-License-Identifier: BSD-3-Clause */
/* Histograms: steps, percentiles, and the log. test/integration has HdrHistogram's own reader read it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "cli/mcbench/hist.h"

static const uint64_t HOUR_NS = UINT64_C(3600) * 1000 * 1000 * 1000;

static int setup(void **state)
{
    *state = bench_hist_create();
    return *state == NULL;
}

static int teardown(void **state)
{
    struct bench_hist *hist = *state;

    bench_hist_destroy(&hist);
    assert_null(hist);
    bench_hist_destroy(&hist);
    return 0;
}

static void test_empty(void **state)
{
    const struct bench_hist *hist = *state;

    assert_int_equal(bench_hist_count(hist), 0);
    assert_int_equal(bench_hist_percentile(hist, 50), 0);
    assert_int_equal(bench_hist_min(hist), 0);
    assert_int_equal(bench_hist_max(hist), 0);
    assert_true(bench_hist_mean(hist) < 1e-9);
}

/* What HdrHistogram 2.1 answers for these with the same bounds: its lowestEquivalentValue and highestEquivalentValue. */
static void test_steps(void **state)
{
    struct bench_hist *hist = *state;
    static const struct {
        uint64_t value, low, high;
    } rows[] = {
        {0, 0, 0},
        {1, 1, 1},
        {1023, 1023, 1023},
        {1024, 1024, 1024},
        {2047, 2047, 2047},
        {2048, 2048, 2049},
        {2049, 2048, 2049},
        {4095, 4094, 4095},
        {4096, 4096, 4099},
        {1000000, 999936, 1000447},
        {1000000000, 999817216, 1000341503},
        {UINT64_C(3600000000000), UINT64_C(3599182594048), UINT64_C(3601330077695)},
        {UINT64_C(3600000000001), UINT64_C(3599182594048), UINT64_C(3601330077695)},
        {UINT64_MAX, UINT64_C(3599182594048), UINT64_C(3601330077695)},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bench_hist_reset(hist);
        bench_hist_record(hist, rows[i].value);
        assert_int_equal(bench_hist_count(hist), 1);
        assert_int_equal(bench_hist_min(hist), rows[i].low);
        assert_int_equal(bench_hist_max(hist), rows[i].high);
    }
}

/* Every value comes back within a thousandth, never below itself, in steps that ascend. */
static void test_precision(void **state)
{
    struct bench_hist *hist = *state;
    uint64_t before = 0;

    for (uint64_t value = 1; value < HOUR_NS; value += value / 700 + 1) {
        uint64_t high;

        bench_hist_reset(hist);
        bench_hist_record(hist, value);
        high = bench_hist_percentile(hist, 50);
        assert_true(high >= value && high >= before);
        assert_true(high - bench_hist_min(hist) <= value / 1000);
        assert_true(bench_hist_min(hist) <= value);
        before = high;
    }
}

static void test_percentiles(void **state)
{
    struct bench_hist *hist = *state;

    for (uint64_t value = 1; value <= 1000; value++) {
        bench_hist_record(hist, value);
    }
    assert_int_equal(bench_hist_count(hist), 1000);
    assert_int_equal(bench_hist_percentile(hist, 0), 1);
    assert_int_equal(bench_hist_percentile(hist, 0.1), 1);
    assert_int_equal(bench_hist_percentile(hist, 50), 500);
    assert_int_equal(bench_hist_percentile(hist, 90), 900);
    assert_int_equal(bench_hist_percentile(hist, 99.9), 999);
    assert_int_equal(bench_hist_percentile(hist, 99.91), 1000);
    assert_int_equal(bench_hist_percentile(hist, 100), 1000);
    assert_true(fabs(bench_hist_mean(hist) - 500.5) < 1e-9);
}

static void test_merge(void **state)
{
    struct bench_hist *hist = *state;
    struct bench_hist *other = bench_hist_create();

    bench_hist_record(hist, 10);
    bench_hist_record(other, 10);
    bench_hist_record(other, 5000);
    bench_hist_merge(hist, other);
    assert_int_equal(bench_hist_count(hist), 3);
    assert_int_equal(bench_hist_percentile(hist, 60), 10);
    assert_int_equal(bench_hist_max(hist), 5003);
    assert_int_equal(bench_hist_count(other), 2);
    bench_hist_destroy(&other);
}

/* Base64 and zlib of a payload undone; `raw` has room for raw_size bytes. Returns how many there are. */
static size_t unpack(const char *payload, size_t raw_size, unsigned char *raw)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const size_t size = strspn(payload, digits);
    unsigned char packed[512];
    uLongf unpacked_size = raw_size;

    assert_true(size / 4 * 3 + 3 <= sizeof packed);
    for (size_t i = 0; i < size; i++) {
        const uint32_t six = (uint32_t)(strchr(digits, payload[i]) - digits);
        const size_t at = i * 6 / 8;

        switch (i % 4) {
        case 0:
            packed[at] = (unsigned char)(six << 2);
            break;
        case 1:
            packed[at] |= (unsigned char)(six >> 4);
            packed[at + 1] = (unsigned char)(six << 4);
            break;
        case 2:
            packed[at] |= (unsigned char)(six >> 2);
            packed[at + 1] = (unsigned char)(six << 6);
            break;
        default:
            packed[at] |= (unsigned char)six;
            break;
        }
    }
    assert_memory_equal(packed, "\x1c\x84\x93\x14\0\0\0", 7);
    assert_int_equal(packed[7], size * 6 / 8 - 8);
    assert_int_equal(uncompress(raw, &unpacked_size, packed + 8, packed[7]), Z_OK);
    return unpacked_size;
}

/* By the format's description; HdrHistogram 2.1.11 (Java) and hdr-histogram-js 3.0.1 read it, too. */
static void test_log(void **state)
{
    static const char head[] = "#[Histogram log format version 1.3]\n"
                               "#[StartTime: 1441812279.474 (seconds since epoch), "
                               "Wed Sep 09 15:24:39 UTC 2015]\n"
                               "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\","
                               "\"Interval_Compressed_Histogram\"\n";
    static const char first[] = "Tag=none,1441812279.500,1.000,0.000,";
    static const char second[] = "\n1441812280.500,2.250,1.500,";
    static const char raw_second[] = "\x1c\x84\x93\x13\0\0\0\x08\0\0\0\0\0\0\0\x03"
                                     "\0\0\0\0\0\0\0\x01\0\0\x03\x46\x30\xb8\xa0\0"
                                     "\x3f\xf0\0\0\0\0\0\0"
                                     "\0\x02\0\x02\xe7\xb6\x01\x02"; /* 11700 zeros are 0x5b67 */
    struct bench_hist *hist = *state;
    unsigned char raw[256];
    char *text = NULL;
    size_t size = 0;
    const char *at;
    FILE *file = open_memstream(&text, &size);

    assert_int_equal(bench_hist_log_begin(file, 1441812279.4744), 0);
    assert_int_equal(bench_hist_log_write(file, hist, "none", 1441812279.5, 1), 0);
    bench_hist_record(hist, 1);
    bench_hist_record(hist, 3);
    bench_hist_record(hist, 1500000);
    assert_int_equal(bench_hist_log_write(file, hist, NULL, 1441812280.5, 2.25), 0);
    assert_int_equal(fclose(file), 0);

    assert_memory_equal(text, head, strlen(head));
    at = text + strlen(head);
    assert_memory_equal(at, first, strlen(first));
    assert_int_equal(unpack(at + strlen(first), sizeof raw, raw), 41);
    assert_int_equal(raw[40], 0);
    at = strchr(at, '\n');
    assert_memory_equal(at, second, strlen(second));
    assert_int_equal(unpack(at + strlen(second), sizeof raw, raw), sizeof raw_second - 1);
    assert_memory_equal(raw, raw_second, sizeof raw_second - 1);
    assert_string_equal(text + size - 1, "\n");
    free(text);
}

static void test_log_fails(void **state)
{
    struct bench_hist *hist = *state;
    FILE *full = fopen("/dev/full", "we");

    assert_non_null(full);
    setbuf(full, NULL);
    assert_int_equal(bench_hist_log_begin(full, 1), -ENOSPC);
    assert_int_equal(bench_hist_log_write(full, hist, "a", 1, 1), -ENOSPC);
    (void)fclose(full);
    assert_int_equal(bench_hist_log_begin(stderr, 1e300), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_empty, setup, teardown),
        cmocka_unit_test_setup_teardown(test_steps, setup, teardown),
        cmocka_unit_test_setup_teardown(test_precision, setup, teardown),
        cmocka_unit_test_setup_teardown(test_percentiles, setup, teardown),
        cmocka_unit_test_setup_teardown(test_merge, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log_fails, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

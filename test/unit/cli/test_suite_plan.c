/* SPDX-License-Identifier: BSD-3-Clause */
/* What the suite decides beforehand: whose turn it is, on which CPUs, and how files are called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/mcbench/suite.h"

static void everybody_has_a_turn(void **state)
{
    (void)state;
    for (size_t count = 1; count < 7; count++) {
        for (uint32_t round = 0; round < 7; round++) {
            uint32_t seen = 0;

            for (size_t place = 0; place < count; place++) {
                seen |= 1u << bench_suite_turn(round, 3, place, count);
            }
            assert_int_equal(seen, (1u << count) - 1);
        }
    }
}

static void everybody_is_first_once(void **state)
{
    const size_t count = 5;
    uint32_t by_round = 0;
    uint32_t by_row = 0;

    (void)state;
    for (uint32_t i = 0; i < count; i++) {
        by_round |= 1u << bench_suite_turn(i, 2, 0, count);
        by_row |= 1u << bench_suite_turn(1, i, 0, count);
    }
    assert_int_equal(by_round, (1u << count) - 1);
    assert_int_equal(by_row, (1u << count) - 1);
}

static void cpus_are_the_first_that_are_usable(void **state)
{
    static const int usable[] = {1, 3, 5, 7};
    const struct bench_suite_cpus given = {.server_count = 0};
    struct bench_suite_cpus cpus;

    (void)state;
    assert_true(bench_suite_choose_cpus(&given, 4, usable, 1, 1, &cpus));
    assert_int_equal(cpus.server[0], 1);
    assert_int_equal(cpus.load[0], 3);
    assert_true(bench_suite_choose_cpus(&given, 4, usable, 2, 2, &cpus));
    assert_int_equal(cpus.server_count, 2);
    assert_int_equal(cpus.server[1], 3);
    assert_int_equal(cpus.load[1], 7);
    assert_false(bench_suite_choose_cpus(&given, 4, usable, 3, 2, &cpus));
    assert_false(bench_suite_choose_cpus(&given, 1, usable, 1, 1, &cpus));
}

static void given_cpus_are_taken(void **state)
{
    static const int usable[] = {0, 1, 2, 3};
    const struct bench_suite_cpus server = {.server_count = 1, .server = {2}};
    const struct bench_suite_cpus load = {.load_count = 2, .load = {0, 1}};
    struct bench_suite_cpus cpus;

    (void)state;
    assert_true(bench_suite_choose_cpus(&server, 4, usable, 1, 3, &cpus));
    assert_int_equal(cpus.server[0], 2);
    assert_int_equal(cpus.load[2], 3);
    assert_false(bench_suite_choose_cpus(&server, 4, usable, 2, 1, &cpus));
    assert_true(bench_suite_choose_cpus(&load, 4, usable, 2, 2, &cpus));
    assert_int_equal(cpus.server[0], 2);
    assert_int_equal(cpus.server[1], 3);
    assert_false(bench_suite_choose_cpus(&load, 4, usable, 1, 3, &cpus));
}

static void expect_name(const char *processor, const char *expected)
{
    char out[BENCH_NAME_MAX];

    bench_suite_file_name("2026-11-21T13:00:00Z", processor, 2, out);
    assert_string_equal(out, expected);
}

static void files_are_named_for_the_processor(void **state)
{
    (void)state;
    expect_name("AMD EPYC 9575F 64-Core Processor", "2026-11-21-amd-epyc-9575f-2cpu");
    expect_name("Intel(R) Xeon(R) CPU @ 2.20GHz", "2026-11-21-intel-xeon-2cpu");
    expect_name("AMD EPYC", "2026-11-21-amd-epyc-2cpu");
    expect_name("", "2026-11-21-2cpu");
    expect_name("../x/<b>", "2026-11-21-x-b-2cpu");
    expect_name("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa b c d",
                "2026-11-21-aaaaaaaaaaaaaaa-b-c-2cpu");
}

static void expect_shown(const char *line, const char *expected)
{
    char out[BENCH_COMMAND_MAX];

    bench_suite_show_line(line, out);
    assert_string_equal(out, expected);
}

static void folders_are_not_shown(void **state)
{
    (void)state;
    expect_shown("/opt/a b/memcached -t 1", "a b/memcached -t 1"); /* a word ends at its blank */
    expect_shown("'/opt/a b/memcached' -t 1 -s /x", "memcached -t 1 -s /x");
    expect_shown("\"/opt/x\"", "x");
    expect_shown("larderd {listen}", "larderd {listen}");
    expect_shown("", "");
    expect_shown("'", "");
}

static void the_empty_server_is_left_out_where_it_does_not_fit(void **state)
{
    const struct bench_suite_server cache = {.kind = BENCH_SUITE_CACHE};
    const struct bench_suite_server empty = {.kind = BENCH_SUITE_EMPTY};
    struct bench_workload workload;

    (void)state;
    bench_workload_get(0, &workload);
    assert_true(bench_suite_fits(&cache, &workload));
    assert_true(bench_suite_fits(&empty, &workload));
    workload.work.value_sizes.kind = BENCH_SIZE_ETC;
    assert_true(bench_suite_fits(&cache, &workload));
    assert_false(bench_suite_fits(&empty, &workload));
}

static void redis_is_left_out_where_it_does_not_fit(void **state)
{
    const struct bench_suite_server redis = {.kind = BENCH_SUITE_REDIS};
    struct bench_workload workload;

    (void)state;
    bench_workload_get(0, &workload);
    assert_true(bench_suite_fits(&redis, &workload));
    workload.server_threads = 2;
    assert_false(bench_suite_fits(&redis, &workload));
    workload.server_threads = 1;
    workload.work.protocol = BENCH_META;
    assert_false(bench_suite_fits(&redis, &workload));
    workload.work.protocol = BENCH_TEXT;
    workload.work.noreply = true;
    assert_false(bench_suite_fits(&redis, &workload));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everybody_has_a_turn),
        cmocka_unit_test(everybody_is_first_once),
        cmocka_unit_test(cpus_are_the_first_that_are_usable),
        cmocka_unit_test(given_cpus_are_taken),
        cmocka_unit_test(files_are_named_for_the_processor),
        cmocka_unit_test(folders_are_not_shown),
        cmocka_unit_test(the_empty_server_is_left_out_where_it_does_not_fit),
        cmocka_unit_test(redis_is_left_out_where_it_does_not_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

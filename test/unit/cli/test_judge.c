/* SPDX-License-Identifier: BSD-3-Clause */
/* The run's self-check: what is void, and what only sounds like it. And the words for people beside it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "cli/mcbench/exchange.h"
#include "cli/mcbench/judge.h"
#include "cli/mcbench/progress.h"

static const uint64_t second_ns = 1000000000;

/* A second of two lanes in which all went well. */
static void a_run(enum bench_arrival arrival, struct bench_plan *plan, struct bench_result *result)
{
    *plan = (struct bench_plan){.server = 1, .work = {.lanes = 2, .arrival = arrival}};
    *result = (struct bench_result){
        .wall_ns = second_ns,
        .requests = 100000,
        .late = 1000,
        .server = {.run_ns = second_ns, .wait_ns = 0},
        .load = {.run_ns = 2 * second_ns, .wait_ns = second_ns / 10},
        .load_busy_ns = second_ns,
    };
}

static void assert_void(const struct bench_result *result, const char *reason)
{
    assert_true(result->is_void);
    assert_non_null(strstr(result->reason, reason));
}

static void test_good_runs(void **state)
{
    struct bench_plan plan;
    struct bench_result result;

    (void)state;
    a_run(BENCH_CLOSED, &plan, &result);
    bench_judge(&plan, &result, second_ns / 20, 0.05);
    assert_false(result.is_void);
    assert_string_equal(result.reason, "");
    a_run(BENCH_POISSON, &plan, &result);
    bench_judge(&plan, &result, second_ns / 20, 0.05);
    assert_false(result.is_void);
    assert_false(result.is_load_bound);
}

static void test_late_sends(void **state)
{
    struct bench_plan plan;
    struct bench_result result;

    (void)state;
    a_run(BENCH_BURSTS, &plan, &result);
    result.late = 1100;
    bench_judge(&plan, &result, 0, 0);
    assert_void(&result, "1.1 % of the requests were sent more than 1 ms late");
    /* A closed loop has no due times. */
    a_run(BENCH_CLOSED, &plan, &result);
    result.late = 1100;
    bench_judge(&plan, &result, 0, 0);
    assert_false(result.is_void);
}

static void test_a_generator_without_time_left(void **state)
{
    struct bench_plan plan;
    struct bench_result result;

    (void)state;
    a_run(BENCH_POISSON, &plan, &result);
    result.load_busy_ns = second_ns * 19 / 10;
    bench_judge(&plan, &result, 0, 0);
    assert_void(&result, "something to do for 95 %");
    /* A closed loop goes as fast as the slower of both; only which one it was is said. */
    a_run(BENCH_CLOSED, &plan, &result);
    result.load_busy_ns = second_ns * 2;
    result.server.run_ns = second_ns / 2;
    bench_judge(&plan, &result, 0, 0);
    assert_false(result.is_void);
    assert_true(result.is_load_bound);
    result.server.run_ns = second_ns;
    bench_judge(&plan, &result, 0, 0);
    assert_false(result.is_load_bound);
}

static void test_shared_cores(void **state)
{
    struct bench_plan plan;
    struct bench_result result;

    (void)state;
    a_run(BENCH_CLOSED, &plan, &result);
    result.load.wait_ns = second_ns * 12 / 100;
    bench_judge(&plan, &result, 0, 0);
    assert_void(&result, "waited for its CPU for 6 %");
    a_run(BENCH_CLOSED, &plan, &result);
    result.server.run_ns = second_ns * 9 / 10;
    bench_judge(&plan, &result, second_ns / 10, 0);
    assert_void(&result, "the server waited for its CPU for 10 %");
    /* A server that sleeps in between waits a little at every waking. */
    result.server.run_ns = second_ns / 2;
    bench_judge(&plan, &result, second_ns / 10, 0);
    assert_false(result.is_void);
    a_run(BENCH_CLOSED, &plan, &result);
    bench_judge(&plan, &result, 0, 0.06);
    assert_void(&result, "hypervisor took 6 %");
}

static void test_all_reasons_are_named(void **state)
{
    struct bench_plan plan;
    struct bench_result result;

    (void)state;
    a_run(BENCH_POISSON, &plan, &result);
    result.late = result.requests;
    result.load_busy_ns = result.load.run_ns;
    result.load.wait_ns = result.load.run_ns;
    bench_judge(&plan, &result, second_ns, 1);
    assert_void(&result, "100.0 % of the requests");
    assert_void(&result, "; the generator had something to do");
    assert_void(&result, "; the hypervisor took 100 %");
    assert_true(strlen(result.reason) < BENCH_REASON_MAX);
    a_run(BENCH_POISSON, &plan, &result);
    result.requests = 0;
    bench_judge(&plan, &result, 0, 0);
    assert_void(&result, "nothing was answered");
}

static void test_an_exchange_is_shown_in_hexadecimal_and_text(void **state)
{
    char out[400] = "x";
    size_t used = 1;

    (void)state;
    bench_exchange_write("request", BASE_SLICE("get k\r\n"), out, sizeof(out), &used);
    assert_string_equal(out,
                        "x  request, 7 bytes:\n"
                        "    000000  67 65 74 20 6b 0d 0a                             |get k..|\n");
    assert_int_equal(used, strlen(out));
}

static void test_an_exchange_is_bounded(void **state)
{
    char bytes[1000];
    char out[4096];
    char small[100];
    size_t used = 0;

    (void)state;
    memset(bytes, 'a', sizeof(bytes));
    bench_exchange_write("received", (struct base_slice){bytes, sizeof(bytes)}, out, sizeof(out),
                         &used);
    assert_non_null(strstr(out, "    0000f0 "));
    assert_null(strstr(out, "    000100 "));
    assert_non_null(strstr(out, "... and 744 more"));
    used = 0;
    bench_exchange_write("received", (struct base_slice){bytes, sizeof(bytes)}, small,
                         sizeof(small), &used);
    assert_int_equal(used, sizeof(small) - 1);
    assert_int_equal(strlen(small), used);
}

static void test_the_progress_line(void **state)
{
    char line[BENCH_PROGRESS_LINE_MAX];
    const struct bench_progress_state storing = {.answered = 12345, .expected = 1000000};
    struct bench_progress_state running = {
        .elapsed_s = 3, .length_s = 10, .answered_per_s = 123456};

    (void)state;
    assert_string_equal(bench_progress_write(&storing, line), "storing keys: 12 of 1000 thousand");
    assert_string_equal(bench_progress_write(&running, line),
                        "3 of 10 s: 123.5 thousand requests/s");
    running.p99_ns = 1234567;
    assert_string_equal(bench_progress_write(&running, line),
                        "3 of 10 s: 123.5 thousand requests/s, 99 % within 1.235 ms");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_runs),
        cmocka_unit_test(test_late_sends),
        cmocka_unit_test(test_a_generator_without_time_left),
        cmocka_unit_test(test_shared_cores),
        cmocka_unit_test(test_all_reasons_are_named),
        cmocka_unit_test(test_an_exchange_is_shown_in_hexadecimal_and_text),
        cmocka_unit_test(test_an_exchange_is_bounded),
        cmocka_unit_test(test_the_progress_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* The open loop's decisions, on a clock of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/mcbench/pace.h"

static const uint64_t moments[] = {100, 200, 200, 300, 5000000};

static struct bench_pace a_pace(void)
{
    struct bench_pace pace;

    bench_pace_init(&pace, moments, 5, 1000);
    return pace;
}

static void test_what_has_come_is_due(void **state)
{
    struct bench_pace pace = a_pace();

    (void)state;
    assert_int_equal(bench_pace_due(&pace, 1099), 0);
    assert_int_equal(bench_pace_due(&pace, 1100), 1);
    assert_int_equal(bench_pace_due(&pace, 1200), 3);
    assert_int_equal(bench_pace_take(&pace), 1100);
    assert_int_equal(bench_pace_due(&pace, 1200), 2);
    assert_int_equal(bench_pace_take(&pace), 1200);
    assert_int_equal(bench_pace_take(&pace), 1200);
    assert_int_equal(bench_pace_due(&pace, 1299), 0);
    assert_int_equal(bench_pace_due(&pace, UINT64_MAX), 2);
}

static void test_requests_are_spread_over_connections(void **state)
{
    (void)state;
    assert_int_equal(bench_pace_share(1, 50, 16), 1);
    assert_int_equal(bench_pace_share(50, 50, 16), 1);
    assert_int_equal(bench_pace_share(51, 50, 16), 2);
    assert_int_equal(bench_pace_share(1000, 10, 16), 16); /* no more than there is room for */
    assert_int_equal(bench_pace_share(7, 1, 16), 7);
    assert_int_equal(bench_pace_share(UINT64_MAX, 1, 16), 16);
}

static void test_late_by_own_fault(void **state)
{
    struct bench_pace pace = a_pace();

    (void)state;
    assert_false(bench_pace_is_late(&pace, 1100, 1100));
    assert_false(bench_pace_is_late(&pace, 1100, 1100 + BENCH_PACE_LATE_NS));
    assert_true(bench_pace_is_late(&pace, 1100, 1101 + BENCH_PACE_LATE_NS));
}

static void test_late_for_want_of_room_is_the_servers_doing(void **state)
{
    struct bench_pace pace = a_pace();

    (void)state;
    bench_pace_block(&pace);
    bench_pace_block(&pace);
    bench_pace_unblock(&pace, 9000000);
    bench_pace_unblock(&pace, 9900000); /* there was room already */
    assert_false(bench_pace_is_late(&pace, 1100, 9000000));
    assert_false(bench_pace_is_late(&pace, 1100, 9000000 + BENCH_PACE_LATE_NS));
    assert_true(bench_pace_is_late(&pace, 1100, 9000001 + BENCH_PACE_LATE_NS));
    /* What becomes due afterwards has no excuse. */
    assert_true(bench_pace_is_late(&pace, 20000000, 20000001 + BENCH_PACE_LATE_NS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_has_come_is_due),
        cmocka_unit_test(test_requests_are_spread_over_connections),
        cmocka_unit_test(test_late_by_own_fault),
        cmocka_unit_test(test_late_for_want_of_room_is_the_servers_doing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

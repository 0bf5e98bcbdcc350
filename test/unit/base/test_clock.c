/* SPDX-License-Identifier: BSD-3-Clause */
/* The cache clock on a made-up monotonic clock: its seconds, its conversions, and its shift. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdbool.h>

#include "base/clock.h"
#include "base/limits.h"

static const uint64_t second_ns = 1000000000;
static const int64_t real_s = 1700000000; /* a day in November 2023 */

static void test_seconds_of_the_monotonic_clock(void **state)
{
    struct base_clock clock;

    (void)state;
    base_clock_init(&clock, 100 * second_ns + 900000000, real_s);
    assert_int_equal(base_clock_now_s(&clock), 2);
    assert_true(base_clock_started_real_s(&clock) == real_s - 2);
    base_clock_update(&clock, 100 * second_ns + 999999999);
    assert_int_equal(base_clock_now_s(&clock), 2);
    base_clock_update(&clock, 101 * second_ns);
    assert_int_equal(base_clock_now_s(&clock), 3);
    base_clock_update(&clock, 100 * second_ns + 86400 * second_ns);
    assert_int_equal(base_clock_now_s(&clock), 86402);
}

static void test_start_right_after_boot(void **state)
{
    struct base_clock clock;

    (void)state;
    base_clock_init(&clock, 0, real_s);
    assert_int_equal(base_clock_now_s(&clock), 2);
    base_clock_update(&clock, 3 * second_ns);
    assert_int_equal(base_clock_now_s(&clock), 5);
}

static void test_relative_expiry(void **state)
{
    struct base_clock clock;

    (void)state;
    base_clock_init(&clock, 50 * second_ns, real_s);
    base_clock_update(&clock, 60 * second_ns); /* now 12 */
    assert_int_equal(base_clock_expiry(&clock, 0), 0);
    assert_int_equal(base_clock_expiry(&clock, 1), 13);
    assert_int_equal(base_clock_expiry(&clock, 2592000), 12 + 2592000);
    assert_int_equal(base_clock_expiry(&clock, -1), 1);
    assert_int_equal(base_clock_expiry(&clock, INT32_MIN), 1);
    assert_int_equal(base_clock_expiry(&clock, INT64_MIN), 1);
}

static void test_absolute_expiry(void **state)
{
    struct base_clock clock;

    (void)state;
    base_clock_init(&clock, 50 * second_ns, real_s);
    base_clock_update(&clock, 60 * second_ns); /* now 12, real_s + 10 */
    assert_int_equal(base_clock_expiry(&clock, 2592001), 1);
    assert_int_equal(base_clock_expiry(&clock, real_s - 2), 1);
    assert_int_equal(base_clock_expiry(&clock, real_s - 1000), 1);
    assert_int_equal(base_clock_expiry(&clock, real_s + 10), base_clock_now_s(&clock));
    assert_int_equal(base_clock_expiry(&clock, real_s + 11), base_clock_now_s(&clock) + 1);
    assert_true(base_clock_expiry(&clock, INT64_MAX) == UINT32_MAX);
    assert_true(base_clock_expiry(&clock, real_s - 2 + (int64_t)UINT32_MAX + 1) == UINT32_MAX);
}

static void test_shift(void **state)
{
    struct base_clock clock;

    (void)state;
    base_clock_init(&clock, 50 * second_ns, real_s);
    base_clock_shift(&clock, 100);
    assert_int_equal(base_clock_now_s(&clock), 102);
    base_clock_update(&clock, 51 * second_ns);
    assert_int_equal(base_clock_now_s(&clock), 103);
    base_clock_shift(&clock, -20);
    assert_int_equal(base_clock_now_s(&clock), 83);
    base_clock_shift(&clock, INT32_MIN);
    assert_int_equal(base_clock_now_s(&clock), 2);
    base_clock_update(&clock, 52 * second_ns);
    assert_int_equal(base_clock_now_s(&clock), 3);
}

static void *shift_often(void *argument)
{
    struct base_clock *clock = argument;

    for (int i = 0; i < 20000; i++) {
        base_clock_shift(clock, 1);
    }
    return NULL;
}

static void test_shift_beside_updates(void **state)
{
    struct base_clock clock;
    pthread_t thread;

    (void)state;
    base_clock_init(&clock, 50 * second_ns, real_s);
    assert_int_equal(pthread_create(&thread, NULL, shift_often, &clock), 0);
    for (uint64_t i = 0; i <= 20000; i++) {
        base_clock_update(&clock, (50 + i) * second_ns);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(base_clock_now_s(&clock), 2 + 20000 + 20000);
}

static void test_system_clocks(void **state)
{
    const uint64_t before_ns = base_clock_monotonic_ns();

    (void)state;
    assert_true(base_clock_monotonic_ns() >= before_ns);
    assert_true(base_clock_real_s() > real_s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seconds_of_the_monotonic_clock),
        cmocka_unit_test(test_start_right_after_boot),
        cmocka_unit_test(test_relative_expiry),
        cmocka_unit_test(test_absolute_expiry),
        cmocka_unit_test(test_shift),
        cmocka_unit_test(test_shift_beside_updates),
        cmocka_unit_test(test_system_clocks),
    };

    return cmocka_run_group_tests_name("base/clock", tests, NULL, NULL);
}

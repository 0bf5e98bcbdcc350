/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Schedules: the gaps are a Poisson process's, bursts are whole, and a seed gives the same moments.
 * Seeds are fixed; bounds are five standard deviations.
 */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cli/mcbench/schedule.h"

static const uint64_t SECOND_NS = 1000000000;

static struct bench_work plain_work(enum bench_arrival arrival)
{
    return (struct bench_work){.arrival = arrival,
                               .rate = 10000,
                               .burst_size = arrival == BENCH_BURSTS ? 10 : 0,
                               .lanes = 1,
                               .seed = 7};
}

static struct bench_schedule draw(const struct bench_work *work, uint32_t lane, uint64_t length_ns)
{
    struct bench_schedule schedule;

    assert_int_equal(bench_schedule_init(&schedule, work, lane, length_ns), 0);
    for (uint64_t i = 0; i < schedule.count; i++) {
        assert_true(schedule.due_ns[i] < length_ns);
        assert_true(i == 0 || schedule.due_ns[i] >= schedule.due_ns[i - 1]);
    }
    return schedule;
}

static void assert_near(double value, double expected, double deviation)
{
    if (fabs(value - expected) > 5 * deviation) {
        fail_msg("%g, %g expected, standard deviation %g", value, expected, deviation);
    }
}

/* The gaps' mean and variance, their shares below some bounds, and the requests per millisecond: mean and variance, too. */
static void test_poisson(void **state)
{
    const struct bench_work work = plain_work(BENCH_POISSON);
    struct bench_schedule schedule = draw(&work, 0, 100 * SECOND_NS);
    const double n = (double)schedule.count;
    const double mean_ns = 1e5;
    double sum = 0;
    double square_sum = 0;
    double below[3] = {0};

    (void)state;
    assert_near(n, 1e6, 1e3);
    for (uint64_t i = 0; i < schedule.count; i++) {
        const double gap = (double)(schedule.due_ns[i] - (i > 0 ? schedule.due_ns[i - 1] : 0));

        sum += gap;
        square_sum += (gap - mean_ns) * (gap - mean_ns);
        below[0] += gap < mean_ns / 10;
        below[1] += gap < mean_ns;
        below[2] += gap < mean_ns * 3;
    }
    assert_near(sum / n, mean_ns, mean_ns / sqrt(n));
    /* The fourth central moment of the exponential distribution is 9. */
    assert_near(square_sum / n, mean_ns * mean_ns, mean_ns * mean_ns * sqrt(8 / n));
    for (int i = 0; i < 3; i++) {
        const double share = 1 - exp(i == 0 ? -0.1 : i == 1 ? -1 : -3);

        assert_near(below[i] / n, share, sqrt(share * (1 - share) / n));
    }
    bench_schedule_fini(&schedule);
}

static void test_requests_per_millisecond(void **state)
{
    enum { SLOT_COUNT = 100000 };
    static uint32_t slots[SLOT_COUNT];
    const struct bench_work work = plain_work(BENCH_POISSON);
    struct bench_schedule schedule = draw(&work, 0, 100 * SECOND_NS);
    double square_sum = 0;

    (void)state;
    for (uint64_t i = 0; i < schedule.count; i++) {
        slots[schedule.due_ns[i] / 1000000]++;
    }
    for (int i = 0; i < SLOT_COUNT; i++) {
        square_sum += (slots[i] - 10.0) * (slots[i] - 10.0);
    }
    /* Variance 10, as the mean; the fourth central moment is 310. */
    assert_near(square_sum / SLOT_COUNT, 10, sqrt((310 - 100) / (double)SLOT_COUNT));
    bench_schedule_fini(&schedule);
}

/* The lanes' processes are different ones, and all together have the whole rate. */
static void test_lanes(void **state)
{
    struct bench_work work = plain_work(BENCH_POISSON);
    uint64_t count = 0;
    uint64_t first = 0;

    (void)state;
    work.lanes = 3;
    for (uint32_t lane = 0; lane < 3; lane++) {
        struct bench_schedule schedule = draw(&work, lane, 30 * SECOND_NS);

        assert_near((double)schedule.count, 1e5, sqrt(1e5));
        assert_true(schedule.due_ns[0] != first);
        first = schedule.due_ns[0];
        count += schedule.count;
        bench_schedule_fini(&schedule);
    }
    assert_near((double)count, 3e5, sqrt(3e5));
}

static void check_bursts(uint32_t burst_size, uint32_t lanes)
{
    struct bench_work work = plain_work(BENCH_BURSTS);
    struct bench_schedule schedules[8];
    uint64_t next[8] = {0};
    uint64_t bursts = 0;
    uint64_t dealt = 0;

    work.burst_size = burst_size;
    work.lanes = lanes;
    for (uint32_t lane = 0; lane < lanes; lane++) {
        schedules[lane] = draw(&work, lane, 10 * SECOND_NS);
    }
    /* At every moment, all lanes together have the whole burst; the requests are dealt out in turn. */
    for (;;) {
        uint64_t moment_ns = UINT64_MAX;
        uint32_t size = 0;

        for (uint32_t lane = 0; lane < lanes; lane++) {
            if (next[lane] < schedules[lane].count &&
                schedules[lane].due_ns[next[lane]] < moment_ns) {
                moment_ns = schedules[lane].due_ns[next[lane]];
            }
        }
        if (moment_ns == UINT64_MAX) {
            break;
        }
        for (uint32_t lane = 0; lane < lanes; lane++) {
            uint32_t mine = 0;

            for (; next[lane] < schedules[lane].count &&
                   schedules[lane].due_ns[next[lane]] == moment_ns;
                 next[lane]++) {
                mine++;
            }
            assert_in_range(mine, burst_size / lanes, burst_size / lanes + 1);
            size += mine;
        }
        assert_int_equal(size, burst_size);
        bursts++;
        dealt += size;
    }
    assert_near((double)bursts, 1e5 / burst_size, sqrt(1e5 / burst_size));
    for (uint32_t lane = 0; lane < lanes; lane++) {
        assert_in_range(schedules[lane].count, dealt / lanes, dealt / lanes + 1);
        bench_schedule_fini(&schedules[lane]);
    }
}

static void test_bursts(void **state)
{
    (void)state;
    check_bursts(10, 1);
    check_bursts(1, 1);
    check_bursts(10, 4);
    check_bursts(3, 8);
    check_bursts(16, 2);
}

static void test_seeds(void **state)
{
    const enum bench_arrival arrivals[] = {BENCH_POISSON, BENCH_BURSTS};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct bench_work work = plain_work(arrivals[i]);
        struct bench_schedule first = draw(&work, 0, SECOND_NS);
        struct bench_schedule second = draw(&work, 0, SECOND_NS);
        struct bench_schedule longer = draw(&work, 0, 2 * SECOND_NS);
        struct bench_schedule other;

        work.seed++;
        other = draw(&work, 0, SECOND_NS);
        assert_int_equal(first.count, second.count);
        assert_memory_equal(first.due_ns, second.due_ns, first.count * sizeof *first.due_ns);
        assert_true(longer.count > first.count);
        assert_memory_equal(first.due_ns, longer.due_ns, first.count * sizeof *first.due_ns);
        assert_true(other.due_ns[0] != first.due_ns[0]);
        bench_schedule_fini(&first);
        bench_schedule_fini(&second);
        bench_schedule_fini(&longer);
        bench_schedule_fini(&other);
    }
}

static void test_too_many_and_none(void **state)
{
    struct bench_work work = plain_work(BENCH_POISSON);
    struct bench_schedule schedule;

    (void)state;
    work.rate = 1e9;
    assert_int_equal(bench_schedule_init(&schedule, &work, 0, 2 * SECOND_NS), -E2BIG);
    assert_null(schedule.due_ns);
    assert_int_equal(bench_schedule_init(&schedule, &work, 0, 0), 0);
    assert_int_equal(schedule.count, 0);
    bench_schedule_fini(&schedule);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_poisson), cmocka_unit_test(test_requests_per_millisecond),
        cmocka_unit_test(test_lanes),   cmocka_unit_test(test_bursts),
        cmocka_unit_test(test_seeds),   cmocka_unit_test(test_too_many_and_none),
    };

    return cmocka_run_group_tests_name("mcbench/schedule", tests, NULL, NULL);
}

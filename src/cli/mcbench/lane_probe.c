/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The measuring lane: what one client sees that asks now and then while the others make load.
 *
 * The time of a request runs from its sending; from its moment when the answer before it was so late that it had to wait for that.
 */
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <time.h>

#include "base/clock.h"
#include "cli/mcbench/lane.h"

enum {
    KEYS_MAX = 1000, /* keys that are measured */
    WAIT_MS = 100,   /* for an answer, before it is asked whether the run is over */
};

static const uint64_t second_ns = 1000000000;
static const uint64_t nap_max_ns = 100000000;
static const uint64_t probe_salt = 0x70726f62652e2e2eull;

void bench_lane_probe_work(const struct bench_work *work, struct bench_work *ret_work)
{
    *ret_work = (struct bench_work){
        .protocol = work->protocol,
        .shares = {[BENCH_GET] = 1},
        .keys_per_get = 1,
        .keys_per_get_max = 1,
        .order = BENCH_UNIFORM,
        .key_count = work->key_count < KEYS_MAX ? work->key_count : KEYS_MAX,
        .key_sizes = work->key_sizes,
        .value_sizes = work->value_sizes,
        .connections = 1,
        .pipeline = 1,
        .lanes = 1,
        .arrival = BENCH_CLOSED,
        .seed = work->seed ^ probe_salt,
    };
}

static bool is_over(const struct bench_lane *lane)
{
    return atomic_load_explicit(&lane->stage->ending, memory_order_relaxed) != BENCH_GOES_ON;
}

/* Sleeps until that moment, or until the run is over. */
static void sleep_until(const struct bench_lane *lane, uint64_t moment_ns)
{
    uint64_t now_ns;

    while ((now_ns = base_clock_monotonic_ns()) < moment_ns && !is_over(lane)) {
        const uint64_t wake_ns = moment_ns - now_ns < nap_max_ns ? moment_ns : now_ns + nap_max_ns;
        const struct timespec wake = {.tv_sec = (time_t)(wake_ns / second_ns),
                                      .tv_nsec = (long)(wake_ns % second_ns)};

        (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &wake, NULL);
    }
}

/* Sleeps until the answer is there. */
static bool await_answer(struct bench_lane *lane)
{
    struct pollfd wait = {.fd = lane->epoll, .events = POLLIN};
    uint32_t event_count;

    while (lane->active_count > 0) {
        (void)poll(&wait, 1, WAIT_MS);
        if (!bench_lane_turn(lane, &event_count) ||
            !bench_lane_check_stall(lane, base_clock_monotonic_ns())) {
            return false;
        }
        if (atomic_load_explicit(&lane->stage->ending, memory_order_relaxed) == BENCH_FAILED) {
            return true;
        }
    }
    return true;
}

/* An exponential gap: the measuring lane must not beat in time with anything in the server. */
static uint64_t draw_gap_ns(struct base_rand *rand, double rate)
{
    const double uniform = ((double)(base_rand_u64(rand) >> 11) + 1) * 0x1p-53; /* (0, 1] */

    return (uint64_t)(-log(uniform) / rate * (double)second_ns);
}

static bool measure(struct bench_lane *lane)
{
    const struct bench_stage *stage = lane->stage;
    uint64_t answered_ns = stage->start_ns;
    uint64_t due_ns = stage->start_ns;
    struct base_rand rand;

    base_rand_init(&rand, lane->work->seed);
    lane->is_stopping = true; /* a batch does not start by itself */
    for (;;) {
        due_ns += draw_gap_ns(&rand, stage->plan->probe_rate);
        if (due_ns >= stage->end_ns) {
            return true;
        }
        sleep_until(lane, due_ns);
        if (is_over(lane)) {
            return true;
        }
        lane->is_counting = due_ns >= stage->count_ns;
        if (!bench_lane_start_batch(lane, &lane->conns[0])) {
            return false;
        }
        if (answered_ns > due_ns) {
            bench_lane_request(lane, &lane->conns[0], 0)->sent_ns = due_ns;
        }
        if (!await_answer(lane)) {
            return false;
        }
        answered_ns = base_clock_monotonic_ns();
    }
}

void *bench_lane_probe_main(void *argument)
{
    struct bench_lane *lane = argument;
    const struct bench_plan *plan = lane->stage->plan;
    struct bench_gate *gate = &lane->stage->gate;
    bool is_well = bench_lane_pin(lane, plan->work.lanes) && bench_lane_connect(lane);

    if (!bench_gate_pass(gate, is_well) || !bench_gate_pass(gate, bench_lane_store(lane)) ||
        !bench_gate_pass(gate, true)) {
        return NULL;
    }
    if (!plan->populate_only) {
        (void)measure(lane);
    }
    return NULL;
}

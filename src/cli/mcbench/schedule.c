/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Moments of an open loop: a Poisson process of bursts, which are of one request under BENCH_POISSON.
 *
 * Poisson lanes each draw their own process: together they are one of the whole rate. Bursts come at the same moment on every
 * lane, so all lanes draw the same process, and the requests of all bursts are dealt out to the lanes in turn.
 */
#include "cli/mcbench/schedule.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/rand.h"

static const uint64_t MOMENTS_MAX = 1ull << 30;
static const uint64_t SALT = 0x7c63d8b1e0a5f927ull; /* other numbers than the keys get */

/* Moments of bursts. */
struct process {
    struct base_rand rand;
    double mean_gap_ns;
    double now_ns;
};

static uint64_t process_next(struct process *process)
{
    const double unit = (double)(base_rand_u64(&process->rand) >> 11) * 0x1p-53;

    process->now_ns -= log1p(-unit) * process->mean_gap_ns;
    return (uint64_t)process->now_ns;
}

/* One more room; false without memory. */
static bool add(struct bench_schedule *schedule, uint64_t *room, uint64_t due_ns)
{
    if (schedule->count == *room) {
        const uint64_t more = *room + *room / 4 + 1024;
        uint64_t *list = reallocarray(schedule->due_ns, more, sizeof *list);

        if (list == NULL) {
            return false;
        }
        schedule->due_ns = list;
        *room = more;
    }
    schedule->due_ns[schedule->count++] = due_ns;
    return true;
}

/* Which of the requests from..from + count - 1, dealt out in turn, are this lane's: how many. */
static uint64_t dealt(uint64_t from, uint64_t count, uint32_t lane, uint32_t lanes)
{
    const uint64_t before = (from + lanes - 1 - lane) / lanes;

    return (from + count + lanes - 1 - lane) / lanes - before;
}

static int draw(struct bench_schedule *schedule, struct process *process, uint64_t length_ns,
                const struct bench_work *work, uint32_t lane)
{
    const bool bursts = work->arrival == BENCH_BURSTS;
    const uint64_t burst_size = bursts ? work->burst_size : 1;
    uint64_t room = 0;
    uint64_t due_ns;

    for (uint64_t burst = 0; (due_ns = process_next(process)) < length_ns; burst++) {
        const uint64_t count =
            bursts ? dealt(burst * burst_size, burst_size, lane, work->lanes) : 1;

        for (uint64_t i = 0; i < count; i++) {
            if (schedule->count == MOMENTS_MAX) {
                return -E2BIG;
            }
            if (!add(schedule, &room, due_ns)) {
                return -ENOMEM;
            }
        }
    }
    return 0;
}

int bench_schedule_init(struct bench_schedule *schedule, const struct bench_work *work,
                        uint32_t lane, uint64_t length_ns)
{
    const bool bursts = work->arrival == BENCH_BURSTS;
    struct process process;
    int error;

    CHECK(work->arrival != BENCH_CLOSED && work->rate > 0 && lane < work->lanes);
    CHECK(!bursts || work->burst_size > 0);
    *schedule = (struct bench_schedule){0};
    if (work->rate / work->lanes * 1e-9 * (double)length_ns > (double)MOMENTS_MAX) {
        return -E2BIG;
    }
    process = (struct process){.mean_gap_ns =
                                   1e9 / work->rate * (bursts ? work->burst_size : work->lanes)};
    base_rand_init(&process.rand, (work->seed ^ SALT) + (bursts ? 0 : lane));
    error = draw(schedule, &process, length_ns, work, lane);
    if (error != 0) {
        bench_schedule_fini(schedule);
    }
    return error;
}

void bench_schedule_fini(struct bench_schedule *schedule)
{
    free(schedule->due_ns);
    *schedule = (struct bench_schedule){0};
}

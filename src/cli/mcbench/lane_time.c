/* SPDX-License-Identifier: BSD-3-Clause */
/* What a thread has cost so far: see lane_time.h. */
#include "cli/mcbench/lane_time.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"

enum {
    STOLEN_COLUMN = 7,
    COLUMN_COUNT = 8
}; /* of "cpu" in /proc/stat: user nice system idle iowait irq softirq steal */

static const uint64_t second_ns = 1000000000;
static const uint64_t microsecond_ns = 1000;

void bench_lane_time_read(uint64_t busy_ns, struct bench_lane_time *ret_time)
{
    struct bench_lane_time now = {.busy_ns = busy_ns};
    struct timespec run;
    struct rusage usage;
    FILE *file;

    file = fopen("/proc/thread-self/schedstat", "re");
    if (file != NULL) {
        if (fscanf(file, "%*u %" SCNu64, &now.cpu.wait_ns) != 1) {
            now.cpu.wait_ns = 0;
        }
        (void)fclose(file);
    }
    CHECK(getrusage(RUSAGE_THREAD, &usage) == 0);
    CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &run) == 0);
    now.user_ns = (uint64_t)usage.ru_utime.tv_sec * second_ns +
                  (uint64_t)usage.ru_utime.tv_usec * microsecond_ns;
    now.cpu.run_ns = (uint64_t)run.tv_sec * second_ns + (uint64_t)run.tv_nsec;
    now.wall_ns = base_clock_monotonic_ns();
    *ret_time = now;
}

bool bench_lane_time_read_stolen(uint64_t *ret_stolen, uint64_t *ret_total)
{
    uint64_t columns[COLUMN_COUNT];
    uint64_t total = 0;
    FILE *file = fopen("/proc/stat", "re");
    int count;

    if (file == NULL) {
        return false;
    }
    count = fscanf(file,
                   "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
                   " %" SCNu64 " %" SCNu64,
                   &columns[0], &columns[1], &columns[2], &columns[3], &columns[4], &columns[5],
                   &columns[6], &columns[7]);
    (void)fclose(file);
    if (count != COLUMN_COUNT) {
        return false;
    }
    for (int i = 0; i < COLUMN_COUNT; i++) {
        total += columns[i];
    }
    *ret_stolen = columns[STOLEN_COLUMN];
    *ret_total = total;
    return true;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Clocks: see clock.h. */
#include "base/clock.h"

#include <time.h>

#include "base/check.h"
#include "base/limits.h"

enum { SECOND_NS = 1000000000 };

uint64_t base_clock_monotonic_ns(void)
{
    struct timespec time;

    CHECK(clock_gettime(CLOCK_MONOTONIC, &time) == 0);
    return (uint64_t)time.tv_sec * SECOND_NS + (uint64_t)time.tv_nsec;
}

int64_t base_clock_real_s(void)
{
    struct timespec time;

    CHECK(clock_gettime(CLOCK_REALTIME, &time) == 0);
    return time.tv_sec;
}

static uint64_t pack(uint32_t now_s, int32_t shift_s)
{
    return (uint64_t)(uint32_t)shift_s << 32 | now_s;
}

static int32_t shift_of(uint64_t state)
{
    return (int32_t)(uint32_t)(state >> 32);
}

void base_clock_init(struct base_clock *clock, uint64_t monotonic_ns, int64_t real_s)
{
    /* May wrap below zero just after boot; so does the difference in base_clock_update(). */
    clock->origin_s = monotonic_ns / SECOND_NS - BASE_CLOCK_START_S;
    clock->started_real_s = real_s - BASE_CLOCK_START_S;
    atomic_init(&clock->state, pack(BASE_CLOCK_START_S, 0));
}

void base_clock_update(struct base_clock *clock, uint64_t monotonic_ns)
{
    const uint32_t unshifted_s = (uint32_t)(monotonic_ns / SECOND_NS - clock->origin_s);
    uint64_t state = atomic_load_explicit(&clock->state, memory_order_relaxed);
    uint32_t now_s;

    do {
        now_s = unshifted_s + (uint32_t)shift_of(state);
        if (now_s == (uint32_t)state) {
            return; /* most calls: readers keep their cache line */
        }
    } while (!atomic_compare_exchange_weak_explicit(&clock->state, &state,
                                                    pack(now_s, shift_of(state)),
                                                    memory_order_relaxed, memory_order_relaxed));
}

void base_clock_shift(struct base_clock *clock, int32_t seconds)
{
    uint64_t state = atomic_load_explicit(&clock->state, memory_order_relaxed);
    uint64_t shifted;

    do {
        const uint32_t now_s = (uint32_t)state;
        int32_t step_s = seconds;

        if (step_s < 0 && (int64_t)now_s + step_s < BASE_CLOCK_START_S) {
            step_s = -(int32_t)(now_s - BASE_CLOCK_START_S);
        }
        shifted =
            pack(now_s + (uint32_t)step_s, (int32_t)((uint32_t)shift_of(state) + (uint32_t)step_s));
    } while (!atomic_compare_exchange_weak_explicit(&clock->state, &state, shifted,
                                                    memory_order_relaxed, memory_order_relaxed));
}

uint32_t base_clock_expiry(const struct base_clock *clock, int64_t exptime)
{
    int64_t after_start_s;

    if (exptime == 0) {
        return 0;
    }
    if (exptime < 0) {
        return BASE_CLOCK_EXPIRED_S;
    }
    if (exptime <= BASE_EXPTIME_RELATIVE_MAX) {
        return base_clock_now_s(clock) + (uint32_t)exptime;
    }
    if (exptime <= clock->started_real_s) {
        return BASE_CLOCK_EXPIRED_S;
    }
    after_start_s = exptime - clock->started_real_s;
    return after_start_s > UINT32_MAX ? UINT32_MAX : (uint32_t)after_start_s;
}

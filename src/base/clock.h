/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The system's clocks, and the coarse clock by which a cache expires its items.
 *
 * The cache clock counts whole seconds of the monotonic clock since 2 s before it was started. So
 * 0 and 1 never are "now": 0 can mean "never" and 1 "already over" where an expiry time is meant.
 * memcached counts the same way (its realtime(), and its uptime, which begins at 2 as well).
 * Seconds change with the monotonic clock's seconds, not with the moment of the start.
 *
 * One thread calls base_clock_update() every so often (once per second is memcached's grain);
 * all threads read. Clocks are passed down, so tests bring their own.
 */
#ifndef LARDER_BASE_CLOCK_H
#define LARDER_BASE_CLOCK_H

#include <stdatomic.h>
#include <stdint.h>

enum {
    BASE_CLOCK_START_S = 2,   /* the first second of a cache clock */
    BASE_CLOCK_EXPIRED_S = 1, /* an expiry time that is always over */
};

struct base_clock {
    /* Low half: now_s. High half: what base_clock_shift() has added up. One word, so that an
     * update beside a shift cannot undo it. */
    _Atomic uint64_t state;
    uint64_t origin_s;      /* monotonic second that is second 0 here; constant after init */
    int64_t started_real_s; /* Unix time of second 0; constant after init */
};

/* The monotonic clock, nanoseconds from an unknown origin. */
uint64_t base_clock_monotonic_ns(void);
/* Unix time in seconds. */
int64_t base_clock_real_s(void);

/* Starts the clock at BASE_CLOCK_START_S; the arguments are the two clocks above, or a test's. */
void base_clock_init(struct base_clock *clock, uint64_t monotonic_ns, int64_t real_s);

/* Lets the time pass. One thread at a time; beside readers and base_clock_shift(). */
void base_clock_update(struct base_clock *clock, uint64_t monotonic_ns);

/* Moves the clock for tests, at once and for good. Backwards stops at BASE_CLOCK_START_S. */
void base_clock_shift(struct base_clock *clock, int32_t seconds);

/* Seconds, >= BASE_CLOCK_START_S. */
static inline uint32_t base_clock_now_s(const struct base_clock *clock)
{
    /* Relaxed: the time orders nothing. */
    return (uint32_t)atomic_load_explicit(&clock->state, memory_order_relaxed);
}

/* Unix time of the clock's second 0: add it to any of the clock's seconds. */
static inline int64_t base_clock_started_real_s(const struct base_clock *clock)
{
    return clock->started_real_s;
}

/*
 * A client's expiry time as an expiry time of this clock.
 *
 * exptime  0: never, returned as 0. Negative: already over. Up to BASE_EXPTIME_RELATIVE_MAX:
 *          seconds from now. Beyond: Unix time; what is past the clock's 32 bits is cut to their end.
 */
uint32_t base_clock_expiry(const struct base_clock *clock, int64_t exptime);

#endif

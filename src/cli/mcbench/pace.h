/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The open loop's decisions: how many requests are due, how they are shared out, and whose fault it is when one goes out late.
 *
 * Pure; the caller says what time it is. One lane, one struct bench_pace.
 */
#ifndef LARDER_MCBENCH_PACE_H
#define LARDER_MCBENCH_PACE_H

#include <stdbool.h>
#include <stdint.h>

enum { BENCH_PACE_LATE_NS = 1000000 }; /* a request that goes out later than this is late */

struct bench_pace {
    const uint64_t *moments_ns; /* from origin_ns on, ascending; lent by the schedule */
    uint64_t count;
    uint64_t next;    /* the first that has not been taken */
    uint64_t due_end; /* the first that was not due when last asked */
    uint64_t origin_ns;
    bool is_blocked;       /* requests are due, and no connection has room: the server's doing */
    uint64_t unblocked_ns; /* when that was last over */
};

void bench_pace_init(struct bench_pace *pace, const uint64_t *moments_ns, uint64_t count,
                     uint64_t origin_ns);

/* Moments that have come and are not taken. now_ns never goes back. */
uint64_t bench_pace_due(struct bench_pace *pace, uint64_t now_ns);
/* Takes one of those: its moment. */
uint64_t bench_pace_take(struct bench_pace *pace);

/* Of due_count requests, how many the next of ready_count connections gets that has room for free_count. All at least 1. */
uint32_t bench_pace_share(uint64_t due_count, uint32_t ready_count, uint32_t free_count);

/* What is due cannot be sent, for want of room on any connection; and: there is room again. Both may be said twice. */
void bench_pace_block(struct bench_pace *pace);
void bench_pace_unblock(struct bench_pace *pace, uint64_t now_ns);

/* Could it have been sent more than BENCH_PACE_LATE_NS earlier than it was? */
bool bench_pace_is_late(const struct bench_pace *pace, uint64_t due_ns, uint64_t sent_ns);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* The open loop's decisions: see pace.h. */
#include "cli/mcbench/pace.h"

#include "base/check.h"

void bench_pace_init(struct bench_pace *pace, const uint64_t *moments_ns, uint64_t count,
                     uint64_t origin_ns)
{
    *pace = (struct bench_pace){.moments_ns = moments_ns, .count = count, .origin_ns = origin_ns};
}

uint64_t bench_pace_due(struct bench_pace *pace, uint64_t now_ns)
{
    /* Each moment is looked at once, however many turns it takes to send it. */
    while (pace->due_end < pace->count &&
           pace->origin_ns + pace->moments_ns[pace->due_end] <= now_ns) {
        pace->due_end++;
    }
    return pace->due_end - pace->next;
}

uint64_t bench_pace_take(struct bench_pace *pace)
{
    CHECK(pace->next < pace->due_end);
    return pace->origin_ns + pace->moments_ns[pace->next++];
}

uint32_t bench_pace_share(uint64_t due_count, uint32_t ready_count, uint32_t free_count)
{
    const uint64_t share = (due_count - 1) / ready_count + 1;

    return share < free_count ? (uint32_t)share : free_count;
}

void bench_pace_block(struct bench_pace *pace)
{
    pace->is_blocked = true;
}

void bench_pace_unblock(struct bench_pace *pace, uint64_t now_ns)
{
    if (pace->is_blocked) {
        pace->is_blocked = false;
        pace->unblocked_ns = now_ns;
    }
}

bool bench_pace_is_late(const struct bench_pace *pace, uint64_t due_ns, uint64_t sent_ns)
{
    const uint64_t possible_ns = due_ns > pace->unblocked_ns ? due_ns : pace->unblocked_ns;

    return sent_ns > possible_ns + BENCH_PACE_LATE_NS;
}

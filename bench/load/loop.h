/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The closed loop: every connection has one batch of requests under way, and sends the next when
 * the last byte of the answers is there.
 *
 * One thread, which never sleeps: it asks epoll without waiting, so the server never pays for
 * waking it, and it must have a CPU of its own. Before the timed part, one batch per connection is
 * compared with the right answer byte for byte; afterwards bytes are counted, and one too many or
 * too few fails the run.
 */
#ifndef LARDER_BENCH_LOAD_LOOP_H
#define LARDER_BENCH_LOAD_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cpu.h"
#include "work.h"

enum { LOAD_CONNECTIONS_MAX = 10000 };

struct load_plan {
    const char *address; /* "HOST:PORT", or the path of a UNIX socket */
    uint32_t connection_count;
    uint64_t warmup_ns; /* before the counting starts */
    uint64_t window_ns; /* of counting; unused when request_count is not 0 */
    /* Not 0: send so many requests (rounded up to batches), count them all, no warm-up. */
    uint64_t request_count;
    pid_t server; /* whose CPU time is measured; 0: nobody's */
};

struct load_result {
    uint64_t request_count;
    uint64_t wall_ns;
    struct load_cpu server; /* zeros without a server to measure */
    struct load_cpu load;   /* the generator's own: waiting means that its CPU was not its own */
};

/*
 * Runs the work. False, after one line on standard error, when the server cannot be reached,
 * answers something else than it should, or stops answering.
 */
bool load_loop_run(const struct load_plan *plan, const struct load_work *work,
                   struct load_order *order, struct load_result *ret_result);

#endif

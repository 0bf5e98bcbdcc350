/* SPDX-License-Identifier: BSD-3-Clause */
/* What a lane says when the server, or the system, did not do what it should. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/mcbench/exchange.h"
#include "cli/mcbench/lane.h"

enum {
    STALL_CHECK_MAX = 512,      /* connections looked at in one go */
    ANSWER_SHOWN_MAX = 1 << 20, /* bytes; what is beyond is of other requests, mostly */
};

static const uint64_t stall_check_ns = 5000000; /* between two of these */
static const double second_ns = 1e9;

static const char *const VERB_NAMES[BENCH_VERB_COUNT] = {"get", "set", "delete", "incr"};

/* Who failed first says so to everybody. */
static void end_run(struct bench_lane *lane, int error)
{
    lane->error = -error;
    atomic_store_explicit(&lane->stage->ending, BENCH_FAILED, memory_order_relaxed);
}

/* Appends where the connection stands; returns the bytes used. */
static size_t describe(struct bench_lane *lane, const struct bench_conn *conn, size_t used)
{
    char *out = lane->complaint + used;
    const size_t room = BENCH_COMPLAINT_MAX - used;
    int size;

    if (conn->count == 0) {
        size = snprintf(
            out, room,
            "\n  connection %td of the lane's %u: %llu requests answered, nothing under "
            "way",
            conn - lane->conns + 1, lane->conn_count, (unsigned long long)conn->answered_count);
    } else {
        const struct bench_request *oldest = bench_lane_request(lane, conn, 0);

        size = snprintf(
            out, room,
            "\n  connection %td of the lane's %u: %llu requests answered, %u under way, the "
            "oldest, "
            "a %s, for %.3f s; %u bytes of its answer are there, %u bytes could not be sent",
            conn - lane->conns + 1, lane->conn_count, (unsigned long long)conn->answered_count,
            conn->count, VERB_NAMES[oldest->verb],
            (double)(base_clock_monotonic_ns() - oldest->sent_ns) / second_ns, conn->rest_size,
            conn->out_size - conn->out_sent);
    }
    return used + (size > 0 && (size_t)size < room ? (size_t)size : 0);
}

bool bench_lane_fail(struct bench_lane *lane, const struct bench_conn *conn, int error,
                     const char *what)
{
    const int size =
        snprintf(lane->complaint, BENCH_COMPLAINT_MAX, "%.200s %.200s (%s)",
                 lane->stage->plan->address, what, strerrordesc_np(error == 0 ? EIO : error));

    if (conn != NULL) {
        (void)describe(lane, conn, (size_t)size);
    }
    end_run(lane, error == 0 ? EIO : error);
    return false;
}

bool bench_lane_fail_answer(struct bench_lane *lane, const struct bench_conn *conn,
                            const struct bench_request *request, struct base_slice answer,
                            const char *why)
{
    size_t used =
        (size_t)snprintf(lane->complaint, BENCH_COMPLAINT_MAX, "%.200s answered wrong: %.200s",
                         lane->stage->plan->address, why);

    used = describe(lane, conn, used);
    used += (size_t)snprintf(lane->complaint + used, BENCH_COMPLAINT_MAX - used, "\n");
    if (request != NULL) {
        /* The chunk is not needed any more: the request is written once again. */
        const size_t size = lane->wire->write(lane->work, request, lane->chunk);

        bench_exchange_write("request", (struct base_slice){lane->chunk, size}, lane->complaint,
                             BENCH_COMPLAINT_MAX, &used);
    }
    if (answer.size > ANSWER_SHOWN_MAX) {
        answer.size = ANSWER_SHOWN_MAX;
    }
    bench_exchange_write(request != NULL && request->answered_count > 0
                             ? "received from where its answer goes on"
                             : "received",
                         answer, lane->complaint, BENCH_COMPLAINT_MAX, &used);
    end_run(lane, EBADMSG);
    return false;
}

bool bench_lane_check_stall(struct bench_lane *lane, uint64_t now_ns)
{
    const uint32_t count = lane->conn_count < STALL_CHECK_MAX ? lane->conn_count : STALL_CHECK_MAX;

    lane->check_at_ns = now_ns + stall_check_ns;
    for (uint32_t i = 0; i < count; i++) {
        const struct bench_conn *conn = &lane->conns[lane->check_next];

        lane->check_next = lane->check_next + 1 == lane->conn_count ? 0 : lane->check_next + 1;
        if (conn->count > 0 &&
            now_ns > bench_lane_request(lane, conn, 0)->sent_ns + lane->stage->stall_ns) {
            return bench_lane_fail(lane, conn, ETIMEDOUT, "does not answer any more");
        }
    }
    return true;
}

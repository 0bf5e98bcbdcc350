/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A lane's connections: opened some at a time, so that the server's queue of those it has not accepted does not overflow, and opened
 * again when the workload has them come and go.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/mcbench/lane.h"

enum {
    WAVE_SIZE =
        256, /* connections on their way at once, over all lanes; servers listen with 1024 */
    EVENTS_MAX = 256,
    WAIT_MS = 5, /* before a full queue is tried again */
};

/* Opens the connection's descriptor and has epoll watch it. 0 or a negative errno; -EAGAIN: not now. */
static int start(struct bench_lane *lane, struct bench_conn *conn, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.u32 = (uint32_t)(conn - lane->conns)};
    const int fd =
        bench_connect_start(&lane->stage->target, lane->index + lane->serial * lane->work->lanes);

    if (fd < 0) {
        return fd;
    }
    lane->serial++;
    if (epoll_ctl(lane->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        const int error = errno;

        (void)close(fd);
        return -error;
    }
    if (lane->sessions != NULL) {
        struct bench_session **session = &lane->sessions[conn - lane->conns];

        *session = bench_secure_open(lane->stage->secure, fd);
        if (*session == NULL) {
            (void)close(fd);
            return -ENOMEM;
        }
    }
    conn->fd = fd;
    return 0;
}

static bool fail_to_open(struct bench_lane *lane, const struct bench_conn *conn, int error)
{
    return bench_lane_fail(lane, conn, error,
                           error == EADDRNOTAVAIL
                               ? "cannot be connected to: every port of this side is in use"
                               : "cannot be connected to");
}

/* Connections become writable when they are there. Returns how many did; -1: the lane has failed. */
static int64_t await_some(struct bench_lane *lane)
{
    struct epoll_event events[EVENTS_MAX];
    const int count = epoll_wait(lane->epoll, events, EVENTS_MAX, WAIT_MS);

    for (int i = 0; i < count; i++) {
        struct bench_conn *conn = &lane->conns[events[i].data.u32];
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = events[i].data.u32};
        int error = 0;
        socklen_t size = sizeof(error);

        if (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
            (void)fail_to_open(lane, conn, error);
            return -1;
        }
        if (epoll_ctl(lane->epoll, EPOLL_CTL_MOD, conn->fd, &event) != 0) {
            (void)bench_lane_fail(lane, conn, errno, "cannot wait for the connection");
            return -1;
        }
    }
    return count > 0 ? count : 0;
}

bool bench_lane_connect(struct bench_lane *lane)
{
    const uint32_t wave_size = WAVE_SIZE / lane->work->lanes + 1;
    uint64_t progress_ns = base_clock_monotonic_ns();
    uint32_t started_count = 0;
    uint32_t connected_count = 0;

    while (connected_count < lane->conn_count) {
        int64_t arrived;

        while (started_count < lane->conn_count && started_count - connected_count < wave_size) {
            struct bench_conn *conn = &lane->conns[started_count];
            const int status = start(lane, conn, EPOLLOUT);

            if (status == -EAGAIN) {
                break;
            }
            if (status != 0) {
                return fail_to_open(lane, conn, -status);
            }
            started_count++;
        }
        arrived = await_some(lane);
        if (arrived < 0) {
            return false;
        }
        connected_count += (uint32_t)arrived;
        if (arrived > 0) {
            progress_ns = base_clock_monotonic_ns();
        } else if (base_clock_monotonic_ns() - progress_ns > lane->stage->stall_ns) {
            char what[96];

            (void)snprintf(what, sizeof(what), "takes no more connections: %u of %u are there",
                           connected_count, lane->conn_count);
            return bench_lane_fail(lane, NULL, ETIMEDOUT, what);
        }
        if (atomic_load_explicit(&lane->stage->ending, memory_order_relaxed) != BENCH_GOES_ON) {
            return true; /* cut, or somebody else has failed */
        }
    }
    return true;
}

/* Opens what is closed. Not now is no failure. */
static bool reopen(struct bench_lane *lane, struct bench_conn *conn)
{
    const int status = start(lane, conn, EPOLLIN);

    if (status == -EAGAIN) {
        return true;
    }
    if (status != 0) {
        return fail_to_open(lane, conn, -status);
    }
    conn->issued_count = 0;
    lane->closed_count--;
    lane->counts.reconnects++;
    return true;
}

bool bench_lane_reconnect(struct bench_lane *lane, struct bench_conn *conn)
{
    if (lane->sessions != NULL) {
        bench_secure_close(&lane->sessions[conn - lane->conns]);
    }
    (void)close(conn->fd);
    conn->fd = -1;
    lane->closed_count++;
    return reopen(lane, conn);
}

bool bench_lane_retry(struct bench_lane *lane)
{
    for (uint32_t i = 0; i < lane->conn_count && lane->closed_count > 0; i++) {
        struct bench_conn *conn = &lane->conns[i];

        if (conn->fd >= 0) {
            continue;
        }
        if (!reopen(lane, conn)) {
            return false;
        }
        if (conn->fd < 0) {
            return true; /* the queue is still full */
        }
        if (!lane->is_open && !bench_lane_start_batch(lane, conn)) {
            return false;
        }
    }
    if (lane->is_open) {
        bench_lane_offer_all(lane, base_clock_monotonic_ns());
    }
    return true;
}

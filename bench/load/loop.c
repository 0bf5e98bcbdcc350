/* SPDX-License-Identifier: BSD-3-Clause */
/* The closed loop: see loop.h. */
#include "loop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "connect.h"

enum {
    EVENTS_MAX = 128,
    INPUT_SIZE = 256 * 1024, /* bytes; holds the answers to most batches */
};

static const uint64_t stall_max_ns = 10ull * 1000 * 1000 * 1000; /* without any answer */

struct connection {
    int fd;            /* -1: not open */
    char *batch;       /* owned; the requests under way */
    size_t batch_size; /* bytes */
    size_t sent_size;  /* of batch; less than batch_size: the socket was full */
    size_t reply_left; /* bytes of the answers still to come; 0: nothing under way */
};

struct loop {
    const struct load_plan *plan;
    const struct load_work *work;
    struct load_order *order;
    struct connection *connections;
    char *input; /* INPUT_SIZE bytes, or scratch of a batch if that is more */
    int epoll;
    size_t reply_size;     /* bytes of the answers to one batch */
    uint64_t batches_left; /* to send */
    uint64_t batches_done;
    uint32_t busy_count; /* connections with a batch under way */
};

/* Sends what the socket takes of the batch; waits for room only when it did not take all. */
static bool flush_batch(struct loop *loop, struct connection *connection)
{
    const bool was_full = connection->sent_size > 0;

    while (connection->sent_size < connection->batch_size) {
        const ssize_t sent = send(connection->fd, connection->batch + connection->sent_size,
                                  connection->batch_size - connection->sent_size, MSG_NOSIGNAL);

        if (sent < 0) {
            break;
        }
        connection->sent_size += (size_t)sent;
    }
    if (connection->sent_size < connection->batch_size && errno != EAGAIN) {
        (void)fprintf(stderr, "larder-load: cannot send: %s\n", strerrordesc_np(errno));
        return false;
    }
    if (connection->sent_size < connection->batch_size || was_full) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};

        if (connection->sent_size < connection->batch_size) {
            event.events |= EPOLLOUT;
        }
        return epoll_ctl(loop->epoll, EPOLL_CTL_MOD, connection->fd, &event) == 0;
    }
    return true;
}

/* Starts the connection's next batch, if one is left. */
static bool start_batch(struct loop *loop, struct connection *connection)
{
    if (loop->batches_left == 0) {
        return true;
    }
    loop->batches_left--;
    loop->busy_count++;
    connection->batch_size = load_work_write_batch(loop->work, loop->order, connection->batch);
    connection->sent_size = 0;
    connection->reply_left = loop->reply_size;
    return flush_batch(loop, connection);
}

static bool on_input(struct loop *loop, struct connection *connection)
{
    const ssize_t got = recv(connection->fd, loop->input, INPUT_SIZE, 0);

    if (got <= 0) {
        if (got < 0 && errno == EAGAIN) {
            return true;
        }
        (void)fprintf(stderr, "larder-load: cannot receive: %s\n",
                      got == 0 ? "end of stream" : strerrordesc_np(errno));
        return false;
    }
    if ((size_t)got > connection->reply_left) {
        (void)fprintf(stderr, "larder-load: case %s: %zu bytes more than the answers have\n",
                      loop->work->load_case->name, (size_t)got - connection->reply_left);
        return false;
    }
    connection->reply_left -= (size_t)got;
    if (connection->reply_left > 0) {
        return true;
    }
    loop->batches_done++;
    loop->busy_count--;
    return start_batch(loop, connection);
}

/* Serves what is ready, without waiting. */
static bool turn(struct loop *loop)
{
    struct epoll_event events[EVENTS_MAX];
    const int count = epoll_wait(loop->epoll, events, EVENTS_MAX, 0);

    for (int i = 0; i < count; i++) {
        struct connection *connection = events[i].data.ptr;

        if ((events[i].events & EPOLLOUT) != 0 && !flush_batch(loop, connection)) {
            return false;
        }
        if ((events[i].events & ~(uint32_t)EPOLLOUT) != 0 && !on_input(loop, connection)) {
            return false;
        }
    }
    return count >= 0 || errno == EINTR;
}

/* Turns until the time has come, or until nothing is under way any more. */
static bool turn_until(struct loop *loop, uint64_t end_ns)
{
    uint64_t progress_ns = base_clock_monotonic_ns();
    uint64_t batches_done = loop->batches_done;
    uint64_t now_ns = progress_ns;

    while (loop->busy_count > 0 && now_ns < end_ns) {
        if (!turn(loop)) {
            return false;
        }
        now_ns = base_clock_monotonic_ns();
        if (loop->batches_done != batches_done) {
            batches_done = loop->batches_done;
            progress_ns = now_ns;
        } else if (now_ns - progress_ns > stall_max_ns) {
            (void)fprintf(stderr, "larder-load: case %s: no answer for %llu s\n",
                          loop->work->load_case->name,
                          (unsigned long long)(stall_max_ns / 1000000000));
            return false;
        }
    }
    return true;
}

/* Every counter at one moment. */
static bool take_sample(const struct loop *loop, struct load_result *ret_sample)
{
    struct load_result sample = {0};

    if (!load_cpu_read(getpid(), &sample.load) ||
        (loop->plan->server != 0 && !load_cpu_read(loop->plan->server, &sample.server))) {
        (void)fprintf(stderr, "larder-load: cannot read the CPU time of process %d\n",
                      (int)loop->plan->server);
        return false;
    }
    sample.request_count = loop->batches_done * loop->work->load_case->request_count;
    sample.wall_ns = base_clock_monotonic_ns();
    *ret_sample = sample;
    return true;
}

/* After the last batch: whatever comes now was not asked for. */
static bool is_silent(struct loop *loop)
{
    for (uint32_t i = 0; i < loop->plan->connection_count; i++) {
        const ssize_t got = recv(loop->connections[i].fd, loop->input, INPUT_SIZE, 0);

        if (got >= 0 || errno != EAGAIN) {
            (void)fprintf(stderr, "larder-load: case %s: %zd bytes after the last answer\n",
                          loop->work->load_case->name, got);
            return false;
        }
    }
    return true;
}

static struct load_cpu cpu_between(const struct load_cpu *before, const struct load_cpu *after)
{
    return (struct load_cpu){after->run_ns - before->run_ns, after->wait_ns - before->wait_ns};
}

static bool measure(struct loop *loop, struct load_result *ret_result)
{
    const struct load_plan *plan = loop->plan;
    const bool is_counted = plan->request_count != 0;
    const uint32_t batch_requests = loop->work->load_case->request_count;
    struct load_result before;
    struct load_result after;
    bool is_good = true;

    loop->batches_left = is_counted ? (plan->request_count - 1) / batch_requests + 1 : UINT64_MAX;
    if (is_counted && !take_sample(loop, &before)) {
        return false;
    }
    for (uint32_t i = 0; is_good && i < plan->connection_count; i++) {
        is_good = start_batch(loop, &loop->connections[i]);
    }
    if (is_counted) {
        is_good = is_good && turn_until(loop, UINT64_MAX) && take_sample(loop, &after);
    } else {
        is_good = is_good && turn_until(loop, base_clock_monotonic_ns() + plan->warmup_ns) &&
                  take_sample(loop, &before) &&
                  turn_until(loop, before.wall_ns + plan->window_ns) && take_sample(loop, &after);
        loop->batches_left = 0;
        is_good = is_good && turn_until(loop, UINT64_MAX);
    }
    if (!is_good || !is_silent(loop)) {
        return false;
    }
    *ret_result = (struct load_result){
        .request_count = after.request_count - before.request_count,
        .wall_ns = after.wall_ns - before.wall_ns,
        .server = cpu_between(&before.server, &after.server),
        .load = cpu_between(&before.load, &after.load),
    };
    if (ret_result->request_count == 0) {
        (void)fprintf(stderr, "larder-load: case %s: nothing was answered while it was counted\n",
                      loop->work->load_case->name);
        return false;
    }
    return true;
}

/* Opens the connections, verifies one batch on each, and only then lets them be asynchronous. */
static bool open_connections(struct loop *loop)
{
    for (uint32_t i = 0; i < loop->plan->connection_count; i++) {
        struct connection *connection = &loop->connections[i];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};

        connection->batch = malloc(load_work_batch_size_max(loop->work));
        connection->fd = load_connect_open(loop->plan->address);
        if (connection->batch == NULL || connection->fd < 0 ||
            !load_connect_verify(connection->fd, loop->work, loop->order, connection->batch,
                                 loop->input, &loop->reply_size)) {
            return false;
        }
        if (fcntl(connection->fd, F_SETFL, O_NONBLOCK) != 0 ||
            epoll_ctl(loop->epoll, EPOLL_CTL_ADD, connection->fd, &event) != 0) {
            (void)fprintf(stderr, "larder-load: cannot wait for a connection: %s\n",
                          strerrordesc_np(errno));
            return false;
        }
    }
    return true;
}

static void close_connections(struct loop *loop)
{
    for (uint32_t i = 0; i < loop->plan->connection_count; i++) {
        if (loop->connections[i].fd >= 0) {
            (void)close(loop->connections[i].fd);
        }
        free(loop->connections[i].batch);
    }
}

bool load_loop_run(const struct load_plan *plan, const struct load_work *work,
                   struct load_order *order, struct load_result *ret_result)
{
    const size_t batch_size_max = load_work_batch_size_max(work);
    struct loop loop = {.plan = plan, .work = work, .order = order};
    bool is_good = false;

    loop.connections = calloc(plan->connection_count, sizeof(*loop.connections));
    loop.input = malloc(batch_size_max > INPUT_SIZE ? batch_size_max : INPUT_SIZE);
    loop.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (loop.connections == NULL || loop.input == NULL || loop.epoll < 0) {
        (void)fprintf(stderr, "larder-load: out of memory or descriptors\n");
    } else {
        for (uint32_t i = 0; i < plan->connection_count; i++) {
            loop.connections[i].fd = -1;
        }
        is_good = open_connections(&loop) && measure(&loop, ret_result);
        close_connections(&loop);
    }
    if (loop.epoll >= 0) {
        (void)close(loop.epoll);
    }
    free(loop.input);
    free(loop.connections);
    return is_good;
}

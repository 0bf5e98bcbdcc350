/* SPDX-License-Identifier: BSD-3-Clause */
/* See rig.h. */
#include "rig.h"

#include "rig_tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>

enum { PATIENCE_MS = 60000 };

void rig_sleep_ms(unsigned ms)
{
    struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&pause, NULL);
}

/* cmocka's own skip() is "not ok" in its TAP output: the whole program is skipped instead. */
static void skip_without_io_uring(void)
{
    const struct net_loop_config config = {.kind = NET_LOOP_URING, .output_max = 65536};
    struct net_loop *loop = NULL;
    int rc = net_loop_create(&config, &loop);
    if (rc != 0) {
        printf("1..0 # SKIP io_uring is not available here: %s\n", strerror(-rc));
        exit(0);
    }
    net_loop_destroy(&loop);
}

enum net_loop_kind rig_kind(int argc, char **argv)
{
    const char *name = argc == 2 ? argv[1] : "";
    const char *tls = strstr(name, "-tls");
    if (tls != NULL && tls[4] == '\0') {
        rig_tls_use();
    }
    if (strcmp(name, "epoll") == 0 || strcmp(name, "epoll-tls") == 0) {
        return NET_LOOP_EPOLL;
    }
    if (strcmp(name, "io_uring") == 0 || strcmp(name, "io_uring-tls") == 0) {
        skip_without_io_uring();
        return NET_LOOP_URING;
    }
    fprintf(stderr, "usage: %s epoll|io_uring|epoll-tls|io_uring-tls\n", argv[0]);
    exit(2);
}

void rig_fill(char *data, size_t size, unsigned seed)
{
    uint32_t x = seed * 2654435761u + 1;
    for (size_t i = 0; i < size; i++) {
        x = x * 1664525u + 1013904223u;
        data[i] = (char)(x >> 24);
    }
}

static void on_accept(void *arg, int fd, const struct net_address *peer)
{
    struct rig *rig = arg;
    assert_true(peer->size > 0);
    struct rig_conn *conn = calloc(1, sizeof(*conn));
    assert_non_null(conn);
    net_sock_tune(fd);
    const struct net_tls *tls = rig->plan.tls != NULL ? rig->plan.tls : rig_tls_usual();
    int rc = tls == NULL ? net_stream_open(rig->loop, &conn->stream, fd, rig->plan.handler)
                         : net_stream_open_tls(rig->loop, &conn->stream, fd, rig->plan.handler, tls,
                                               rig->plan.verify);
    assert_int_equal(rc, 0);
    conn->rig = rig;
    rig->last = conn;
    if (rig->plan.on_open != NULL) {
        rig->plan.on_open(conn);
    }
    atomic_fetch_add(&rig->opened, 1);
}

void rig_closed(struct net_stream *stream, enum net_close_reason reason, int error)
{
    struct rig_conn *conn = rig_of(stream);
    struct rig *rig = conn->rig;
    if (rig->last == conn) {
        rig->last = NULL;
    }
    atomic_store(&rig->close_error, error);
    atomic_fetch_add(&rig->close_reasons[reason], 1);
    atomic_fetch_add(&rig->closed, 1);
    free(conn->memory);
    free(conn);
}

static void after_wait(void *context)
{
    struct rig *rig = context;
    atomic_fetch_add(&rig->after_waits, 1);
}

static void before_wait(void *context)
{
    struct rig *rig = context;
    if (atomic_load(&rig->lent_count) != 0) {
        atomic_store(&rig->lent_at_wait, true);
    }
    atomic_fetch_add(&rig->before_waits, 1);
}

static void on_tick(void *context)
{
    struct rig *rig = context;
    atomic_fetch_add(&rig->ticks, 1);
}

static void lent_done(void *arg, uint64_t number)
{
    struct rig *rig = arg;
    assert_int_equal(number, 42);
    atomic_fetch_sub(&rig->lent_count, 1);
}

void rig_lend(struct rig_conn *conn, const void *data, size_t size)
{
    atomic_fetch_add(&conn->rig->lent_count, 1);
    net_stream_lend(&conn->stream, data, size, lent_done, conn->rig, 42);
}

static void *run(void *arg)
{
    struct rig *rig = arg;
    net_loop_run(rig->loop);
    return NULL;
}

void rig_start(struct rig *rig, struct rig_plan plan)
{
    memset(rig, 0, sizeof(*rig));
    rig->plan = plan;
    struct net_loop_config config = {
        .kind = plan.kind,
        .output_max = plan.output_max == 0 ? 1024 * 1024 : plan.output_max,
        .receive_size = plan.receive_size,
        .handshake_timeout_ms = plan.handshake_timeout_ms,
        .handshake_max = plan.handshake_max,
        .callbacks = {.after_wait = after_wait, .before_wait = before_wait, .on_tick = on_tick},
        .context = rig,
    };
    assert_int_equal(net_loop_create(&config, &rig->loop), 0);
    const char *what = NULL;
    assert_int_equal(net_sock_listen("127.0.0.1", 0, 1024, &rig->tcp_fd, 1, &what), 1);
    struct net_address address;
    assert_int_equal(net_sock_name(rig->tcp_fd, &address), 0);
    struct sockaddr_in in;
    memcpy(&in, &address.storage, sizeof(in));
    rig->port = ntohs(in.sin_port);
    snprintf(rig->path, sizeof(rig->path), "/tmp/larder-net-test-%d-%p", (int)getpid(),
             (void *)rig);
    assert_int_equal(net_sock_listen_unix(rig->path, 1024, 0700, &rig->unix_fd, &what), 0);
    assert_int_equal(net_loop_listen(rig->loop, rig->tcp_fd, on_accept, rig, &rig->tcp_listener),
                     0);
    assert_int_equal(net_loop_listen(rig->loop, rig->unix_fd, on_accept, rig, &rig->unix_listener),
                     0);
    if (plan.accept_from != NULL) {
        assert_int_equal(net_loop_listen(rig->loop, plan.accept_from->tcp_fd, on_accept, rig,
                                         &rig->shared_listener),
                         0);
    }
    assert_int_equal(pthread_create(&rig->thread, NULL, run, rig), 0);
    rig_wait(&rig->before_waits, 1);
}

void rig_stop(struct rig *rig)
{
    net_loop_stop(rig->loop);
    assert_int_equal(pthread_join(rig->thread, NULL), 0);
    net_listener_close(&rig->tcp_listener);
    assert_false(atomic_load(&rig->lent_at_wait));
    assert_true(atomic_load(&rig->before_waits) > 0);
    assert_int_equal(atomic_load(&rig->before_waits), atomic_load(&rig->after_waits));
    net_loop_destroy(&rig->loop);
    assert_null(rig->loop);
    assert_int_equal(atomic_load(&rig->opened), atomic_load(&rig->closed));
    assert_int_equal(atomic_load(&rig->lent_count), 0);
    close(rig->tcp_fd);
    close(rig->unix_fd);
    unlink(rig->path);
}

struct call {
    void (*fn)(void *arg);
    void *arg;
    sem_t done;
};

static void run_call(void *arg)
{
    struct call *call = arg;
    call->fn(call->arg);
    sem_post(&call->done);
}

void rig_call(struct rig *rig, void (*fn)(void *arg), void *arg)
{
    struct call call = {.fn = fn, .arg = arg};
    assert_int_equal(sem_init(&call.done, 0, 0), 0);
    assert_int_equal(net_loop_post(rig->loop, run_call, &call), 0);
    while (sem_wait(&call.done) != 0) {
        assert_int_equal(errno, EINTR);
    }
    sem_destroy(&call.done);
}

void rig_wait(atomic_uint *counter, unsigned value)
{
    for (unsigned ms = 0; atomic_load(counter) < value; ms++) {
        if (ms > PATIENCE_MS) {
            fail_msg("waited for %u, there is %u", value, atomic_load(counter));
        }
        rig_sleep_ms(1);
    }
}

static int connected(int fd, const void *address, socklen_t size)
{
    assert_true(fd >= 0);
    struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    int rc = connect(fd, address, size);
    while (rc != 0 && (errno == EINTR || errno == EALREADY)) {
        rig_sleep_ms(1);
        rc = connect(fd, address, size);
    }
    assert_true(rc == 0 || errno == EISCONN);
    if (rig_tls_usual() != NULL) {
        rig_tls_connected(fd);
    }
    return fd;
}

int rig_connect_tcp(const struct rig *rig)
{
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_port = htons(rig->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return connected(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), &in, sizeof(in));
}

int rig_connect_unix(const struct rig *rig)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    strcpy(name.sun_path, rig->path);
    return connected(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), &name, sizeof(name));
}

ssize_t rig_try_send(int fd, const void *data, size_t size)
{
    return rig_tls_usual() != NULL ? rig_tls_send(fd, data, size, false)
                                   : send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

ssize_t rig_try_recv(int fd, void *data, size_t size)
{
    return rig_tls_usual() != NULL ? rig_tls_recv(fd, data, size, false)
                                   : recv(fd, data, size, MSG_DONTWAIT);
}

ssize_t rig_wait_recv(int fd, void *data, size_t size)
{
    return rig_tls_usual() != NULL ? rig_tls_recv(fd, data, size, true) : recv(fd, data, size, 0);
}

ssize_t rig_wait_send(int fd, const void *data, size_t size)
{
    return rig_tls_usual() != NULL ? rig_tls_send(fd, data, size, true)
                                   : send(fd, data, size, MSG_NOSIGNAL);
}

void rig_send(int fd, const void *data, size_t size)
{
    const char *from = data;
    while (size > 0) {
        ssize_t sent = rig_wait_send(fd, from, size);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        assert_true(sent > 0);
        from += sent;
        size -= (size_t)sent;
    }
}

void rig_recv(int fd, void *data, size_t size)
{
    char *to = data;
    while (size > 0) {
        ssize_t received = rig_wait_recv(fd, to, size);
        if (received < 0 && errno == EINTR) {
            continue; /* the kernel tidying up after a ring that this thread destroyed */
        }
        if (received <= 0) {
            fail_msg("%zu bytes missing: %s", size, received < 0 ? strerror(errno) : "end");
        }
        to += received;
        size -= (size_t)received;
    }
}

bool rig_is_ended(int fd)
{
    char byte;
    ssize_t received;
    do {
        received = rig_wait_recv(fd, &byte, 1);
    } while (received < 0 && errno == EINTR);
    return received == 0 || (received < 0 && (errno == ECONNRESET || errno == EPIPE));
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A loop on its own thread, accepting on a TCP and a UNIX socket, for tests that play the client
 * with blocking sockets on theirs. What a connection does is the test's handler.
 */
#ifndef LARDER_TEST_NET_RIG_H
#define LARDER_TEST_NET_RIG_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/loop.h"

struct rig;

/* One connection of the server. The fields below `rig` are the test's own. */
struct rig_conn {
    struct net_stream stream;
    struct rig *rig;
    uint64_t total;
    uint64_t number;
    char *memory;
    size_t size;
    uint32_t step;
    uint32_t calls;
};

struct rig_plan {
    enum net_loop_kind kind;
    uint32_t output_max;       /* 0: 1 MiB */
    uint32_t receive_size;     /* 0: the default */
    const struct net_tls *tls; /* NULL: none, unless the program was asked for TLS; borrowed */
    enum net_tls_verify verify;
    uint32_t handshake_timeout_ms, handshake_max; /* as net_loop_config */
    const struct net_stream_handler *handler;
    /* May be NULL; called when a connection was opened. */
    void (*on_open)(struct rig_conn *conn);
    const struct rig *accept_from; /* may be NULL: also accept from this one's TCP socket */
};

struct rig {
    struct rig_plan plan;
    struct net_loop *loop;
    struct net_listener *tcp_listener, *unix_listener, *shared_listener;
    int tcp_fd, unix_fd;
    uint16_t port;
    char path[64];
    pthread_t thread;
    /* loop's thread writes */
    atomic_uint opened, closed;
    atomic_uint close_reasons[5];
    atomic_int close_error;
    atomic_uint before_waits, after_waits, ticks;
    atomic_bool lent_at_wait; /* before_wait() found something lent in use */
    atomic_int lent_count;
    struct rig_conn *last; /* the newest connection; only for the loop's thread */
};

void rig_start(struct rig *rig, struct rig_plan plan);
/* Stops, destroys, and checks that every connection was closed once and every block is back. */
void rig_stop(struct rig *rig);
/* Run fn(arg) on the loop's thread and wait until it has returned. */
void rig_call(struct rig *rig, void (*fn)(void *arg), void *arg);
/* Wait until the counter has at least this value; fails the test after ten seconds. */
void rig_wait(atomic_uint *counter, unsigned value);
int rig_connect_tcp(const struct rig *rig);
int rig_connect_unix(const struct rig *rig);
/* Blocking; fail the test on an error or an early end. */
void rig_send(int fd, const void *data, size_t size);
void rig_recv(int fd, void *data, size_t size);
/* As send() and recv(), with TLS where the program was asked for it; try: with MSG_DONTWAIT. */
ssize_t rig_wait_send(int fd, const void *data, size_t size);
ssize_t rig_wait_recv(int fd, void *data, size_t size);
ssize_t rig_try_send(int fd, const void *data, size_t size);
ssize_t rig_try_recv(int fd, void *data, size_t size);
/* True when the peer closed (or reset) and nothing more was there. */
bool rig_is_ended(int fd);
/* For on_close() of a handler: counts and frees. */
void rig_closed(struct net_stream *stream, enum net_close_reason reason, int error);
/* For net_stream_lend(): counts what is lent. */
void rig_lend(struct rig_conn *conn, const void *data, size_t size);
/* The kind a test program was asked to run: its one argument, "epoll" or "io_uring", or these with
 * "-tls". */
enum net_loop_kind rig_kind(int argc, char **argv);
/* The same of a test's prestate. */
static inline enum net_loop_kind rig_kind_of(void **state)
{
    return *(const enum net_loop_kind *)*state;
}
/* Bytes that only this seed gives. */
void rig_fill(char *data, size_t size, unsigned seed);
void rig_sleep_ms(unsigned ms);
/* The conn of a stream. */
static inline struct rig_conn *rig_of(struct net_stream *stream)
{
    return (struct rig_conn *)stream;
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of src/net share: the loop's common part, the small table of what the two kinds
 * of loop do differently, and the bits of a stream's state.
 *
 *   loop.c           the turn: wait, dispatch, posted functions, tick, servicing of dirty streams
 *   listener.c       accepting
 *   stream.c         the life of a stream, and what becomes of bytes that arrived
 *   output.c         blocks and lent pieces that wait to be sent
 *   tls_stream.c     the same for streams with TLS (tls.c has the certificates)
 *   datagram.c       datagram sockets, and streams without a socket
 *   loop_epoll.c     ] readiness or completions of the kernel, turned into calls of the above
 *   loop_uring.c     ]
 *
 * All on the loop's thread, but for `posts` (under its lock), `stop` and the wake descriptor.
 */
#ifndef LARDER_NET_PRIV_H
#define LARDER_NET_PRIV_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/uio.h>

#include "base/block.h"
#include "base/check.h"
#include "net/loop.h"

struct net_datagram;

enum {
    NET_LOOP_MAGIC = 0x6c6f6f70,          /* "loop" */
    NET_LISTENER_MAGIC = 0x6c697374,      /* "list" */
    NET_RECEIVE_SIZE_DEFAULT = 64 * 1024, /* bytes; a socket rarely holds more between two turns */
    NET_RECEIVE_TURN_MAX = 1024 * 1024,   /* bytes of a large value taken in one turn */
    NET_LARGE_MIN = 16 * 1024, /* bytes in one receive that are worth another way of receiving */
    NET_ACCEPT_TURN_MAX = 64,  /* connections accepted from one listener in one turn */
    NET_IOVEC_MAX = 64,        /* pieces in one system call */
    NET_BLOCKS_IDLE_MAX = 64,  /* 1 MiB of blocks kept by each loop */
    NET_TICK_MS = 1000,
};

enum net_stream_state {
    STREAM_BUSY = 1 << 0,     /* in its own callbacks: serviced when they have returned */
    STREAM_DIRTY = 1 << 1,    /* in one of the loop's queues */
    STREAM_PAUSED = 1 << 2,   /* by its owner */
    STREAM_FULL = 1 << 3,     /* more than output_max unsent */
    STREAM_ENDED = 1 << 4,    /* the peer sends no more */
    STREAM_REPLAY = 1 << 5,   /* what was left is to be presented again, without new bytes */
    STREAM_CLOSING = 1 << 6,  /* no more callbacks but on_close() */
    STREAM_WAIT_OUT = 1 << 7, /* the socket took less than it was offered */
    /* epoll: what is registered */
    STREAM_EPOLL_IN = 1 << 8,
    STREAM_EPOLL_OUT = 1 << 9,
    STREAM_EPOLL_OFF = 1 << 10, /* taken out of the set: hung up while nothing is wanted from it */
    /* io_uring: operations whose last completion has not come yet */
    STREAM_URING_RECEIVE = 1 << 11,
    STREAM_URING_CANCEL = 1 << 12, /* that receive is being cancelled */
    STREAM_URING_SEND = 1 << 13,
    STREAM_URING_POLL_IN = 1 << 14,
    STREAM_URING_POLL_OUT = 1 << 15,
    STREAM_LARGE = 1 << 16, /* much arrives at once: polled and received from */
    STREAM_SMALL = 1 << 19, /* LARGE, but the last receive was not */
    /* TLS: see tls_stream.c */
    STREAM_TLS_MORE = 1 << 17,    /* there may be input that the socket does not announce */
    STREAM_TLS_BLOCKED = 1 << 18, /* has to write before it can read */
};

/* A piece lent to the output. A stream's pieces are a ring; stream->lent is the last one. */
struct net_lent {
    struct net_lent *next;
    uint64_t at; /* position in everything the stream ever sends */
    const char *data;
    size_t size; /* bytes still to be sent */
    void (*done)(void *arg, uint64_t number);
    void *arg;
    uint64_t number;
};

struct net_stream_queue {
    struct net_stream *head, *tail;
};

struct net_post {
    struct net_post *next;
    void (*fn)(void *arg);
    void *arg;
};

/* What the kinds of loop do differently. None of these calls an owner's callback but dispatch. */
struct net_loop_ops {
    const char *name;
    /* Frees the loop itself. */
    void (*destroy)(struct net_loop *loop);
    void (*wait)(struct net_loop *loop, int timeout_ms);
    /* Handles what wait() brought. */
    void (*dispatch)(struct net_loop *loop);
    /* Watch the descriptor; returns 0 or -errno. */
    int (*stream_add)(struct net_stream *stream);
    /* Send, or have sent before the next wait; nothing lent is left afterwards. */
    void (*stream_send)(struct net_stream *stream);
    /* Bring what is asked of the kernel in line with the state. */
    void (*stream_arm)(struct net_stream *stream);
    /* Last call. False: not yet, the kernel still works on it; will be serviced again. */
    bool (*stream_remove)(struct net_stream *stream);
    /* Returns 0 or -errno. */
    int (*listener_start)(struct net_listener *listener);
    void (*listener_stop)(struct net_listener *listener);
    /* Returns 0 or -errno. */
    int (*datagram_start)(struct net_datagram *datagram);
    void (*datagram_stop)(struct net_datagram *datagram);
    void (*leave)(struct net_loop *loop); /* the thread goes: let go of sockets. NULL: nothing */
};

/* What a loop knows of its streams with TLS. */
struct net_tls_loop {
    struct net_tls_session *oldest, *newest; /* hand-shakes under way */
    uint32_t handshake_count;
    uint32_t step_count; /* of hand-shakes, in this turn */
    char *gathered;      /* NET_TLS_RECORD_MAX bytes; NULL until the first such stream */
};

struct net_loop {
    uint32_t magic;
    const struct net_loop_ops *ops;
    struct net_loop_config config; /* receive_size filled in */
    struct net_loop_counters counters;
    struct base_block_pool pool;
    /* Where bytes are received and made contiguous: BASE_BLOCK_ROOM + receive_size. */
    char *buffer;
    size_t buffer_size;
    struct net_stream *streams;     /* all open ones */
    struct net_listener *listeners; /* all, closed ones until the turn ends */
    struct net_datagram *datagrams; /* the same */
    struct net_stream_queue dirty;  /* to be serviced in this turn */
    struct net_stream_queue later;  /* in the next one: their share of this one is used up */
    struct net_lent *lent_idle;     /* for reuse */
    uint32_t lent_idle_count;
    uint64_t tick_next_ms;
    int wake_fd;  /* eventfd: posts, stop */
    bool running; /* a wait follows: what is queued for it will be submitted */
    bool woken;   /* wake_fd was readable in this turn */
    bool listener_starved, listener_closed, listener_held; /* some listener is */
    struct net_tls_loop tls;
    bool datagram_closed; /* some is */
    atomic_bool stop;
    pthread_mutex_t post_lock;
    struct net_post *post_head, *post_tail; /* under post_lock */
};

struct net_listener {
    uint32_t magic;
    int fd;
    struct net_loop *loop;
    net_accept_fn on_accept;
    void *arg;
    struct net_listener *next;
    bool paused;  /* by its owner */
    bool starved; /* out of descriptors; until the next tick */
    bool closed;
    bool started; /* the kernel watches it */
    /* io_uring */
    bool accepting; /* the last completion has not come yet */
    uint32_t slot;  /* 0: none */
    int *held;      /* accepted although paused: handed over when it is resumed */
    size_t held_count, held_max;
};

/* ---- loop.c ---- */

/* Common part of a loop; returns 0 or -errno. */
int net_loop_init(struct net_loop *loop, const struct net_loop_ops *ops,
                  const struct net_loop_config *config);
void net_loop_fini(struct net_loop *loop);
/* The wake descriptor fired. */
void net_loop_woken(struct net_loop *loop);
void net_loop_mark_dirty(struct net_stream *stream);
void net_loop_mark_later(struct net_stream *stream);
/* The two implementations. Return 0 or -errno. */
int net_epoll_create(const struct net_loop_config *config, struct net_loop **ret_loop);
int net_uring_create(const struct net_loop_config *config, struct net_loop **ret_loop);

/* Only the loop's thread writes; others may read at any time. */
static inline void net_count(_Atomic uint64_t *counter, uint64_t more)
{
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + more, memory_order_relaxed);
}

/* ---- listener.c ---- */

/* Hand over one accepted descriptor. peer NULL: ask the kernel for it. */
void net_listener_accepted(struct net_listener *listener, int fd, const struct net_address *peer);
/* Hands over what was held back, to listeners that are not paused any more. */
void net_listener_hand_over(struct net_loop *loop);
/* accept() failed with `error` (positive errno). False: stopped until the next tick. */
bool net_listener_failed(struct net_listener *listener, int error);
/* After a tick: start again what was starved. */
void net_listener_retry(struct net_loop *loop);
/* At the end of a turn: free what was closed. */
void net_listener_reap(struct net_loop *loop);

/* ---- stream.c ---- */

static inline bool net_stream_is(const struct net_stream *stream, unsigned bits)
{
    return (stream->state & bits) != 0;
}

/* True when bytes of the socket are wanted now. */
static inline bool net_stream_wants_input(const struct net_stream *stream)
{
    return !net_stream_is(stream,
                          STREAM_CLOSING | STREAM_ENDED | STREAM_FULL | STREAM_TLS_BLOCKED) &&
           (stream->receive_to != NULL || !net_stream_is(stream, STREAM_PAUSED));
}

/* True when there is input to be had that the socket will not announce. */
static inline bool net_stream_holds_input(const struct net_stream *stream)
{
    return net_stream_is(stream, STREAM_TLS_MORE) && net_stream_wants_input(stream);
}

/* net_stream_open() with a session (given; NULL: none). */
int net_stream_open_with(struct net_loop *loop, struct net_stream *stream, int fd,
                         const struct net_stream_handler *handler, struct net_tls_session *session);
/* True when what was left is to be presented (or to go to the receive target) now. */
bool net_stream_replay_due(const struct net_stream *stream);
/* Hand out what was left. */
void net_stream_replay(struct net_stream *stream);
/* What a stream that waits for more had left; less than a block. */
static inline size_t net_stream_left(const struct net_stream *stream)
{
    const struct base_block *left = stream->input;
    if (left == NULL) {
        return 0;
    }
    CHECK(left->next == NULL);
    return left->end - left->begin;
}
/* Move what was left to the front of the loop's buffer, as much as fits; returns its size. */
size_t net_stream_gather(struct net_stream *stream);
/* Bytes have arrived: to the receive target, to on_data(), or kept. Nothing may be left. */
void net_stream_consume(struct net_stream *stream, char *data, size_t size);
/* The same when bytes may be left. `data` is not the loop's buffer and at most receive_size. */
void net_stream_arrived(struct net_stream *stream, char *data, size_t size);
/*
 * The socket is readable: receive into the loop's buffer, once, or more often while a large value
 * goes on. Returns the bytes received.
 */
size_t net_stream_readable(struct net_stream *stream);
/* `size` bytes were received to receive_to. */
void net_stream_filled(struct net_stream *stream, size_t size);
void net_stream_fail(struct net_stream *stream, enum net_close_reason reason, int error);
/* After its callbacks, or when somebody else touched it: replay, send, pressure, arm, finish. */
void net_stream_service(struct net_stream *stream);

/* ---- output.c ---- */

/* The first pieces of what is unsent, at most NET_IOVEC_MAX; returns how many. */
size_t net_output_pieces(const struct net_stream *stream, struct iovec *pieces, size_t *ret_size);
/* Offer the socket what is unsent. */
void net_output_flush(struct net_stream *stream);
/* `size` bytes of the output were sent. */
void net_output_sent(struct net_stream *stream, size_t size);
/* Copy what is lent into blocks. */
void net_output_copy(struct net_stream *stream);
/* Give lent pieces back unsent. */
void net_output_drop_lent(struct net_stream *stream);
/* Free all that is unsent, and the loop's idle pieces. */
void net_output_drop(struct net_stream *stream);
void net_output_fini(struct net_loop *loop);

/* ---- tls_stream.c ---- */

/* As one recv(): false when there is nothing for the owner. The hand-shake goes on here, too. */
bool net_tls_receive(struct net_stream *stream, char *to, size_t size, size_t *ret_received);
/* As net_output_flush(). */
void net_tls_flush(struct net_stream *stream);
/* Tell the peer that this is the end, if all was sent. Before its descriptor is closed; idempotent. */
void net_tls_goodbye(struct net_stream *stream);
/* Free the session (given) of a stream that is closed. */
void net_tls_end(struct net_tls_session *session);
/* Once a second: end what takes too long. */
void net_tls_tick(struct net_loop *loop);

#endif

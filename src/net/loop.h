/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The event loop contract: one thread, its descriptors, its streams. Knows bytes, no commands.
 *
 * Two implementations stand behind it, loop_epoll.c and loop_uring.c; the same tests run on both.
 * The contract is about finished work, not readiness: "these bytes have arrived", "this buffer is
 * filled", so that io_uring fits without pretending, and epoll costs nothing more.
 *
 * Threads.   Everything here is called on the loop's own thread, except net_loop_post() and
 *            net_loop_stop().
 * Input.     on_data() gets everything that has arrived and was not consumed yet, contiguous,
 *            and says how much it consumed. An owner that leaves bytes waits for more and will be
 *            called when more has come; it may leave less than BASE_BLOCK_ROOM bytes then, because
 *            a request that needs more is taken with net_stream_receive(). This is checked: an
 *            owner that neither consumes nor waits for something finite is wrong.
 *            A stream that is stopped, by net_stream_pause() or by its unsent output, may leave
 *            any number of bytes: they are kept in pooled blocks and presented again, contiguous
 *            again, when it goes on. An idle stream holds no block.
 * Output.    Written into pooled blocks and sent with one system call after on_data() returns
 *            (epoll) or together with all streams of the turn (io_uring). Bytes can also be lent;
 *            what the socket does not take by the end of the turn is copied into blocks and given
 *            back, so a slow reader never holds what was lent.
 * Pressure.  While more than `output_max` bytes are unsent the stream reads nothing and on_data()
 *            is not called. One call of on_data() can still write without bound, so an owner with
 *            many requests in hand looks at net_stream_is_full() between them, and returns with
 *            the rest unconsumed when it is: it will be called again when the output has drained.
 * Turn.      before_wait() is called when everything of this turn was sent or copied: nothing
 *            lent is in use. after_wait() is called before the first callback of a turn.
 */
#ifndef LARDER_NET_LOOP_H
#define LARDER_NET_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/block.h"
#include "net/sock.h"
#include "net/tls.h"

struct net_loop;
struct net_stream;
struct net_listener;
struct net_tls_session;

enum net_loop_kind { NET_LOOP_AUTO, NET_LOOP_EPOLL, NET_LOOP_URING };

enum net_close_reason {
    NET_CLOSE_PEER,      /* end of file */
    NET_CLOSE_ERROR,     /* a socket error */
    NET_CLOSE_LOCAL,     /* net_stream_close() */
    NET_CLOSE_NO_MEMORY, /* no block could be had */
    NET_CLOSE_TLS,       /* a hand-shake that failed, or what is no TLS: net_stream_tls_error() */
};

struct net_loop_callbacks {
    void (*after_wait)(void *context);
    void (*before_wait)(void *context);
    void (*on_tick)(void *context); /* about once a second */
};

struct net_loop_config {
    enum net_loop_kind kind;
    uint32_t output_max;   /* bytes unsent per stream before reading stops */
    uint32_t receive_size; /* bytes asked for in one receive; 0: 64 KiB */
    /* Of streams with TLS. A hand-shake may take so long, give or take a tick; 0: for ever. */
    uint32_t handshake_timeout_ms;
    /* When more are under way the oldest is ended, unless it is younger than a second; 0: no bound. */
    uint32_t handshake_max;
    struct net_loop_callbacks callbacks;
    void *context; /* of the callbacks; borrowed for the loop's life */
};

/* They only grow; the loop's thread writes, any thread may read (relaxed). */
struct net_loop_counters {
    _Atomic uint64_t bytes_in, bytes_out;
    _Atomic uint64_t receives, sends, waits; /* system calls or completions */
    _Atomic uint64_t accepts;
    _Atomic uint64_t accept_failures; /* out of descriptors or memory; retried a tick later */
    _Atomic uint64_t lent_copied;     /* bytes lent that had to be copied out */
    _Atomic uint64_t paused;          /* times a stream was stopped by output_max */
    _Atomic uint64_t buffer_oom;
    _Atomic uint64_t tls_handshakes; /* that succeeded */
    _Atomic uint64_t tls_resumed; /* of these: without certificates, from a ticket or the cache */
    _Atomic uint64_t tls_kernel;  /* of these: the kernel encrypts */
    _Atomic uint64_t tls_handshake_errors, tls_handshake_timeouts, tls_handshake_evictions;
    _Atomic uint64_t tls_errors; /* what came after a hand-shake and was no TLS */
};

struct net_stream_handler {
    /* `data`: everything unconsumed, contiguous. Returns the bytes consumed, <= size. */
    size_t (*on_data)(struct net_stream *stream, char *data, size_t size);
    /* The bytes asked for with net_stream_receive() are there. May ask for the next. */
    void (*on_received)(struct net_stream *stream);
    /*
     * The output exceeded output_max and has drained to half of it; on_data() follows when bytes
     * were left. May be NULL.
     */
    void (*on_drained)(struct net_stream *stream);
    /* With TLS: the hand-shake is done; on_data() follows. May be NULL. */
    void (*on_secured)(struct net_stream *stream);
    /*
     * Last call, never from inside another callback of this stream. The descriptor is closed, what
     * was lent is back, the buffer given to receive() is free again, and net forgets the stream.
     */
    void (*on_close)(struct net_stream *stream, enum net_close_reason reason, int error);
};

/*
 * The part of a connection that net needs; the first member of the owner's own structure, which
 * the owner allocates and frees (in on_close). The fields belong to src/net.
 */
struct net_stream {
    const struct net_stream_handler *handler;
    struct net_loop *loop;
    int fd;
    uint32_t state;              /* net's own bits */
    struct net_tls_session *tls; /* NULL: bytes are sent as they are */
    struct base_block *input;    /* what on_data() left; NULL when nothing */
    struct base_block *out_head; /* unsent output */
    struct base_block *out_tail;
    struct net_lent *lent;                       /* pieces lent among the output; NULL when none */
    uint64_t out_size;                           /* bytes unsent, lent ones included */
    uint64_t out_sent;                           /* bytes sent in its life */
    char *receive_to;                            /* net_stream_receive() target; NULL when none */
    size_t receive_size;                         /* bytes still to come there */
    struct net_stream *next_dirty, *prev, *next; /* the loop's lists */
    uint32_t slot;                               /* io_uring's name for it */
    uint32_t uring_sending;                      /* bytes of the send under way */
    int16_t close_error;                         /* errno, for on_close() */
    uint8_t close_reason;
};

/* Returns 0 and *ret_loop (given), or -errno. AUTO never fails for want of io_uring. */
int net_loop_create(const struct net_loop_config *config, struct net_loop **ret_loop);
/*
 * Runs what is posted, closes what is still open (on_close() is called, listeners are gone).
 * Not from a callback. Accepts NULL, sets NULL.
 */
void net_loop_destroy(struct net_loop **loop);
/*
 * Runs until net_loop_stop(), which ends it after the turn; can be run again, on the same thread.
 * That need not be the thread that created the loop or will destroy it. Returns with
 * after_wait() as the last of the two callbacks.
 */
void net_loop_run(struct net_loop *loop);
/* Any thread, async-signal-safe. */
void net_loop_stop(struct net_loop *loop);
/* "epoll" or "io_uring": what AUTO chose. Static. */
const char *net_loop_name(const struct net_loop *loop);
const struct net_loop_counters *net_loop_counters(const struct net_loop *loop);
struct base_block_pool *net_loop_pool(struct net_loop *loop);
/* Any thread: run fn(arg) on the loop's thread, soon, in order of posting. Returns 0 or -ENOMEM. */
int net_loop_post(struct net_loop *loop, void (*fn)(void *arg), void *arg);

/*
 * Accept from fd (borrowed, non-blocking) on this loop; several loops may listen on one fd. The
 * accepted descriptor is given to on_accept, non-blocking and close-on-exec. When the process is
 * out of descriptors the listener rests until the next tick. Returns 0 or -errno.
 */
typedef void (*net_accept_fn)(void *arg, int fd, const struct net_address *peer);
int net_loop_listen(struct net_loop *loop, int fd, net_accept_fn on_accept, void *arg,
                    struct net_listener **ret_listener);
/* Stop and go on accepting (the connection limit). Idempotent. */
void net_listener_pause(struct net_listener *listener);
void net_listener_resume(struct net_listener *listener);
void net_listener_close(struct net_listener **listener);

/* fd is given, connected and non-blocking. Returns 0 or -errno (fd is then still the caller's). */
int net_stream_open(struct net_loop *loop, struct net_stream *stream, int fd,
                    const struct net_stream_handler *handler);
/*
 * The same with TLS, as the server's side: on_secured() is called when the hand-shake is done, the rest
 * is as above. Bytes are counted and limited as the owner sees them. tls is borrowed for the call.
 */
int net_stream_open_tls(struct net_loop *loop, struct net_stream *stream, int fd,
                        const struct net_stream_handler *handler, const struct net_tls *tls,
                        enum net_tls_verify verify);
/* Common name and whole subject (RFC 2253) of the client's certificate, once it is verified; NULL: it
 * showed none, or there is no TLS. Lent until on_close() returns, as the next is. */
const char *net_stream_tls_name(const struct net_stream *stream);
const char *net_stream_tls_subject(const struct net_stream *stream);
/* "TLSv1.3"; NULL: no TLS, or not yet. Static. */
const char *net_stream_tls_version(const struct net_stream *stream);
/* In on_close(), for NET_CLOSE_TLS: what was wrong. Returns the length. */
size_t net_stream_tls_error(const struct net_stream *stream, char out[NET_TLS_WHY_MAX]);
/*
 * on_close() follows before the turn ends; no other callback does. flush: try once to send what is
 * unsent. Idempotent, and harmless on a stream that is closing already.
 */
void net_stream_close(struct net_stream *stream, bool flush);
/*
 * No on_data() until resumed; then it is called with what had been left. What was asked for with
 * net_stream_receive() still comes. Idempotent.
 */
void net_stream_pause(struct net_stream *stream);
void net_stream_resume(struct net_stream *stream);
/*
 * The next `size` (>= 1) bytes after those consumed go to `to` (lent until on_received() or
 * on_close()) as they arrive, written past the processor's caches. One target at a time; usually
 * called from on_data() or on_received(). Bytes that on_data() has in hand but does not report as
 * consumed are copied there first.
 */
void net_stream_receive(struct net_stream *stream, char *to, size_t size);

/* ---- output; none of these sends before the callback returns ---- */

/*
 * Contiguous room for `size` (1..BASE_BLOCK_ROOM) bytes at the end of the output; lent until the
 * next call for this stream. NULL: no memory, and the stream will be closed, or it is closing.
 * net_stream_wrote() keeps `size` of it.
 */
char *net_stream_room(struct net_stream *stream, size_t size);
void net_stream_wrote(struct net_stream *stream, size_t size);
/* How much room the last net_stream_room() gave in truth: `size` bytes or more. */
size_t net_stream_room_size(const struct net_stream *stream);
/* Copies any number of bytes. false: no memory, and the stream will be closed, or it is closing. */
bool net_stream_write(struct net_stream *stream, const void *data, size_t size);
/*
 * Lend bytes: sent from where they are, or copied by before_wait(). `done` (may be NULL) is called
 * once when they are no longer needed, on this thread, before before_wait(); at once when the
 * result is false (as for net_stream_write()). It must not call net.
 */
bool net_stream_lend(struct net_stream *stream, const void *data, size_t size,
                     void (*done)(void *arg, uint64_t number), void *arg, uint64_t number);
/* Bytes that wait to be sent. */
uint64_t net_stream_unsent(const struct net_stream *stream);
/* True when that is more than output_max: time to return from on_data(). */
bool net_stream_is_full(const struct net_stream *stream);
/* Send now what can be sent, and copy out what was lent: nothing lent is in use afterwards. */
void net_stream_settle(struct net_stream *stream);

#endif

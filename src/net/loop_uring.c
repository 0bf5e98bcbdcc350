/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The loop on io_uring: one system call per turn submits everything and waits.
 *
 * Receive    A multishot receive per stream into a ring of buffers shared by all; the kernel picks
 *            a buffer only when bytes are there. A stream that brings much at once is polled and
 *            received from as with epoll, because multishot would spread it over many buffers, out
 *            of the cache, and present it in as many parts.
 * Send       One request per stream and turn, MSG_DONTWAIT: the kernel carries it out while it is
 *            submitted, or fails it. So after the system call every send without a completion is
 *            done (success is not reported), and no buffer is ever in the kernel's hands while
 *            callbacks run. Lent or scattered output is sent with a plain system call before the
 *            wait, because before_wait() promises that nothing lent is in use.
 * Names      The kernel's requests name a slot and its generation, not a pointer: completions of a
 *            stream that is gone are recognised, and a stream need not wait for them.
 * Threads    The ring starts disabled; the thread that runs the loop first enables and owns it.
 *
 * Needs Linux 6.1, whose DEFER_TASKRUN keeps the kernel's part of the work in the wait: between
 * two waits no completion appears but those of what was submitted meanwhile. Older kernels get
 * epoll; a variant for 6.0 alone is not worth its tests.
 */
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "net/datagram_priv.h"
#include "net/net_priv.h"

enum {
    SQ_ENTRIES = 1024,
    CQ_ENTRIES = 8192,
    BUFFER_COUNT = 64,       /* a power of two */
    BUFFER_SIZE_MAX = 16384, /* bytes; less when receive_size is */
    BUFFER_GROUP = 0,
    SLOTS_FIRST = 64,
};

enum operation {
    OP_NONE,
    OP_WAKE,
    OP_ACCEPT,
    OP_RECEIVE,
    OP_SEND,
    OP_POLL_IN,
    OP_POLL_OUT,
    OP_DATAGRAM,
};

struct slot {
    void *object; /* stream, listener or datagram socket; NULL: free */
    uint32_t generation;
    uint32_t next_free;
};

struct uring_loop {
    struct net_loop loop;
    struct io_uring ring;
    bool enabled;
    struct io_uring_buf_ring *buffer_ring;
    char *buffers;
    size_t buffer_size;
    size_t map_size;    /* of both */
    struct slot *slots; /* slot 0 is nobody's */
    uint32_t slot_count, slot_free;
    struct net_stream **sending; /* whose send was submitted, or will be with the next wait */
    uint32_t sending_count, sending_max;
    uint32_t request_count; /* since completions were last taken */
};

static struct uring_loop *self(struct net_loop *loop)
{
    return (struct uring_loop *)loop;
}

/* ---- names of requests: slot, generation (24 bits), operation ---- */

static uint64_t name_of(const struct uring_loop *uring, uint32_t slot, enum operation operation)
{
    return (uint64_t)slot << 32 | (uint64_t)(uring->slots[slot].generation & 0xffffff) << 8 |
           (uint64_t)operation;
}

/* The stream or listener, or NULL when it is gone. */
static void *object_of(const struct uring_loop *uring, uint64_t name)
{
    uint32_t slot = (uint32_t)(name >> 32);
    CHECK(slot < uring->slot_count);
    if (((uring->slots[slot].generation ^ (uint32_t)(name >> 8)) & 0xffffff) != 0) {
        return NULL;
    }
    return uring->slots[slot].object;
}

static int slot_take(struct uring_loop *uring, void *object, uint32_t *ret_slot)
{
    if (uring->slot_free == 0) {
        uint32_t count = uring->slot_count == 0 ? SLOTS_FIRST : uring->slot_count * 2;
        struct slot *slots = realloc(uring->slots, count * sizeof(*slots));
        if (slots == NULL) {
            return -ENOMEM;
        }
        uring->slots = slots;
        uint32_t first = uring->slot_count == 0 ? 1 : uring->slot_count;
        slots[0] = (struct slot){0};
        for (uint32_t i = first; i < count; i++) {
            slots[i] = (struct slot){.next_free = i + 1 < count ? i + 1 : 0};
        }
        uring->slot_free = first;
        uring->slot_count = count;
    }
    uint32_t slot = uring->slot_free;
    uring->slot_free = uring->slots[slot].next_free;
    uring->slots[slot].object = object;
    *ret_slot = slot;
    return 0;
}

static void slot_give(struct uring_loop *uring, uint32_t slot)
{
    uring->slots[slot].object = NULL;
    uring->slots[slot].generation++;
    uring->slots[slot].next_free = uring->slot_free;
    uring->slot_free = slot;
}

/* ---- submission ---- */

static struct io_uring_sqe *sqe_take(struct uring_loop *uring)
{
    uring->request_count++;
    struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);
    while (BASE_UNLIKELY(sqe == NULL)) {
        /* Full. The ring is enabled: before that only a few listeners ask for anything. */
        int rc = io_uring_submit(&uring->ring);
        CHECK(rc >= 0 || rc == -EINTR || rc == -EAGAIN || rc == -EBUSY);
        sqe = io_uring_get_sqe(&uring->ring);
    }
    return sqe;
}

static void submit_cancel(struct uring_loop *uring, uint64_t name)
{
    struct io_uring_sqe *sqe = sqe_take(uring);
    io_uring_prep_cancel64(sqe, name, 0);
    io_uring_sqe_set_flags(sqe, IOSQE_CQE_SKIP_SUCCESS);
    io_uring_sqe_set_data64(sqe, OP_NONE);
}

static void submit_wake(struct uring_loop *uring)
{
    struct io_uring_sqe *sqe = sqe_take(uring);
    io_uring_prep_poll_multishot(sqe, uring->loop.wake_fd, POLLIN);
    io_uring_sqe_set_data64(sqe, OP_WAKE);
}

static void submit_receive(struct uring_loop *uring, struct net_stream *stream)
{
    struct io_uring_sqe *sqe = sqe_take(uring);
    io_uring_prep_recv_multishot(sqe, stream->fd, NULL, 0, 0);
    io_uring_sqe_set_flags(sqe, IOSQE_BUFFER_SELECT);
    sqe->buf_group = BUFFER_GROUP;
    io_uring_sqe_set_data64(sqe, name_of(uring, stream->slot, OP_RECEIVE));
    stream->state |= STREAM_URING_RECEIVE;
}

static void submit_poll(struct uring_loop *uring, struct net_stream *stream,
                        enum operation operation)
{
    struct io_uring_sqe *sqe = sqe_take(uring);
    io_uring_prep_poll_add(sqe, stream->fd, operation == OP_POLL_IN ? POLLIN : POLLOUT);
    io_uring_sqe_set_data64(sqe, name_of(uring, stream->slot, operation));
    stream->state |= operation == OP_POLL_IN ? STREAM_URING_POLL_IN : STREAM_URING_POLL_OUT;
}

/* ---- streams ---- */

static int uring_stream_add(struct net_stream *stream)
{
    int rc = slot_take(self(stream->loop), stream, &stream->slot);
    if (rc == 0) {
        net_loop_mark_dirty(stream); /* armed when the turn ends */
    }
    return rc;
}

static void uring_stream_arm(struct net_stream *stream)
{
    struct uring_loop *uring = self(stream->loop);
    bool wanted = net_stream_wants_input(stream);
    /* TLS reads by itself, from the socket. */
    bool large = net_stream_is(stream, STREAM_LARGE) || stream->tls != NULL;
    if (net_stream_is(stream, STREAM_URING_RECEIVE)) {
        if ((!wanted || large) && !net_stream_is(stream, STREAM_URING_CANCEL)) {
            submit_cancel(uring, name_of(uring, stream->slot, OP_RECEIVE));
            stream->state |= STREAM_URING_CANCEL;
        }
    } else if (wanted && !net_stream_is(stream, STREAM_URING_POLL_IN)) {
        if (large) {
            submit_poll(uring, stream, OP_POLL_IN);
        } else {
            submit_receive(uring, stream);
        }
    }
    if (net_stream_is(stream, STREAM_WAIT_OUT) && !net_stream_is(stream, STREAM_URING_POLL_OUT)) {
        submit_poll(uring, stream, OP_POLL_OUT);
    }
}

/*
 * True when one more send can be noted, and when its failure would find room among the
 * completions: a failure that is not seen would be taken for success.
 */
static bool sending_has_room(struct uring_loop *uring)
{
    if (uring->request_count >= CQ_ENTRIES - 1) {
        return false;
    }
    if (uring->sending_count < uring->sending_max) {
        return true;
    }
    uint32_t max = uring->sending_max == 0 ? SLOTS_FIRST : uring->sending_max * 2;
    struct net_stream **sending = realloc(uring->sending, max * sizeof(struct net_stream *));
    if (sending == NULL) {
        return false;
    }
    uring->sending = sending;
    uring->sending_max = max;
    return true;
}

static bool fits_one_send(const struct net_stream *stream)
{
    return stream->lent == NULL && stream->tls == NULL &&
           (stream->out_head == NULL || stream->out_head->next == NULL);
}

static void uring_stream_send(struct net_stream *stream)
{
    struct uring_loop *uring = self(stream->loop);
    const struct base_block *block = stream->out_head;
    if (!uring->loop.running || !fits_one_send(stream) || !sending_has_room(uring)) {
        net_stream_settle(stream);
        return;
    }
    if (net_stream_is(stream, STREAM_WAIT_OUT | STREAM_URING_SEND)) {
        return;
    }
    /* MSG_WAITALL makes a short send a failure, and failures are reported. */
    struct io_uring_sqe *sqe = sqe_take(uring);
    io_uring_prep_send(sqe, stream->fd, block->data + block->begin, block->end - block->begin,
                       MSG_NOSIGNAL | MSG_DONTWAIT | MSG_WAITALL);
    io_uring_sqe_set_flags(sqe, IOSQE_CQE_SKIP_SUCCESS);
    io_uring_sqe_set_data64(sqe, name_of(uring, stream->slot, OP_SEND));
    stream->state |= STREAM_URING_SEND;
    stream->uring_sending = block->end - block->begin;
    uring->sending[uring->sending_count++] = stream;
}

static bool uring_stream_remove(struct net_stream *stream)
{
    struct uring_loop *uring = self(stream->loop);
    if (net_stream_is(stream, STREAM_URING_SEND)) {
        return false;
    }
    if (net_stream_is(stream,
                      STREAM_URING_RECEIVE | STREAM_URING_POLL_IN | STREAM_URING_POLL_OUT)) {
        /* Requests hold the socket open; this ends them, and tells the peer now. */
        (void)shutdown(stream->fd, SHUT_RDWR);
    }
    slot_give(uring, stream->slot);
    return true;
}

/* ---- listeners ---- */

static int uring_listener_start(struct net_listener *listener)
{
    struct uring_loop *uring = self(listener->loop);
    if (listener->slot == 0) {
        int rc = slot_take(uring, listener, &listener->slot);
        if (rc != 0) {
            return rc;
        }
    }
    if (!listener->accepting) {
        struct io_uring_sqe *sqe = sqe_take(uring);
        /*
         * Not multishot: the kernel wakes the first of the loops in its queue, and one that stays
         * there gets every client and keeps all waiting while it is busy. This way it goes last.
         */
        io_uring_prep_accept(sqe, listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        io_uring_sqe_set_data64(sqe, name_of(uring, listener->slot, OP_ACCEPT));
        listener->accepting = true;
    }
    return 0;
}

static void uring_listener_stop(struct net_listener *listener)
{
    struct uring_loop *uring = self(listener->loop);
    if (listener->accepting) {
        submit_cancel(uring, name_of(uring, listener->slot, OP_ACCEPT));
    }
    if (listener->closed && listener->slot != 0) {
        slot_give(uring, listener->slot);
        listener->slot = 0;
    }
}

static void accept_done(struct uring_loop *uring, const struct io_uring_cqe *cqe)
{
    struct net_listener *listener = object_of(uring, cqe->user_data);
    if (listener == NULL) {
        if (cqe->res >= 0) {
            (void)close(cqe->res); /* accepted before the cancel came through */
        }
        return;
    }
    if ((cqe->flags & IORING_CQE_F_MORE) == 0) {
        listener->accepting = false;
    }
    if (cqe->res >= 0) {
        net_listener_accepted(listener, cqe->res, NULL);
    } else if (cqe->res != -ECANCELED && cqe->res != -EAGAIN) {
        (void)net_listener_failed(listener, -cqe->res);
    }
    if (listener->started && !listener->accepting) {
        (void)uring_listener_start(listener); /* has its slot: cannot fail */
    }
}

/* ---- datagram sockets ---- */

static int uring_datagram_start(struct net_datagram *datagram)
{
    struct uring_loop *uring = self(datagram->loop);
    if (datagram->slot == 0) {
        int rc = slot_take(uring, datagram, &datagram->slot);
        if (rc != 0) {
            return rc;
        }
    }
    struct io_uring_sqe *sqe = sqe_take(uring);
    /* Of several loops that wait for one socket, wake one. */
    io_uring_prep_poll_add(sqe, datagram->fd, POLLIN | EPOLLEXCLUSIVE);
    io_uring_sqe_set_data64(sqe, name_of(uring, datagram->slot, OP_DATAGRAM));
    datagram->polled = true;
    return 0;
}

static void uring_datagram_stop(struct net_datagram *datagram)
{
    struct uring_loop *uring = self(datagram->loop);
    if (datagram->polled) {
        submit_cancel(uring, name_of(uring, datagram->slot, OP_DATAGRAM));
    }
    slot_give(uring, datagram->slot);
    datagram->slot = 0;
}

static void datagram_done(struct uring_loop *uring, const struct io_uring_cqe *cqe)
{
    struct net_datagram *datagram = object_of(uring, cqe->user_data);
    if (datagram == NULL) {
        return;
    }
    datagram->polled = false;
    if (cqe->res > 0) {
        net_datagram_readable(datagram);
    }
    if (!datagram->closed) {
        (void)uring_datagram_start(datagram); /* has its slot: cannot fail */
    }
}

/* ---- completions ---- */

static void buffer_give(struct uring_loop *uring, unsigned id)
{
    io_uring_buf_ring_add(uring->buffer_ring, uring->buffers + id * uring->buffer_size,
                          (unsigned)uring->buffer_size, (unsigned short)id,
                          io_uring_buf_ring_mask(BUFFER_COUNT), 0);
    io_uring_buf_ring_advance(uring->buffer_ring, 1);
}

/* How much came decides how more is received. One that sends little twice has changed its ways. */
static void note_size(struct net_stream *stream, size_t size)
{
    if (size >= NET_LARGE_MIN) {
        stream->state |= STREAM_LARGE;
        stream->state &= ~(uint32_t)STREAM_SMALL;
    } else if (net_stream_is(stream, STREAM_SMALL)) {
        stream->state &= ~(uint32_t)(STREAM_LARGE | STREAM_SMALL);
    } else if (net_stream_is(stream, STREAM_LARGE)) {
        stream->state |= STREAM_SMALL;
    }
}

static void receive_done(struct uring_loop *uring, const struct io_uring_cqe *cqe)
{
    struct net_stream *stream = object_of(uring, cqe->user_data);
    bool open = stream != NULL && !net_stream_is(stream, STREAM_CLOSING);
    bool last = (cqe->flags & IORING_CQE_F_MORE) == 0;
    if (stream != NULL && last) {
        stream->state &= ~(uint32_t)(STREAM_URING_RECEIVE | STREAM_URING_CANCEL);
    }
    if ((cqe->flags & IORING_CQE_F_BUFFER) != 0) {
        unsigned id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
        if (open && cqe->res > 0) {
            net_count(&uring->loop.counters.receives, 1);
            net_count(&uring->loop.counters.bytes_in, (uint64_t)cqe->res);
            note_size(stream, (size_t)cqe->res);
            stream->state |= STREAM_BUSY;
            net_stream_arrived(stream, uring->buffers + id * uring->buffer_size, (size_t)cqe->res);
            if (!fits_one_send(stream)) {
                net_output_flush(stream); /* now, while it is in the cache */
            }
            stream->state &= ~(uint32_t)STREAM_BUSY;
        }
        buffer_give(uring, id);
    }
    if (!open) {
        return;
    }
    if (cqe->res == 0) {
        stream->state |= STREAM_ENDED;
    } else if (cqe->res < 0 && cqe->res != -ENOBUFS && cqe->res != -ECANCELED &&
               cqe->res != -EAGAIN && cqe->res != -EINTR) {
        net_stream_fail(stream, NET_CLOSE_ERROR, -cqe->res);
    }
    net_loop_mark_dirty(stream);
}

static void poll_done(struct uring_loop *uring, const struct io_uring_cqe *cqe, bool in)
{
    struct net_stream *stream = object_of(uring, cqe->user_data);
    if (stream == NULL) {
        return;
    }
    stream->state &= ~(uint32_t)(in ? STREAM_URING_POLL_IN : STREAM_URING_POLL_OUT);
    if (!in) {
        stream->state &= ~(uint32_t)(STREAM_WAIT_OUT | STREAM_TLS_BLOCKED);
    } else if (net_stream_wants_input(stream)) {
        stream->state |= STREAM_BUSY;
        note_size(stream, net_stream_readable(stream));
        stream->state &= ~(uint32_t)STREAM_BUSY;
    }
    net_loop_mark_dirty(stream);
}

/* A send that was not done: short, refused, or an error. */
static void send_failed(struct uring_loop *uring, const struct io_uring_cqe *cqe)
{
    struct net_stream *stream = object_of(uring, cqe->user_data);
    if (stream == NULL) {
        return;
    }
    if (cqe->res >= 0 || cqe->res == -EAGAIN) {
        stream->uring_sending = cqe->res > 0 ? (uint32_t)cqe->res : 0;
        stream->state |= STREAM_WAIT_OUT;
    } else {
        stream->uring_sending = 0;
        net_stream_fail(stream, NET_CLOSE_ERROR, -cqe->res);
    }
    net_loop_mark_dirty(stream);
}

/* Accounts for the sends of the last submission, before any callback of this turn. */
static void finish_sends(struct uring_loop *uring)
{
    if (uring->sending_count == 0) {
        return;
    }
    unsigned head = 0;
    struct io_uring_cqe *cqe = NULL;
    io_uring_for_each_cqe(&uring->ring, head, cqe)
    {
        if ((cqe->user_data & 0xff) == OP_SEND) {
            send_failed(uring, cqe);
        }
    }
    net_count(&uring->loop.counters.sends, uring->sending_count);
    for (uint32_t i = 0; i < uring->sending_count; i++) {
        struct net_stream *stream = uring->sending[i];
        stream->state &= ~(uint32_t)STREAM_URING_SEND;
        net_output_sent(stream, stream->uring_sending);
        if (stream->out_size > 0 ||
            net_stream_is(stream, STREAM_FULL | STREAM_ENDED | STREAM_CLOSING)) {
            net_loop_mark_dirty(stream);
        }
    }
    uring->sending_count = 0;
}

static void complete(struct uring_loop *uring, const struct io_uring_cqe *cqe)
{
    switch ((enum operation)(cqe->user_data & 0xff)) {
    case OP_WAKE:
        net_loop_woken(&uring->loop);
        if ((cqe->flags & IORING_CQE_F_MORE) == 0) {
            submit_wake(uring);
        }
        break;
    case OP_ACCEPT:
        accept_done(uring, cqe);
        break;
    case OP_RECEIVE:
        receive_done(uring, cqe);
        break;
    case OP_POLL_IN:
        poll_done(uring, cqe, true);
        break;
    case OP_POLL_OUT:
        poll_done(uring, cqe, false);
        break;
    case OP_DATAGRAM:
        datagram_done(uring, cqe);
        break;
    case OP_SEND: /* by finish_sends() */
    case OP_NONE:
        break;
    }
}

/* ---- the loop ---- */

/* liburing 2.3 declares io_uring_enable_rings() and forgot to export it. */
static void ring_enable(struct io_uring *ring)
{
    CHECK(syscall(SYS_io_uring_register, ring->ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0) ==
          0);
}

static void uring_wait(struct net_loop *loop, int timeout_ms)
{
    struct uring_loop *uring = self(loop);
    if (!uring->enabled) {
        ring_enable(&uring->ring);
        (void)io_uring_register_ring_fd(&uring->ring); /* a lookup less per call; need not work */
        uring->enabled = true;
    }
    int rc;
    if (timeout_ms == 0) {
        rc = io_uring_submit_and_get_events(&uring->ring);
    } else {
        struct __kernel_timespec timeout = {.tv_sec = timeout_ms / 1000,
                                            .tv_nsec = timeout_ms % 1000 * 1000000};
        struct io_uring_cqe *cqe = NULL;
        rc = io_uring_submit_and_wait_timeout(&uring->ring, &cqe, 1, &timeout, NULL);
    }
    CHECK(rc >= 0 || rc == -ETIME || rc == -EINTR || rc == -EAGAIN || rc == -EBUSY);
    while (BASE_UNLIKELY(io_uring_sq_ready(&uring->ring) > 0)) {
        rc = io_uring_submit(&uring->ring);
        CHECK(rc >= 0 || rc == -EINTR || rc == -EAGAIN || rc == -EBUSY);
    }
}

static void uring_dispatch(struct net_loop *loop)
{
    struct uring_loop *uring = self(loop);
    finish_sends(uring);
    unsigned head = 0, count = 0;
    struct io_uring_cqe *cqe = NULL;
    io_uring_for_each_cqe(&uring->ring, head, cqe)
    {
        complete(uring, cqe);
        count++;
    }
    io_uring_cq_advance(&uring->ring, count);
    uring->request_count = 0;
}

/*
 * A pending accept or poll holds its socket, also when everybody has closed it and the process is gone: the
 * port would stay taken until the kernel gets round to tearing the ring down. So the accepts end
 * here, while there is a thread to end them.
 */
static void uring_leave(struct net_loop *loop)
{
    struct uring_loop *uring = self(loop);
    for (struct net_listener *each = loop->listeners; each != NULL; each = each->next) {
        if (each->accepting) {
            submit_cancel(uring, name_of(uring, each->slot, OP_ACCEPT));
        }
    }
    for (struct net_datagram *each = loop->datagrams; each != NULL; each = each->next) {
        if (each->polled && !each->closed) {
            submit_cancel(uring, name_of(uring, each->slot, OP_DATAGRAM));
        }
    }
    if (uring->enabled) {
        (void)io_uring_submit_and_get_events(&uring->ring); /* cancels */
        (void)io_uring_get_events(&uring->ring);            /* lets go of what was cancelled */
    }
}

static void uring_destroy(struct net_loop *loop)
{
    struct uring_loop *uring = self(loop);
    io_uring_queue_exit(&uring->ring);
    (void)munmap(uring->buffer_ring, uring->map_size);
    free(uring->sending);
    free(uring->slots);
    net_loop_fini(loop);
    free(uring);
}

static const struct net_loop_ops URING_OPS = {
    .name = "io_uring",
    .destroy = uring_destroy,
    .wait = uring_wait,
    .dispatch = uring_dispatch,
    .stream_add = uring_stream_add,
    .stream_send = uring_stream_send,
    .stream_arm = uring_stream_arm,
    .stream_remove = uring_stream_remove,
    .listener_start = uring_listener_start,
    .listener_stop = uring_listener_stop,
    .datagram_start = uring_datagram_start,
    .datagram_stop = uring_datagram_stop,
    .leave = uring_leave,
};

static int ring_open(struct io_uring *ring)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_R_DISABLED |
                 IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE,
        .cq_entries = CQ_ENTRIES,
    };
    return io_uring_queue_init_params(SQ_ENTRIES, ring, &params);
}

/*
 * What this file asks of the ring is all that can be asked of it once it is enabled. A filter of system
 * calls does not see what a ring is asked for: through one that takes everything, an intruder could
 * open, connect and rename whatever the filter forbids. The kernel looks at a bit per request.
 * Returns 0 or -errno.
 */
static int ring_restrict(struct io_uring *ring)
{
    static const struct {
        uint8_t kind, what;
    } allowed[] = {
        {IORING_RESTRICTION_SQE_OP, IORING_OP_ACCEPT},
        {IORING_RESTRICTION_SQE_OP, IORING_OP_ASYNC_CANCEL},
        {IORING_RESTRICTION_SQE_OP, IORING_OP_POLL_ADD},
        {IORING_RESTRICTION_SQE_OP, IORING_OP_RECV},
        {IORING_RESTRICTION_SQE_OP, IORING_OP_SEND},
        {IORING_RESTRICTION_SQE_FLAGS_ALLOWED, IOSQE_BUFFER_SELECT | IOSQE_CQE_SKIP_SUCCESS},
        {IORING_RESTRICTION_REGISTER_OP, IORING_REGISTER_RING_FDS},
        {IORING_RESTRICTION_REGISTER_OP, IORING_UNREGISTER_RING_FDS},
    };
    enum { COUNT = sizeof(allowed) / sizeof(allowed[0]) };
    struct io_uring_restriction restrictions[COUNT] = {0};
    for (size_t i = 0; i < COUNT; i++) {
        restrictions[i].opcode = allowed[i].kind;
        restrictions[i].sqe_op = allowed[i].what; /* one byte, whichever name it has */
    }
    /* Declared by liburing 2.3, and forgotten, as ring_enable()'s. */
    const long rc = syscall(SYS_io_uring_register, ring->ring_fd, IORING_REGISTER_RESTRICTIONS,
                            restrictions, COUNT);
    return rc == 0 ? 0 : -errno;
}

/* The ring of receive buffers; returns 0 or -errno. */
static int buffers_open(struct uring_loop *uring)
{
    size_t receive_size = uring->loop.config.receive_size;
    uring->buffer_size = receive_size < BUFFER_SIZE_MAX ? receive_size : BUFFER_SIZE_MAX;
    size_t ring_size = BUFFER_COUNT * sizeof(struct io_uring_buf);
    uring->map_size = ring_size + BUFFER_COUNT * uring->buffer_size;
    /* Mapped: page aligned as the ring must be, and resident only as far as it is used. */
    void *map =
        mmap(NULL, uring->map_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) {
        return -errno;
    }
    uring->buffer_ring = map;
    uring->buffers = (char *)map + ring_size;
    struct io_uring_buf_reg registration = {
        .ring_addr = (uint64_t)(uintptr_t)map, .ring_entries = BUFFER_COUNT, .bgid = BUFFER_GROUP};
    int rc = io_uring_register_buf_ring(&uring->ring, &registration, 0);
    if (rc != 0) {
        (void)munmap(map, uring->map_size);
        return rc;
    }
    io_uring_buf_ring_init(uring->buffer_ring);
    for (unsigned id = 0; id < BUFFER_COUNT; id++) {
        buffer_give(uring, id);
    }
    return 0;
}

int net_uring_create(const struct net_loop_config *config, struct net_loop **ret_loop)
{
    struct uring_loop *uring = calloc(1, sizeof(*uring));
    if (uring == NULL) {
        return -ENOMEM;
    }
    int rc = ring_open(&uring->ring);
    if (rc != 0) {
        goto fail_ring;
    }
    rc = net_loop_init(&uring->loop, &URING_OPS, config);
    if (rc != 0) {
        goto fail_loop;
    }
    rc = buffers_open(uring);
    if (rc != 0) {
        goto fail_buffers;
    }
    rc = ring_restrict(&uring->ring);
    if (rc != 0) {
        goto fail_restrict;
    }
    submit_wake(uring);
    *ret_loop = &uring->loop;
    return 0;
fail_restrict:
    (void)munmap(uring->buffer_ring, uring->map_size);
fail_buffers:
    net_loop_fini(&uring->loop);
fail_loop:
    io_uring_queue_exit(&uring->ring);
fail_ring:
    free(uring);
    return rc;
}

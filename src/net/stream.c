/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The life of a stream, and what becomes of bytes that arrived. Both kinds of loop use all of it;
 * they differ only in how bytes come and go.
 *
 * Bytes that arrived go, in this order of preference, to the target of net_stream_receive(), to
 * on_data(), or into blocks (`input`). What is in `input` was either left by an owner that waits
 * for the rest of a request (then it is less than a block), or the stream is stopped: paused by
 * its owner, or full of unsent output. Then it is presented again ("replay") when it goes on.
 *
 * A stream is serviced after its callbacks, and at the end of the turn when something else
 * touched it ("dirty"). Only there it is sent, armed and finished, so every call of the contract
 * is safe inside every callback.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/copy.h"
#include "net/net_priv.h"

static bool is_stopped(const struct net_stream *stream)
{
    return net_stream_is(stream, STREAM_PAUSED | STREAM_FULL);
}

/* ---- open and close ---- */

int net_stream_open(struct net_loop *loop, struct net_stream *stream, int fd,
                    const struct net_stream_handler *handler)
{
    return net_stream_open_with(loop, stream, fd, handler, NULL);
}

int net_stream_open_with(struct net_loop *loop, struct net_stream *stream, int fd,
                         const struct net_stream_handler *handler, struct net_tls_session *session)
{
    CHECK_OBJ(loop, NET_LOOP_MAGIC);
    *stream = (struct net_stream){.handler = handler, .loop = loop, .fd = fd, .tls = session};
    int rc = loop->ops->stream_add(stream);
    if (rc != 0) {
        return rc;
    }
    stream->next = loop->streams;
    if (stream->next != NULL) {
        stream->next->prev = stream;
    }
    loop->streams = stream;
    return 0;
}

void net_stream_fail(struct net_stream *stream, enum net_close_reason reason, int error)
{
    if (net_stream_is(stream, STREAM_CLOSING)) {
        return;
    }
    stream->state |= STREAM_CLOSING;
    stream->close_reason = (uint8_t)reason;
    stream->close_error = (int16_t)error;
    net_loop_mark_dirty(stream);
}

void net_stream_close(struct net_stream *stream, bool flush)
{
    if (flush) {
        net_output_flush(stream);
    }
    net_stream_fail(stream, NET_CLOSE_LOCAL, 0);
}

/* on_close(), when the kernel lets go. */
static void stream_finish(struct net_stream *stream)
{
    struct net_loop *loop = stream->loop;
    struct net_tls_session *tls = stream->tls;
    net_output_drop_lent(stream);
    if (tls != NULL) {
        net_tls_goodbye(stream);
    }
    if (!loop->ops->stream_remove(stream)) {
        return;
    }
    net_output_drop(stream);
    base_block_give_list(&loop->pool, &stream->input);
    if (stream->next != NULL) {
        stream->next->prev = stream->prev;
    }
    if (stream->prev != NULL) {
        stream->prev->next = stream->next;
    } else {
        loop->streams = stream->next;
    }
    (void)close(stream->fd);
    stream->fd = -1;
    stream->handler->on_close(stream, (enum net_close_reason)stream->close_reason,
                              stream->close_error);
    if (tls != NULL) {
        net_tls_end(tls);
    }
}

/* ---- input ---- */

/* Puts bytes in front of what is left; they were taken from there, or just arrived. */
static void keep(struct net_stream *stream, const char *data, size_t size)
{
    struct base_block **link = &stream->input;
    while (size > 0) {
        struct base_block *block = base_block_take(&stream->loop->pool);
        if (block == NULL) {
            net_count(&stream->loop->counters.buffer_oom, 1);
            net_stream_fail(stream, NET_CLOSE_NO_MEMORY, ENOMEM);
            return;
        }
        size_t part = size < BASE_BLOCK_ROOM ? size : BASE_BLOCK_ROOM;
        memcpy(block->data, data, part);
        block->end = (uint32_t)part;
        block->next = *link;
        *link = block;
        link = &block->next;
        data += part;
        size -= part;
    }
}

size_t net_stream_gather(struct net_stream *stream)
{
    struct net_loop *loop = stream->loop;
    size_t size = 0;
    struct base_block *block;
    while ((block = stream->input) != NULL &&
           block->end - block->begin <= loop->buffer_size - size) {
        memcpy(loop->buffer + size, block->data + block->begin, block->end - block->begin);
        size += block->end - block->begin;
        stream->input = block->next;
        base_block_give(&loop->pool, &block);
    }
    return size;
}

void net_stream_filled(struct net_stream *stream, size_t size)
{
    CHECK(size <= stream->receive_size);
    stream->receive_to += size;
    stream->receive_size -= size;
    if (stream->receive_size == 0) {
        stream->receive_to = NULL;
        stream->handler->on_received(stream);
    }
}

void net_stream_consume(struct net_stream *stream, char *data, size_t size)
{
    while (size > 0 && !net_stream_is(stream, STREAM_CLOSING)) {
        if (stream->receive_to != NULL) {
            size_t part = size < stream->receive_size ? size : stream->receive_size;
            base_copy_past(stream->receive_to, data, part);
            data += part;
            size -= part;
            net_stream_filled(stream, part);
            continue;
        }
        if (is_stopped(stream)) {
            break;
        }
        size_t used = stream->handler->on_data(stream, data, size);
        CHECK(used <= size);
        data += used;
        size -= used;
        if (net_stream_is(stream, STREAM_REPLAY)) {
            break; /* paused and resumed: the rest has its turn later */
        }
        if (stream->receive_to == NULL && !is_stopped(stream)) {
            /* Waits for more; then it must be able to end one day. See loop.h, "Input". */
            CHECK(size < BASE_BLOCK_ROOM || net_stream_is(stream, STREAM_CLOSING));
            break;
        }
    }
    if (size > 0 && !net_stream_is(stream, STREAM_CLOSING)) {
        keep(stream, data, size);
    }
}

/* Puts bytes behind what is left, to be presented later. */
static void append(struct net_stream *stream, const char *data, size_t size)
{
    struct base_block *front = stream->input;
    struct base_block *last = front;
    while (last->next != NULL) {
        last = last->next;
    }
    stream->input = NULL;
    keep(stream, data, size);
    last->next = stream->input;
    stream->input = front;
    stream->state |= STREAM_REPLAY;
}

void net_stream_arrived(struct net_stream *stream, char *data, size_t size)
{
    struct net_loop *loop = stream->loop;
    if (stream->input == NULL) {
        net_stream_consume(stream, data, size);
    } else if (is_stopped(stream) || net_stream_is(stream, STREAM_REPLAY)) {
        append(stream, data, size);
    } else {
        size_t left = net_stream_gather(stream);
        CHECK(size <= loop->buffer_size - left);
        memcpy(loop->buffer + left, data, size);
        net_stream_consume(stream, loop->buffer, left + size);
    }
}

static bool receive(struct net_stream *stream, char *to, size_t size, size_t *ret_received)
{
    struct net_loop *loop = stream->loop;
    if (BASE_UNLIKELY(stream->tls != NULL)) {
        return net_tls_receive(stream, to, size, ret_received);
    }
    ssize_t received = recv(stream->fd, to, size, MSG_DONTWAIT);
    net_count(&loop->counters.receives, 1);
    if (BASE_LIKELY(received > 0)) {
        net_count(&loop->counters.bytes_in, (uint64_t)received);
        *ret_received = (size_t)received;
        return true;
    }
    if (received == 0) {
        stream->state |= STREAM_ENDED;
    } else if (errno != EAGAIN && errno != EINTR) {
        net_stream_fail(stream, NET_CLOSE_ERROR, errno);
    }
    return false;
}

bool net_stream_replay_due(const struct net_stream *stream)
{
    return net_stream_is(stream, STREAM_REPLAY) && stream->input != NULL &&
           (stream->receive_to != NULL || !is_stopped(stream));
}

void net_stream_replay(struct net_stream *stream)
{
    bool more = false;
    do {
        size_t size = net_stream_gather(stream);
        more = stream->input != NULL; /* arrived while the stream was stopped: io_uring only */
        stream->state &= ~(uint32_t)STREAM_REPLAY;
        net_stream_consume(stream, stream->loop->buffer, size);
    } while (more && !net_stream_is(stream, STREAM_CLOSING | STREAM_REPLAY) &&
             (stream->receive_to != NULL || !is_stopped(stream)));
}

size_t net_stream_readable(struct net_stream *stream)
{
    struct net_loop *loop = stream->loop;
    const size_t size = loop->config.receive_size;
    size_t total = 0;
    size_t received = 0;
    do {
        if (net_stream_replay_due(stream)) {
            break; /* the service presents what is left first */
        }
        const size_t left = net_stream_left(stream);
        if (!receive(stream, loop->buffer + left, size, &received)) {
            break;
        }
        total += received;
        (void)net_stream_gather(stream);
        net_stream_consume(stream, loop->buffer, left + received);
        /* A large value goes on. Anything shorter has emptied the socket. */
    } while (received == size && total < NET_RECEIVE_TURN_MAX && stream->receive_to != NULL &&
             !net_stream_is(stream, STREAM_CLOSING));
    return total;
}

void net_stream_pause(struct net_stream *stream)
{
    stream->state |= STREAM_PAUSED;
    net_loop_mark_dirty(stream);
}

void net_stream_resume(struct net_stream *stream)
{
    if (net_stream_is(stream, STREAM_PAUSED)) {
        stream->state &= ~(uint32_t)STREAM_PAUSED;
        stream->state |= STREAM_REPLAY;
        net_loop_mark_dirty(stream);
    }
}

void net_stream_receive(struct net_stream *stream, char *to, size_t size)
{
    CHECK(size > 0 && stream->receive_to == NULL);
    stream->receive_to = to;
    stream->receive_size = size;
    if (stream->input != NULL) {
        stream->state |= STREAM_REPLAY; /* what is left goes there first */
    }
    net_loop_mark_dirty(stream);
}

/* ---- service ---- */

static bool is_drained(const struct net_stream *stream)
{
    return net_stream_is(stream, STREAM_FULL) &&
           stream->out_size <= stream->loop->config.output_max / 2;
}

/* Lets a stopped stream go on when its output went out, and ends it when there is nothing left. */
static void relieve(struct net_stream *stream)
{
    if (is_drained(stream)) {
        stream->state &= ~(uint32_t)STREAM_FULL;
        stream->state |= STREAM_REPLAY;
        if (stream->handler->on_drained != NULL) {
            stream->handler->on_drained(stream);
        }
        if (stream->out_size > 0) {
            stream->loop->ops->stream_send(stream);
        }
    }
    if (net_stream_is(stream, STREAM_ENDED) && stream->out_size == 0 && !is_stopped(stream) &&
        !net_stream_replay_due(stream)) {
        net_stream_fail(stream, NET_CLOSE_PEER, 0);
    }
}

void net_stream_service(struct net_stream *stream)
{
    const struct net_loop_ops *ops = stream->loop->ops;
    if (!net_stream_is(stream, STREAM_CLOSING)) {
        stream->state |= STREAM_BUSY;
        if (net_stream_replay_due(stream)) {
            net_stream_replay(stream);
        } else if (BASE_UNLIKELY(net_stream_holds_input(stream))) {
            net_stream_readable(stream);
        }
        if (stream->out_size > 0) {
            ops->stream_send(stream);
        }
        relieve(stream);
        if (stream->input == NULL) {
            stream->state &= ~(uint32_t)STREAM_REPLAY;
        }
        stream->state &= ~(uint32_t)STREAM_BUSY;
    }
    if (net_stream_is(stream, STREAM_CLOSING)) {
        /* While a queue names it, the queue finishes it. */
        if (!net_stream_is(stream, STREAM_DIRTY)) {
            stream_finish(stream);
        }
        return;
    }
    ops->stream_arm(stream);
    if (net_stream_replay_due(stream) || is_drained(stream) || net_stream_holds_input(stream)) {
        net_loop_mark_later(stream); /* one helping a turn, for the others' sake */
    }
}

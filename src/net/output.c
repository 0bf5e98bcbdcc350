/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What waits to be sent: bytes written into pooled blocks, and pieces lent by their owner.
 *
 *      blocks   [ header ][ header ............. ][ trailer ]
 *      lent              ^ value, at = 9           ^ value, at = 5130
 *
 * A lent piece knows its position in everything the stream ever sends, so the order needs no
 * third list: walking means "the piece when its position is reached, else the next block's bytes".
 * A piece lives until the end of the turn at most; what is left of it then is copied to blocks.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "net/net_priv.h"

enum { LENT_IDLE_MAX = 256 }; /* pieces kept for reuse by each loop: 14 KiB */

/* ---- lent pieces ---- */

static struct net_lent *lent_first(const struct net_stream *stream)
{
    return stream->lent == NULL ? NULL : stream->lent->next;
}

static struct net_lent *lent_take(struct net_loop *loop)
{
    struct net_lent *lent = loop->lent_idle;
    if (lent == NULL) {
        return malloc(sizeof(*lent));
    }
    loop->lent_idle = lent->next;
    loop->lent_idle_count--;
    return lent;
}

/* Gives the first piece back to its owner. */
static void lent_pop(struct net_stream *stream)
{
    struct net_loop *loop = stream->loop;
    struct net_lent *lent = lent_first(stream);
    if (lent == stream->lent) {
        stream->lent = NULL;
    } else {
        stream->lent->next = lent->next;
    }
    if (lent->done != NULL) {
        lent->done(lent->arg, lent->number);
    }
    if (loop->lent_idle_count >= LENT_IDLE_MAX) {
        free(lent);
        return;
    }
    lent->next = loop->lent_idle;
    loop->lent_idle = lent;
    loop->lent_idle_count++;
}

/* ---- blocks ---- */

static void block_pop(struct net_stream *stream)
{
    struct base_block *block = stream->out_head;
    stream->out_head = block->next;
    if (stream->out_head == NULL) {
        stream->out_tail = NULL;
    }
    base_block_give(&stream->loop->pool, &block);
}

static void block_link(struct net_stream *stream, struct base_block *block)
{
    if (stream->out_tail == NULL) {
        stream->out_head = block;
    } else {
        stream->out_tail->next = block;
    }
    stream->out_tail = block;
}

/* A block at the end with at least `size` bytes of room; NULL closes the stream. */
static struct base_block *block_with_room(struct net_stream *stream, size_t size)
{
    struct base_block *tail = stream->out_tail;
    if (BASE_LIKELY(tail != NULL && BASE_BLOCK_ROOM - tail->end >= size)) {
        return tail;
    }
    struct base_block *block = base_block_take(&stream->loop->pool);
    if (BASE_UNLIKELY(block == NULL)) {
        net_count(&stream->loop->counters.buffer_oom, 1);
        net_stream_fail(stream, NET_CLOSE_NO_MEMORY, ENOMEM);
        return NULL;
    }
    block_link(stream, block);
    return block;
}

/* Copies to the end of the blocks; does not count the bytes as new output. */
static bool blocks_append(struct net_stream *stream, const char *data, size_t size)
{
    while (size > 0) {
        struct base_block *block = block_with_room(stream, 1);
        if (block == NULL) {
            return false;
        }
        size_t room = BASE_BLOCK_ROOM - block->end;
        size_t part = size < room ? size : room;
        memcpy(block->data + block->end, data, part);
        block->end += (uint32_t)part;
        data += part;
        size -= part;
    }
    return true;
}

/* ---- writing ---- */

static void output_grew(struct net_stream *stream, size_t size)
{
    stream->out_size += size;
    if (net_stream_is_full(stream) && !net_stream_is(stream, STREAM_FULL)) {
        stream->state |= STREAM_FULL;
        net_count(&stream->loop->counters.paused, 1);
    }
    net_loop_mark_dirty(stream);
}

char *net_stream_room(struct net_stream *stream, size_t size)
{
    CHECK(size > 0 && size <= BASE_BLOCK_ROOM);
    if (net_stream_is(stream, STREAM_CLOSING)) {
        return NULL;
    }
    struct base_block *block = block_with_room(stream, size);
    return block == NULL ? NULL : block->data + block->end;
}

size_t net_stream_room_size(const struct net_stream *stream)
{
    return stream->out_tail == NULL ? 0 : BASE_BLOCK_ROOM - stream->out_tail->end;
}

void net_stream_wrote(struct net_stream *stream, size_t size)
{
    if (net_stream_is(stream, STREAM_CLOSING)) {
        return;
    }
    struct base_block *block = stream->out_tail;
    CHECK(block != NULL && size <= BASE_BLOCK_ROOM - block->end);
    block->end += (uint32_t)size;
    output_grew(stream, size);
}

bool net_stream_write(struct net_stream *stream, const void *data, size_t size)
{
    if (net_stream_is(stream, STREAM_CLOSING) || !blocks_append(stream, data, size)) {
        return false;
    }
    output_grew(stream, size);
    return true;
}

bool net_stream_lend(struct net_stream *stream, const void *data, size_t size,
                     void (*done)(void *arg, uint64_t number), void *arg, uint64_t number)
{
    struct net_lent *lent = NULL;
    bool open = !net_stream_is(stream, STREAM_CLOSING);
    if (open && size > 0) {
        lent = lent_take(stream->loop);
        if (lent == NULL) {
            net_count(&stream->loop->counters.buffer_oom, 1);
            net_stream_fail(stream, NET_CLOSE_NO_MEMORY, ENOMEM);
            open = false;
        }
    }
    if (lent == NULL) {
        if (done != NULL) {
            done(arg, number);
        }
        return open;
    }
    *lent = (struct net_lent){.at = stream->out_sent + stream->out_size,
                              .data = data,
                              .size = size,
                              .done = done,
                              .arg = arg,
                              .number = number};
    if (stream->lent == NULL) {
        lent->next = lent;
    } else {
        lent->next = stream->lent->next;
        stream->lent->next = lent;
    }
    stream->lent = lent;
    output_grew(stream, size);
    return true;
}

uint64_t net_stream_unsent(const struct net_stream *stream)
{
    return stream->out_size;
}

bool net_stream_is_full(const struct net_stream *stream)
{
    return stream->out_size > stream->loop->config.output_max;
}

/* ---- sending ---- */

size_t net_output_pieces(const struct net_stream *stream, struct iovec *pieces, size_t *ret_size)
{
    const struct net_lent *lent = lent_first(stream);
    struct base_block *block = stream->out_head;
    uint32_t offset = block == NULL ? 0 : block->begin;
    uint64_t at = stream->out_sent;
    size_t count = 0;
    while (count < NET_IOVEC_MAX) {
        struct iovec piece;
        if (lent != NULL && lent->at == at) {
            /* sendmsg() only reads; the type of iov_base is older than const. */
            memcpy(&piece.iov_base, &lent->data, sizeof(piece.iov_base));
            piece.iov_len = lent->size;
            lent = lent == stream->lent ? NULL : lent->next;
        } else if (block != NULL) {
            uint64_t run = block->end - offset;
            if (lent != NULL && run > lent->at - at) {
                run = lent->at - at;
            }
            piece = (struct iovec){.iov_base = block->data + offset, .iov_len = run};
            offset += (uint32_t)run;
            if (offset == block->end) {
                block = block->next;
                offset = block == NULL ? 0 : block->begin;
            }
        } else {
            break;
        }
        if (piece.iov_len > 0) {
            at += piece.iov_len;
            pieces[count++] = piece;
        }
    }
    *ret_size = at - stream->out_sent;
    return count;
}

void net_output_sent(struct net_stream *stream, size_t size)
{
    CHECK(size <= stream->out_size);
    net_count(&stream->loop->counters.bytes_out, size);
    stream->out_size -= size;
    while (size > 0) {
        struct net_lent *lent = lent_first(stream);
        size_t part = size;
        if (lent != NULL && lent->at == stream->out_sent) {
            part = part < lent->size ? part : lent->size;
            lent->data += part;
            lent->size -= part;
            lent->at += part;
            if (lent->size == 0) {
                lent_pop(stream);
            }
        } else {
            struct base_block *block = stream->out_head;
            if (block->begin == block->end) {
                block_pop(stream);
                continue;
            }
            size_t run = block->end - block->begin;
            run = lent != NULL && run > lent->at - stream->out_sent ? lent->at - stream->out_sent
                                                                    : run;
            part = part < run ? part : run;
            block->begin += (uint32_t)part;
        }
        stream->out_sent += part;
        size -= part;
    }
    if (stream->out_size == 0) {
        base_block_give_list(&stream->loop->pool, &stream->out_head);
        stream->out_tail = NULL;
    }
}

void net_output_flush(struct net_stream *stream)
{
    if (BASE_UNLIKELY(stream->tls != NULL)) {
        net_tls_flush(stream);
        return;
    }
    while (stream->out_size > 0 &&
           !net_stream_is(stream, STREAM_WAIT_OUT | STREAM_URING_SEND | STREAM_CLOSING)) {
        struct iovec pieces[NET_IOVEC_MAX];
        size_t size = 0;
        size_t count = net_output_pieces(stream, pieces, &size);
        ssize_t sent;
        if (count == 1) {
            sent = send(stream->fd, pieces[0].iov_base, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        } else {
            struct msghdr message = {.msg_iov = pieces, .msg_iovlen = count};
            sent = sendmsg(stream->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        }
        net_count(&stream->loop->counters.sends, 1);
        if (BASE_UNLIKELY(sent < 0)) {
            if (errno == EINTR) {
                continue;
            }
            if (errno != EAGAIN) {
                net_stream_fail(stream, NET_CLOSE_ERROR, errno);
                return;
            }
            sent = 0;
        }
        if ((size_t)sent < size) {
            stream->state |= STREAM_WAIT_OUT;
        }
        net_output_sent(stream, (size_t)sent);
    }
}

/* ---- copying out ---- */

/*
 * Cuts the blocks at `at`; *ret_rest is what follows. A block in which the border lies keeps its
 * place and its first part: the kernel may have been asked to send that already (io_uring).
 */
static bool output_cut(struct net_stream *stream, uint64_t at, struct base_block **ret_rest)
{
    uint64_t block_at = stream->out_sent;
    struct base_block *last = NULL;
    struct base_block *block = stream->out_head;
    while (block != NULL && block_at + (block->end - block->begin) <= at) {
        block_at += block->end - block->begin;
        last = block;
        block = block->next;
    }
    if (block != NULL && block_at < at) {
        struct base_block *second = base_block_take(&stream->loop->pool);
        if (second == NULL) {
            return false;
        }
        uint32_t border = block->begin + (uint32_t)(at - block_at);
        second->end = block->end - border;
        memcpy(second->data, block->data + border, second->end);
        second->next = block->next;
        block->end = border;
        last = block;
        block = second;
    }
    if (last == NULL) {
        stream->out_head = NULL;
    } else {
        last->next = NULL;
    }
    stream->out_tail = last;
    *ret_rest = block;
    return true;
}

/* Copies the lent pieces, and what lies between them, to the end; true when all went well. */
static bool output_merge(struct net_stream *stream, struct base_block **rest)
{
    const struct net_lent *lent = lent_first(stream);
    uint64_t at = lent == NULL ? 0 : lent->at;
    bool copied = true;
    for (; lent != NULL && copied; lent = lent_first(stream)) {
        struct base_block *block = *rest;
        if (at == lent->at) {
            copied = blocks_append(stream, lent->data, lent->size);
            net_count(&stream->loop->counters.lent_copied, lent->size);
            at += lent->size;
            lent_pop(stream);
            continue;
        }
        CHECK(block != NULL);
        if (block->begin == block->end) {
            *rest = block->next;
            base_block_give(&stream->loop->pool, &block);
        } else {
            uint64_t run = block->end - block->begin;
            run = run < lent->at - at ? run : lent->at - at;
            copied = blocks_append(stream, block->data + block->begin, run);
            block->begin += (uint32_t)run;
            at += run;
        }
    }
    return copied;
}

void net_output_copy(struct net_stream *stream)
{
    if (stream->lent == NULL) {
        return;
    }
    struct base_block *rest = NULL;
    if (!output_cut(stream, lent_first(stream)->at, &rest)) {
        net_count(&stream->loop->counters.buffer_oom, 1);
        net_stream_fail(stream, NET_CLOSE_NO_MEMORY, ENOMEM);
        net_output_drop_lent(stream);
        return;
    }
    if (!output_merge(stream, &rest)) {
        base_block_give_list(&stream->loop->pool, &rest);
        net_output_drop_lent(stream);
        return;
    }
    /* What follows the last piece stays in its blocks. */
    while (rest != NULL) {
        struct base_block *next = rest->next;
        rest->next = NULL;
        block_link(stream, rest);
        rest = next;
    }
}

void net_stream_settle(struct net_stream *stream)
{
    net_output_flush(stream);
    net_output_copy(stream);
}

/* ---- letting go ---- */

void net_output_drop_lent(struct net_stream *stream)
{
    while (stream->lent != NULL) {
        lent_pop(stream);
    }
}

void net_output_drop(struct net_stream *stream)
{
    net_output_drop_lent(stream);
    base_block_give_list(&stream->loop->pool, &stream->out_head);
    stream->out_tail = NULL;
    stream->out_size = 0;
}

void net_output_fini(struct net_loop *loop)
{
    while (loop->lent_idle != NULL) {
        struct net_lent *lent = loop->lent_idle;
        loop->lent_idle = lent->next;
        free(lent);
    }
}

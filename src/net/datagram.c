/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See datagram.h. The loops say when a socket is readable; the rest is here, the same for both:
 * datagrams are received by the dozen, and packets sent by the dozen, one system call each.
 *
 * Packets are copied: what a stream holds is scattered and lent, sendmmsg() wants a list per
 * packet, and 1400 bytes cost less to copy than their list to make.
 */
#include "net/datagram.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "net/datagram_priv.h"
#include "net/net_priv.h"

enum {
    RECEIVE_COUNT = 16,         /* datagrams in one system call */
    RECEIVE_ROUNDS_MAX = 4,     /* in one turn */
    RECEIVE_SIZE = 64 * 1024,   /* bytes; no datagram is longer */
    SEND_COUNT = 64,            /* packets in one system call */
    DATAGRAM_MAGIC = 0x64677261 /* "dgra" */
};

/* One of several messages: where it is, how long, and whose. */
struct message {
    struct net_address address;
    struct iovec part;
};

struct net_datagram_batch {
    struct message received[RECEIVE_COUNT];
    struct message sent[SEND_COUNT];
    struct mmsghdr receive_list[RECEIVE_COUNT];
    struct mmsghdr send_list[SEND_COUNT];
    uint32_t send_count;
    char bytes
        []; /* RECEIVE_COUNT datagrams, then SEND_COUNT packets; resident as far as it is used */
};

/* ---- life ---- */

static void lay_out(struct net_datagram_batch *batch, size_t packet_size)
{
    char *at = batch->bytes;
    for (unsigned i = 0; i < RECEIVE_COUNT; i++, at += RECEIVE_SIZE) {
        struct message *message = &batch->received[i];
        message->part.iov_base = at;
        batch->receive_list[i].msg_hdr = (struct msghdr){
            .msg_name = &message->address.storage, .msg_iov = &message->part, .msg_iovlen = 1};
    }
    for (unsigned i = 0; i < SEND_COUNT; i++, at += packet_size) {
        struct message *message = &batch->sent[i];
        message->part.iov_base = at;
        batch->send_list[i].msg_hdr = (struct msghdr){
            .msg_name = &message->address.storage, .msg_iov = &message->part, .msg_iovlen = 1};
    }
    batch->send_count = 0;
}

int net_datagram_open(struct net_loop *loop, int fd, size_t packet_size,
                      const struct net_datagram_handler *handler, void *arg,
                      struct net_datagram **ret_datagram)
{
    CHECK_OBJ(loop, NET_LOOP_MAGIC);
    CHECK(packet_size > 0 && packet_size <= RECEIVE_SIZE);
    struct net_datagram *datagram = malloc(sizeof(*datagram));
    /* Not cleared: a page that no datagram reaches is never made. */
    struct net_datagram_batch *batch =
        malloc(sizeof(*batch) + (size_t)RECEIVE_COUNT * RECEIVE_SIZE + SEND_COUNT * packet_size);
    int rc = -ENOMEM;
    if (datagram == NULL || batch == NULL) {
        goto fail;
    }
    lay_out(batch, packet_size);
    *datagram = (struct net_datagram){.magic = DATAGRAM_MAGIC,
                                      .fd = fd,
                                      .loop = loop,
                                      .handler = handler,
                                      .arg = arg,
                                      .packet_size = packet_size,
                                      .batch = batch,
                                      .next = loop->datagrams};
    rc = loop->ops->datagram_start(datagram);
    if (rc != 0) {
        goto fail;
    }
    loop->datagrams = datagram;
    *ret_datagram = datagram;
    return 0;
fail:
    free(batch);
    free(datagram);
    return rc;
}

void net_datagram_close(struct net_datagram **datagram)
{
    struct net_datagram *doomed = *datagram;
    if (doomed == NULL) {
        return;
    }
    CHECK_OBJ(doomed, DATAGRAM_MAGIC);
    *datagram = NULL;
    doomed->closed = true;
    doomed->loop->datagram_closed = true; /* events of this turn may still name it */
    doomed->loop->ops->datagram_stop(doomed);
}

void net_datagram_reap(struct net_loop *loop)
{
    if (!loop->datagram_closed) {
        return;
    }
    loop->datagram_closed = false;
    struct net_datagram **link = &loop->datagrams;
    while (*link != NULL) {
        struct net_datagram *datagram = *link;
        if (!datagram->closed) {
            link = &datagram->next;
            continue;
        }
        *link = datagram->next;
        datagram->magic = 0;
        free(datagram->batch);
        free(datagram);
    }
}

/* ---- sending ---- */

/* Gives the socket what has been collected. What it does not take is lost. */
static void flush(struct net_datagram *datagram)
{
    struct net_datagram_batch *batch = datagram->batch;
    const uint32_t count = batch->send_count;
    uint32_t at = 0;
    uint32_t lost = 0;
    while (at < count) {
        const int sent =
            sendmmsg(datagram->fd, &batch->send_list[at], count - at, MSG_DONTWAIT | MSG_NOSIGNAL);
        net_count(&datagram->loop->counters.sends, 1);
        if (sent > 0) {
            at += (uint32_t)sent;
        } else if (errno == EAGAIN || errno == ENOBUFS) {
            lost += count - at; /* no room for any */
            break;
        } else if (errno != EINTR) {
            lost++; /* where this one goes nothing can be sent: the next may go elsewhere */
            at++;
        }
    }
    batch->send_count = 0;
    if (count > 0 && datagram->handler->on_sent != NULL) {
        datagram->handler->on_sent(datagram->arg, count - lost, lost);
    }
}

/* A stream's output on its way into packets. */
struct cutter {
    struct net_datagram *datagram;
    const struct net_address *to;
    const struct net_datagram_head *head;
    uint32_t index;       /* of the next packet */
    struct iovec *packet; /* the last one; NULL: none yet */
};

static void begin_packet(struct cutter *cutter)
{
    struct net_datagram *datagram = cutter->datagram;
    struct net_datagram_batch *batch = datagram->batch;
    if (batch->send_count == SEND_COUNT) {
        flush(datagram);
    }
    const uint32_t at = batch->send_count++;
    batch->sent[at].address = *cutter->to;
    batch->send_list[at].msg_hdr.msg_namelen = cutter->to->size;
    cutter->packet = &batch->sent[at].part;
    cutter->packet->iov_len = cutter->head->size;
    cutter->head->write(cutter->head->arg, cutter->index++, cutter->packet->iov_base);
    net_count(&datagram->loop->counters.bytes_out, cutter->head->size);
}

static void cut(struct cutter *cutter, const char *data, size_t size)
{
    const size_t packet_size = cutter->datagram->packet_size;
    while (size > 0) {
        if (cutter->packet == NULL || cutter->packet->iov_len == packet_size) {
            begin_packet(cutter);
        }
        struct iovec *packet = cutter->packet;
        const size_t room = packet_size - packet->iov_len;
        const size_t part = size < room ? size : room;
        memcpy((char *)packet->iov_base + packet->iov_len, data, part);
        packet->iov_len += part;
        data += part;
        size -= part;
    }
}

void net_datagram_send(struct net_datagram *datagram, struct net_stream *from,
                       const struct net_address *to, const struct net_datagram_head *head)
{
    struct cutter cutter = {.datagram = datagram, .to = to, .head = head};
    CHECK(head->size < datagram->packet_size);
    while (from->out_size > 0) {
        struct iovec pieces[NET_IOVEC_MAX];
        size_t size = 0;
        const size_t count = net_output_pieces(from, pieces, &size);
        for (size_t i = 0; i < count; i++) {
            cut(&cutter, pieces[i].iov_base, pieces[i].iov_len);
        }
        net_output_sent(from, size);
    }
}

/* ---- receiving ---- */

void net_datagram_readable(struct net_datagram *datagram)
{
    struct net_datagram_batch *batch = datagram->batch;
    int count = RECEIVE_COUNT;
    for (unsigned round = 0; round < RECEIVE_ROUNDS_MAX && count == RECEIVE_COUNT; round++) {
        for (unsigned i = 0; i < RECEIVE_COUNT; i++) {
            batch->received[i].part.iov_len = RECEIVE_SIZE;
            batch->receive_list[i].msg_hdr.msg_namelen = sizeof(batch->received[i].address.storage);
        }
        count = recvmmsg(datagram->fd, batch->receive_list, RECEIVE_COUNT, MSG_DONTWAIT, NULL);
        net_count(&datagram->loop->counters.receives, 1);
        for (int i = 0; i < count && !datagram->closed; i++) {
            const size_t size = batch->receive_list[i].msg_len;
            batch->received[i].address.size = batch->receive_list[i].msg_hdr.msg_namelen;
            net_count(&datagram->loop->counters.bytes_in, size);
            datagram->handler->on_datagram(datagram->arg, datagram,
                                           batch->received[i].part.iov_base, size,
                                           &batch->received[i].address);
        }
        flush(datagram);
    }
}

/* ---- detached streams ---- */

/*
 * Always in its own callbacks, so no queue of the loop takes it; always waiting for its socket, so
 * nothing is sent.
 */
static const uint32_t DETACHED = STREAM_BUSY | STREAM_WAIT_OUT;

void net_stream_open_detached(struct net_loop *loop, struct net_stream *stream)
{
    CHECK_OBJ(loop, NET_LOOP_MAGIC);
    *stream = (struct net_stream){.loop = loop, .fd = -1, .state = DETACHED};
}

void net_stream_renew(struct net_stream *stream)
{
    CHECK(stream->fd == -1 && net_stream_is(stream, DETACHED) && stream->receive_to == NULL);
    net_output_drop(stream);
    stream->state = DETACHED;
}

bool net_stream_has_failed(const struct net_stream *stream)
{
    return net_stream_is(stream, STREAM_CLOSING) && stream->close_reason != NET_CLOSE_LOCAL;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Datagram sockets on a loop, and streams without a socket to answer with.
 *
 * What writes answers knows streams (net/loop.h). So the owner of a datagram socket keeps a
 * detached stream: it gives a datagram to whatever would have been called with bytes of a
 * connection, and sends what that wrote with net_datagram_send(), which cuts it into packets.
 *
 * Threads.   The loop's thread. Several loops may have one socket: a datagram wakes one of them.
 * Turn.      At most 64 datagrams of a socket are taken in one turn: the rest has its turn when
 *            the others have had theirs.
 * Sending.   What is sent in on_datagram() leaves together when a few have been handled. A datagram
 *            that the socket does not take is lost, as it could be anywhere on its way: nothing
 *            waits for a socket, and nothing piles up.
 */
#ifndef LARDER_NET_DATAGRAM_H
#define LARDER_NET_DATAGRAM_H

#include "net/loop.h"

struct net_datagram;

struct net_datagram_handler {
    /* A datagram of 0 bytes or more; `data`, which may be changed, and `from` are borrowed. */
    void (*on_datagram)(void *arg, struct net_datagram *datagram, char *data, size_t size,
                        const struct net_address *from);
    /* Packets were given to the socket, and so many were not taken. May be NULL. */
    void (*on_sent)(void *arg, uint32_t sent_count, uint32_t lost_count);
};

/* fd: bound, borrowed. packet_size: bytes, the largest to be sent. Returns 0 or -errno. */
int net_datagram_open(struct net_loop *loop, int fd, size_t packet_size,
                      const struct net_datagram_handler *handler, void *arg,
                      struct net_datagram **ret_datagram);
/*
 * No more callbacks. Accepts NULL, sets NULL. Where loops share the socket: a datagram that had woken
 * this one already waits until the next one wakes another.
 */
void net_datagram_close(struct net_datagram **datagram);

/* What stands in front of the `index`th packet of one net_datagram_send(). */
struct net_datagram_head {
    size_t size; /* bytes; less than packet_size */
    void (*write)(void *arg, uint32_t index, char *out);
    void *arg;
};

/* Everything the detached stream has unsent, in as few packets as hold it. Only from on_datagram(). */
void net_datagram_send(struct net_datagram *datagram, struct net_stream *from,
                       const struct net_address *to, const struct net_datagram_head *head);

/*
 * A stream without a socket: output stays in it until it is sent as datagrams or dropped. No
 * callback is ever called, so none is needed; net_stream_receive() is not for it. The loop forgets
 * nothing about it: end with net_stream_renew(), and free the memory.
 */
void net_stream_open_detached(struct net_loop *loop, struct net_stream *stream);
/* As when it was opened: what is unsent is dropped, what was lent given back, and it is open. */
void net_stream_renew(struct net_stream *stream);
/* True when memory ran out while it was written to: what is unsent is not whole. */
bool net_stream_has_failed(const struct net_stream *stream);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* What datagram.c and the two kinds of loop share. On the loop's thread. */
#ifndef LARDER_NET_DATAGRAM_PRIV_H
#define LARDER_NET_DATAGRAM_PRIV_H

#include "net/datagram.h"

struct net_datagram {
    uint32_t magic;
    int fd;
    struct net_loop *loop;
    const struct net_datagram_handler *handler;
    void *arg;
    size_t packet_size;
    struct net_datagram_batch *batch; /* given: what is received and sent together */
    struct net_datagram *next;
    bool closed;
    bool polled;   /* io_uring: the last completion has not come yet */
    uint32_t slot; /* io_uring; 0: none */
};

/* The socket is readable: take what is there, as much as may be in one turn. */
void net_datagram_readable(struct net_datagram *datagram);
/* At the end of a turn: free what was closed. */
void net_datagram_reap(struct net_loop *loop);

#endif

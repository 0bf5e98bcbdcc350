/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * memcached's frame: the 8 bytes that every UDP datagram begins with. Numbers have their most
 * significant byte first:
 *
 *      request id 2   sequence 2   count 2   reserved 2   | a request, or a part of a reply
 *
 * A request is one datagram; a reply is `count` of them, numbered from 0, all with the id that the
 * client chose. Behind the frame stands what TCP would carry, text, meta or binary.
 *
 * Pure: no socket, no clock, no allocation, no state. Any thread.
 */
#ifndef LARDER_PROTO_UDP_H
#define LARDER_PROTO_UDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

enum {
    PROTO_UDP_FRAME_SIZE = 8,
    PROTO_UDP_PACKET_MAX = 1400, /* bytes of one datagram of a reply, its frame included */
    PROTO_UDP_ROOM = PROTO_UDP_PACKET_MAX - PROTO_UDP_FRAME_SIZE,
    PROTO_UDP_HEADERS_SIZE = 28, /* bytes of IPv4's and UDP's headers in front of each */
};

struct proto_udp_frame {
    uint16_t request_id; /* the client's; returned as it came */
    uint16_t sequence;   /* 0..count - 1 */
    uint16_t count;      /* datagrams of the message */
    uint16_t reserved;   /* written as 0, and not looked at */
};

/* Read the frame of a datagram. False: it is too short to have one. */
bool proto_udp_read_frame(struct base_slice datagram, struct proto_udp_frame *ret_frame);
void proto_udp_write_frame(char out[PROTO_UDP_FRAME_SIZE], const struct proto_udp_frame *frame);

/*
 * A datagram that can be a request: whole in itself (sequence 0 of 1), and what follows the frame
 * begins as a command does. Replies never do, so two servers that are made to talk to each other
 * by a forged address fall silent at once.
 *
 * ret_request  what follows the frame: 1 byte or more, borrowed from `datagram`
 */
bool proto_udp_parse(struct base_slice datagram, struct proto_udp_frame *ret_frame,
                     struct base_slice *ret_request);

/* Datagrams of a reply of `size` bytes. */
uint64_t proto_udp_packet_count(uint64_t size);
/* Its bytes on the wire: a frame, and what is in front of it, in each. */
uint64_t proto_udp_wire_size(uint64_t size);

#endif

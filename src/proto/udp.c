/* SPDX-License-Identifier: BSD-3-Clause */
/* See udp.h. */
#include "proto/udp.h"

#include "proto/binary.h"

static uint16_t read_u16(const char *bytes)
{
    return (uint16_t)((uint8_t)bytes[0] << 8 | (uint8_t)bytes[1]);
}

static void write_u16(char *out, uint16_t number)
{
    out[0] = (char)(number >> 8);
    out[1] = (char)(number & 0xff);
}

bool proto_udp_read_frame(struct base_slice datagram, struct proto_udp_frame *ret_frame)
{
    if (datagram.size < PROTO_UDP_FRAME_SIZE) {
        return false;
    }
    *ret_frame = (struct proto_udp_frame){
        .request_id = read_u16(datagram.data),
        .sequence = read_u16(datagram.data + 2),
        .count = read_u16(datagram.data + 4),
        .reserved = read_u16(datagram.data + 6),
    };
    return true;
}

void proto_udp_write_frame(char out[PROTO_UDP_FRAME_SIZE], const struct proto_udp_frame *frame)
{
    write_u16(out, frame->request_id);
    write_u16(out + 2, frame->sequence);
    write_u16(out + 4, frame->count);
    write_u16(out + 6, frame->reserved);
}

/* Every command is written small. Of the replies' words none is, and a number is a reply, too. */
static bool begins_request(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (uint8_t)byte == PROTO_BINARY_REQUEST_MAGIC;
}

bool proto_udp_parse(struct base_slice datagram, struct proto_udp_frame *ret_frame,
                     struct base_slice *ret_request)
{
    struct proto_udp_frame frame;
    if (!proto_udp_read_frame(datagram, &frame) || datagram.size == PROTO_UDP_FRAME_SIZE ||
        frame.count != 1 || frame.sequence != 0 ||
        !begins_request(datagram.data[PROTO_UDP_FRAME_SIZE])) {
        return false;
    }
    *ret_frame = frame;
    *ret_request = (struct base_slice){datagram.data + PROTO_UDP_FRAME_SIZE,
                                       datagram.size - PROTO_UDP_FRAME_SIZE};
    return true;
}

uint64_t proto_udp_packet_count(uint64_t size)
{
    return (size + PROTO_UDP_ROOM - 1) / PROTO_UDP_ROOM;
}

uint64_t proto_udp_wire_size(uint64_t size)
{
    return size + proto_udp_packet_count(size) * (PROTO_UDP_FRAME_SIZE + PROTO_UDP_HEADERS_SIZE);
}

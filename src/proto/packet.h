/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The packets that most of a binary protocol's traffic is, known by heart: GET, GETQ, GETK and GETKQ
 * of a key that is all there. What they say is their key and their header, which stands right before
 * it: no request is made of them. Everything else is proto/binary.h's. Pure.
 *
 * Inline, and without a struct proto_request: 788 instructions of a get became 557.
 */
#ifndef LARDER_PROTO_PACKET_H
#define LARDER_PROTO_PACKET_H

#include <assert.h>
#include <endian.h>

#include "proto/binary.h"

enum {
    PROTO_PACKET_GETS = 1u << PROTO_BINARY_GET | 1u << PROTO_BINARY_GETQ | 1u << PROTO_BINARY_GETK |
                        1u << PROTO_BINARY_GETKQ, /* their opcodes, one bit each */
    PROTO_PACKET_QUIET = 0x01,                    /* the bit of those opcodes that says so */
    PROTO_PACKET_KEY = 0x04,                      /* and this one: the answer has the key */
};

static_assert((PROTO_BINARY_GET & 5) == 0 && (PROTO_BINARY_GETQ & 5) == PROTO_PACKET_QUIET &&
                  (PROTO_BINARY_GETK & 5) == PROTO_PACKET_KEY &&
                  (PROTO_BINARY_GETKQ & 5) == (PROTO_PACKET_QUIET | PROTO_PACKET_KEY),
              "the bits of the opcodes say what they are taken for");

/* The packet at `at`, if it is such a one: returns its end, and its key. Otherwise NULL. */
static inline const char *proto_packet_get(const char *at, const char *end,
                                           struct base_slice *ret_key)
{
    uint64_t head;
    uint32_t body_size;

    if (end - at <= PROTO_BINARY_HEADER_SIZE) {
        return NULL;
    }
    memcpy(&head, at, sizeof(head));
    memcpy(&body_size, at + sizeof(head), sizeof(body_size));
    head = be64toh(head);
    body_size = be32toh(body_size);
    const uint32_t opcode = head >> 48 & 0xff;
    const uint32_t key_size = head >> 32 & 0xffff;
    /* Whatever its data type and its vbucket; no extras, no value. */
    if (head >> 56 != PROTO_BINARY_REQUEST_MAGIC || opcode > PROTO_BINARY_GETKQ ||
        (PROTO_PACKET_GETS >> opcode & 1) == 0 || (head >> 24 & 0xff) != 0 ||
        body_size != key_size || key_size - 1 >= BASE_KEY_SIZE_MAX ||
        (size_t)(end - at) - PROTO_BINARY_HEADER_SIZE < key_size) {
        return NULL;
    }
    *ret_key = (struct base_slice){at + PROTO_BINARY_HEADER_SIZE, key_size};
    return ret_key->data + key_size;
}

/* The opcode of the packet that has this key. */
static inline uint8_t proto_packet_opcode(const char *key)
{
    return (uint8_t)key[1 - PROTO_BINARY_HEADER_SIZE];
}

/* Its hit, up to where the value has to follow. `out` has room for PROTO_BINARY_REPLY_MAX. */
static inline char *proto_packet_put_hit(char *out, struct base_slice key, uint32_t client_flags,
                                         uint64_t cas, uint64_t value_size)
{
    const char *const request = key.data - PROTO_BINARY_HEADER_SIZE;
    const uint8_t opcode = proto_packet_opcode(key.data);
    const size_t key_size = (opcode & PROTO_PACKET_KEY) != 0 ? key.size : 0;
    const uint64_t head =
        htobe64((uint64_t)PROTO_BINARY_RESPONSE_MAGIC << 56 | (uint64_t)opcode << 48 |
                (uint64_t)key_size << 32 | (uint64_t)sizeof(client_flags) << 24);
    const uint32_t body_size = htobe32((uint32_t)(sizeof(client_flags) + key_size + value_size));

    memcpy(out, &head, sizeof(head));
    memcpy(out + 8, &body_size, sizeof(body_size));
    memcpy(out + 12, request + 12, 4); /* the opaque */
    cas = htobe64(cas);
    memcpy(out + 16, &cas, sizeof(cas));
    client_flags = htobe32(client_flags);
    memcpy(out + PROTO_BINARY_HEADER_SIZE, &client_flags, sizeof(client_flags));
    out += PROTO_BINARY_HEADER_SIZE + sizeof(client_flags);
    if (key_size != 0) {
        memcpy(out, key.data, key_size);
    }
    return out + key_size;
}

#endif

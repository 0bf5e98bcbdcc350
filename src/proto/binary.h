/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The binary protocol: packets to requests, replies to packets.
 *
 * A packet is a header of 24 bytes and a body; numbers have their most significant byte first:
 *
 *      magic 1   opcode 1   key size 2   extras size 1   data type 1   vbucket or status 2
 *      body size 4   opaque 4   cas 8   | extras, key, value
 *
 * Pure: no socket, no clock, no allocation, no state. Any thread. memcached has called this
 * protocol deprecated since 1.6.0; it is complete here, for the clients that speak it.
 */
#ifndef LARDER_PROTO_BINARY_H
#define LARDER_PROTO_BINARY_H

#include "proto/request.h"
#include "proto/text.h"

enum {
    PROTO_BINARY_REQUEST_MAGIC = 0x80,
    PROTO_BINARY_RESPONSE_MAGIC = 0x81,
    PROTO_BINARY_HEADER_SIZE = 24, /* bytes */
    PROTO_BINARY_REPLY_MAX = 384,  /* bytes of a reply without its value: header, extras, key */
};

enum proto_binary_opcode {
#define PROTO_BINARY_OPCODE(number, name, op, quiet, extras, key, value, variant, about)           \
    PROTO_BINARY_##name = (number),
#include "proto/binary.def"
#undef PROTO_BINARY_OPCODE
    PROTO_BINARY_OPCODE_COUNT
};

enum proto_binary_status {
#define PROTO_BINARY_STATUS(name, number, words) PROTO_BINARY_STATUS_##name = (number),
#include "proto/binary_status.def"
#undef PROTO_BINARY_STATUS
};

/* A header as it stands, of either direction. */
struct proto_binary_header {
    uint8_t magic;
    uint8_t opcode;
    uint16_t key_size;
    uint8_t extras_size;
    uint8_t data_type;
    uint16_t status;    /* of a response; the vbucket of a request */
    uint32_t body_size; /* extras, key and value */
    uint32_t opaque;
    uint64_t cas;
};

/* 24 bytes at `bytes`; nothing is checked. */
struct proto_binary_header proto_binary_read_header(const char *bytes);
/* 24 bytes to `out`; returns where they end. */
char *proto_binary_put_header(char *out, const struct proto_binary_header *header);

/* What is to be done about a request that is refused. */
struct proto_binary_refusal {
    enum proto_error error; /* its answer */
    bool closes;      /* then the connection ends: nobody knows where the next request begins */
    uint64_t swallow; /* bytes behind those consumed that belong to it */
};

/*
 * Parse the request at the start of `input`, up to its value: request->value_size says how long
 * that is, and nothing stands behind it.
 *
 * PROTO_DONE, PROTO_MORE; PROTO_CLOSE: not the binary protocol, close without an answer;
 * PROTO_BAD: *ret_refusal. Of ret_request only the always valid fields and the binary ones are set
 * then. A length that lies is refused as soon as the header is there: what it promises is never
 * waited for.
 *
 * ret_request  slices are borrowed from `input`; proto_request_keep() makes a copy that lasts
 */
enum proto_parse proto_binary_parse(struct base_slice input, struct proto_request *ret_request,
                                    size_t *ret_consumed, struct proto_binary_refusal *ret_refusal);

/* "GETKQ" of an opcode that is a row of binary.def, NULL of others. Static. */
const char *proto_binary_opcode_name(uint8_t opcode);

/* ---- replies; each returns the bytes written. `out` has room for PROTO_BINARY_REPLY_MAX ---- */

/*
 * The answer of any request, errors too. Of a hit whose value was asked for everything but the
 * value, which follows: reply->value_size bytes of it are announced. 0: a quiet request has
 * nothing to say.
 */
size_t proto_binary_write_reply(char *out, const struct proto_request *request,
                                const struct proto_reply *reply);
/* The header of an answer that has only a value: value_size bytes follow. */
size_t proto_binary_write_value(char *out, const struct proto_request *request,
                                enum proto_binary_status status, size_t value_size);
/*
 * One of an answer's many packets: a statistic. The key is written, value_size bytes follow. Both
 * empty: the packet that ends them. `key` is 0..256 bytes.
 */
size_t proto_binary_write_stat(char *out, const struct proto_request *request,
                               struct base_slice key, size_t value_size);

/*
 * A hit's header and client flags, at `out`; returns where they end. Inline: it is most of what a
 * binary GET costs. key_size: of the key that the caller puts behind them, 0 for none.
 */
char *proto_binary_put_hit(char *out, const struct proto_request *request, uint32_t client_flags,
                           uint64_t cas, size_t key_size, uint64_t value_size);

#endif

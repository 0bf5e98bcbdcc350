/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A hit in one flat piece: "VALUE <key> <flags> <bytes>[ <cas>]\r\n", value, "\r\n"; and the
 * shortest of meta.
 *
 * Inline, as it is most of what a GET costs: called, it took 40 instructions more.
 */
#ifndef LARDER_PROTO_HIT_H
#define LARDER_PROTO_HIT_H

#include "base/check.h"
#include "base/key.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/slice.h"

static inline char *proto_hit_put(char *out, struct base_slice bytes)
{
    memcpy(out, bytes.data, bytes.size);
    return out + bytes.size;
}

static inline char *proto_hit_put_number(char *out, uint64_t number)
{
    return out + base_num_write_short(out, number);
}

/* Returns where the header ends. cas  NULL: not asked for */
static inline char *proto_hit_put_header(char *out, struct base_slice key, uint32_t client_flags,
                                         uint64_t value_size, const uint64_t *cas)
{
    CHECK(key.size - 1 < BASE_KEY_SIZE_MAX); /* 0 becomes the largest number */
    out = proto_hit_put(out, BASE_SLICE("VALUE "));
    out = base_key_copy(out, key.data, key.size);
    if (BASE_LIKELY(client_flags == 0)) {
        memcpy(out, " 0 ", 4); /* with the NUL it is one store */
        out += 3;
    } else {
        out = proto_hit_put_number(proto_hit_put(out, BASE_SLICE(" ")), client_flags);
        out = proto_hit_put(out, BASE_SLICE(" "));
    }
    out = proto_hit_put_number(out, value_size);
    if (cas != NULL) {
        out = proto_hit_put_number(proto_hit_put(out, BASE_SLICE(" ")), *cas);
    }
    return proto_hit_put(out, BASE_SLICE("\r\n"));
}

/* The hit of `mg <key> v`. `out` has room for PROTO_TEXT_REPLY_MAX and the value. */
static inline char *proto_hit_put_meta(char *out, struct base_slice value)
{
    memcpy(out, "VA ", 4); /* with the NUL it is one store */
    out = proto_hit_put_number(out + 3, value.size);
    out = proto_hit_put(out, BASE_SLICE("\r\n"));
    out = proto_hit_put(out, value);
    return proto_hit_put(out, BASE_SLICE("\r\n"));
}

/*
 * `out` has room for PROTO_TEXT_REPLY_MAX and the value. tail: "\r\n", and what may follow it.
 * Returns where the hit ends.
 */
static inline char *proto_hit_put_all(char *out, struct base_slice key, uint32_t client_flags,
                                      struct base_slice value, const uint64_t *cas,
                                      struct base_slice tail)
{
    out = proto_hit_put_header(out, key, client_flags, value.size, cas);
    out = proto_hit_put(out, value);
    return proto_hit_put(out, tail);
}

#endif

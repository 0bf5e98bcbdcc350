/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The text protocol's replies. Pure: the caller's buffer is all that is written; any thread.
 */
#include <assert.h>

#include "base/check.h"
#include "base/num.h"
#include "proto/hit.h"
#include "proto/text.h"

static_assert(sizeof("VALUE ") + BASE_KEY_SIZE_MAX + 3 * (BASE_NUM_TEXT_MAX + 1) + 2 <=
                  PROTO_TEXT_REPLY_MAX,
              "a VALUE line fits");

static char *put(char *out, struct base_slice bytes)
{
    memcpy(out, bytes.data, bytes.size);
    return out + bytes.size;
}

size_t proto_text_write_value(char *out, struct base_slice key, uint32_t client_flags,
                              uint64_t value_size, const uint64_t *cas)
{
    return (size_t)(proto_hit_put_header(out, key, client_flags, value_size, cas) - out);
}

static struct base_slice status_line(const struct proto_reply *reply)
{
    switch (reply->status) {
    case PROTO_STATUS_MISS:
        return BASE_SLICE("NOT_FOUND\r\n");
    case PROTO_STATUS_STORED:
        return BASE_SLICE("STORED\r\n");
    case PROTO_STATUS_NOT_STORED:
        return BASE_SLICE("NOT_STORED\r\n");
    case PROTO_STATUS_EXISTS:
        return BASE_SLICE("EXISTS\r\n");
    case PROTO_STATUS_DELETED:
        return BASE_SLICE("DELETED\r\n");
    case PROTO_STATUS_TOUCHED:
        return BASE_SLICE("TOUCHED\r\n");
    case PROTO_STATUS_OK:
        return BASE_SLICE("OK\r\n");
    case PROTO_STATUS_ERROR:
        return proto_error_line(reply->error);
    case PROTO_STATUS_HIT:
    case PROTO_STATUS_NUMBER:
    default:
        NEVER("a status without a line");
    }
}

size_t proto_text_write_reply(char *out, const struct proto_request *request,
                              const struct proto_reply *reply)
{
    if (request->noreply) {
        return 0;
    }
    if (reply->status == PROTO_STATUS_NUMBER) {
        const size_t size = base_num_write_u64(out, reply->number);

        memcpy(out + size, "\r\n", 2);
        return size + 2;
    }
    return (size_t)(put(out, status_line(reply)) - out);
}

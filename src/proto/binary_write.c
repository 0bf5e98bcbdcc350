/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The binary protocol's replies: a header that repeats opcode and opaque, and what the status has to
 * say. Pure: the caller's buffer is all that is written; any thread.
 */
#include <assert.h>
#include <endian.h>

#include "base/check.h"
#include "proto/binary.h"

enum { WORDS_MAX = 64, STAT_NAME_MAX = 256 };

static_assert(PROTO_BINARY_HEADER_SIZE + 20 + BASE_KEY_SIZE_MAX <= PROTO_BINARY_REPLY_MAX,
              "a hit fits");
static_assert(PROTO_BINARY_HEADER_SIZE + STAT_NAME_MAX <= PROTO_BINARY_REPLY_MAX,
              "a statistic fits");
#define PROTO_BINARY_STATUS(name, number, words)                                                   \
    static_assert(sizeof(words) <= WORDS_MAX, "the words of " #name " fit");
#include "proto/binary_status.def"
#undef PROTO_BINARY_STATUS

static char *put(char *out, struct base_slice bytes)
{
    if (bytes.size != 0) {
        memcpy(out, bytes.data, bytes.size);
    }
    return out + bytes.size;
}

static char *put_32(char *out, uint32_t number)
{
    const uint32_t wire = htobe32(number);

    memcpy(out, &wire, sizeof(wire));
    return out + sizeof(wire);
}

static char *put_64(char *out, uint64_t number)
{
    const uint64_t wire = htobe64(number);

    memcpy(out, &wire, sizeof(wire));
    return out + sizeof(wire);
}

char *proto_binary_put_header(char *out, const struct proto_binary_header *header)
{
    const uint16_t key_size = htobe16(header->key_size);
    const uint16_t status = htobe16(header->status);

    *out++ = (char)header->magic;
    *out++ = (char)header->opcode;
    memcpy(out, &key_size, sizeof(key_size));
    out += sizeof(key_size);
    *out++ = (char)header->extras_size;
    *out++ = (char)header->data_type;
    memcpy(out, &status, sizeof(status));
    out += sizeof(status);
    return put_64(put_32(put_32(out, header->body_size), header->opaque), header->cas);
}

/* What every answer to `request` has in common. */
static struct proto_binary_header answer_to(const struct proto_request *request,
                                            enum proto_binary_status status)
{
    return (struct proto_binary_header){
        .magic = PROTO_BINARY_RESPONSE_MAGIC,
        .opcode = request->binary_opcode,
        .status = (uint16_t)status,
        .opaque = request->binary_opaque,
    };
}

static struct base_slice status_words(enum proto_binary_status status)
{
    switch (status) {
#define PROTO_BINARY_STATUS(name, number, words)                                                   \
    case PROTO_BINARY_STATUS_##name:                                                               \
        return BASE_SLICE(words);
#include "proto/binary_status.def"
#undef PROTO_BINARY_STATUS
    }
    NEVER("a status without a row");
}

static char *put_words(char *out, const struct proto_request *request,
                       enum proto_binary_status status, struct base_slice words)
{
    struct proto_binary_header header = answer_to(request, status);

    CHECK(words.size <= WORDS_MAX);
    header.body_size = (uint32_t)words.size;
    return put(proto_binary_put_header(out, &header), words);
}

static char *put_status(char *out, const struct proto_request *request,
                        enum proto_binary_status status)
{
    return put_words(out, request, status, status_words(status));
}

static enum proto_binary_status error_status(enum proto_error error)
{
    static const uint8_t statuses[PROTO_ERROR_COUNT] = {
#define PROTO_ERROR(name, status, line, about) [PROTO_ERROR_##name] = PROTO_BINARY_STATUS_##status,
#include "proto/errors.def"
#undef PROTO_ERROR
    };

    CHECK(error > PROTO_ERROR_NONE && error < PROTO_ERROR_COUNT);
    return (enum proto_binary_status)statuses[error];
}

static char *put_error(char *out, const struct proto_request *request, enum proto_error error)
{
    static const struct base_slice prefix = {"SERVER_ERROR ", 13};
    const enum proto_binary_status status = error_status(error);
    struct base_slice line = proto_error_line(error);

    if (status != PROTO_BINARY_STATUS_NO_MEMORY || line.size < prefix.size ||
        memcmp(line.data, prefix.data, prefix.size) != 0) {
        return put_status(out, request, status);
    }
    line = (struct base_slice){line.data + prefix.size, line.size - prefix.size - 2};
    return put_words(out, request, status, line);
}

/* A header, and nothing behind it. */
static char *put_done(char *out, const struct proto_request *request, uint64_t cas)
{
    struct proto_binary_header header = answer_to(request, PROTO_BINARY_STATUS_OK);

    header.cas = cas;
    return proto_binary_put_header(out, &header);
}

char *proto_binary_put_hit(char *out, const struct proto_request *request, uint32_t client_flags,
                           uint64_t cas, size_t key_size, uint64_t value_size)
{
    struct proto_binary_header header = answer_to(request, PROTO_BINARY_STATUS_OK);

    header.extras_size = 4;
    header.key_size = (uint16_t)key_size;
    header.body_size = (uint32_t)(4 + key_size + value_size);
    header.cas = cas;
    return put_32(proto_binary_put_header(out, &header), client_flags);
}

static char *put_hit(char *out, const struct proto_request *request,
                     const struct proto_reply *reply)
{
    const bool with_key = (request->flags & PROTO_FLAG_KEY_RETURN) != 0;
    const struct base_slice key = with_key ? request->key : (struct base_slice){0};
    const uint64_t value_size = (request->flags & PROTO_FLAG_VALUE) != 0 ? reply->value_size : 0;

    out = proto_binary_put_hit(out, request, reply->client_flags, reply->cas, key.size, value_size);
    return put(out, key);
}

static char *put_miss(char *out, const struct proto_request *request)
{
    if (request->op != PROTO_OP_GET || (request->flags & PROTO_FLAG_KEY_RETURN) == 0) {
        return put_status(out, request, PROTO_BINARY_STATUS_NOT_FOUND);
    }
    struct proto_binary_header header = answer_to(request, PROTO_BINARY_STATUS_NOT_FOUND);

    header.key_size = (uint16_t)request->key.size;
    header.body_size = header.key_size;
    return put(proto_binary_put_header(out, &header), request->key);
}

static char *put_number(char *out, const struct proto_request *request,
                        const struct proto_reply *reply)
{
    struct proto_binary_header header = answer_to(request, PROTO_BINARY_STATUS_OK);

    header.body_size = sizeof(reply->number);
    header.cas = reply->cas;
    return put_64(proto_binary_put_header(out, &header), reply->number);
}

/* memcached has a name for each mode's condition that did not hold. */
static enum proto_binary_status not_stored(const struct proto_request *request)
{
    if (request->mode == PROTO_STORE_ADD) {
        return PROTO_BINARY_STATUS_EXISTS;
    }
    return request->mode == PROTO_STORE_REPLACE ? PROTO_BINARY_STATUS_NOT_FOUND
                                                : PROTO_BINARY_STATUS_NOT_STORED;
}

size_t proto_binary_write_reply(char *out, const struct proto_request *request,
                                const struct proto_reply *reply)
{
    const bool is_quiet = (request->flags & PROTO_FLAG_QUIET) != 0;
    char *end = out;

    switch (reply->status) {
    case PROTO_STATUS_HIT:
    case PROTO_STATUS_TOUCHED:
        end = put_hit(out, request, reply);
        break;
    case PROTO_STATUS_MISS:
        end = is_quiet && request->op == PROTO_OP_GET ? out : put_miss(out, request);
        break;
    case PROTO_STATUS_STORED:
        if (!is_quiet) {
            end = request->op == PROTO_OP_ARITH ? put_number(out, request, reply)
                                                : put_done(out, request, reply->cas);
        }
        break;
    case PROTO_STATUS_NUMBER:
        end = is_quiet ? out : put_number(out, request, reply);
        break;
    case PROTO_STATUS_DELETED:
    case PROTO_STATUS_OK:
        end = is_quiet ? out : put_done(out, request, 0);
        break;
    case PROTO_STATUS_NOT_STORED:
        end = put_status(out, request, not_stored(request));
        break;
    case PROTO_STATUS_EXISTS:
        end = put_status(out, request, PROTO_BINARY_STATUS_EXISTS);
        break;
    case PROTO_STATUS_ERROR:
        end = put_error(out, request, reply->error);
        break;
    }
    return (size_t)(end - out);
}

size_t proto_binary_write_value(char *out, const struct proto_request *request,
                                enum proto_binary_status status, size_t value_size)
{
    struct proto_binary_header header = answer_to(request, status);

    header.body_size = (uint32_t)value_size;
    return (size_t)(proto_binary_put_header(out, &header) - out);
}

size_t proto_binary_write_stat(char *out, const struct proto_request *request,
                               struct base_slice key, size_t value_size)
{
    struct proto_binary_header header = answer_to(request, PROTO_BINARY_STATUS_OK);

    CHECK(key.size <= STAT_NAME_MAX);
    header.key_size = (uint16_t)key.size;
    header.body_size = (uint32_t)(key.size + value_size);
    return (size_t)(put(proto_binary_put_header(out, &header), key) - out);
}

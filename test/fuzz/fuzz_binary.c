/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A stream of binary packets, and every reply to them. What the parser says of a packet it says of no
 * less of it, and of no more; what is written fits and announces its own size. The first bytes choose
 * what happened.
 */
#include <stdlib.h>

#include "fuzz.h"
#include "proto/packet.h"

enum { CHOICE_SIZE = 16 };

static const enum proto_status STATUSES[] = {
    PROTO_STATUS_HIT,     PROTO_STATUS_MISS,    PROTO_STATUS_STORED, PROTO_STATUS_NOT_STORED,
    PROTO_STATUS_EXISTS,  PROTO_STATUS_DELETED, PROTO_STATUS_NUMBER, PROTO_STATUS_OK,
    PROTO_STATUS_TOUCHED, PROTO_STATUS_ERROR};

static void check_reply(const struct proto_request *request, const struct proto_reply *reply)
{
    char out[PROTO_BINARY_REPLY_MAX];
    const size_t size = proto_binary_write_reply(out, request, reply);
    const bool has_value = request->op == PROTO_OP_GET && (reply->status == PROTO_STATUS_HIT ||
                                                           reply->status == PROTO_STATUS_TOUCHED);

    CHECK(size <= sizeof(out));
    if (size == 0) {
        CHECK((request->flags & PROTO_FLAG_QUIET) != 0 && reply->status != PROTO_STATUS_ERROR);
        return;
    }
    const struct proto_binary_header header = proto_binary_read_header(out);

    CHECK(header.magic == PROTO_BINARY_RESPONSE_MAGIC && header.opcode == request->binary_opcode);
    CHECK(header.opaque == request->binary_opaque);
    CHECK((uint32_t)header.key_size + header.extras_size <= header.body_size);
    CHECK(size + (has_value ? reply->value_size : 0) ==
          PROTO_BINARY_HEADER_SIZE + (uint64_t)header.body_size);
}

static void check_replies(const struct proto_request *request, const uint8_t *choice)
{
    struct proto_reply reply = {.error = 1 + choice[0] % (PROTO_ERROR_COUNT - 1)};

    memcpy(&reply.client_flags, choice + 1, 4);
    memcpy(&reply.cas, choice + 2, 8);
    memcpy(&reply.number, choice + 5, 8);
    memcpy(&reply.value_size, choice + 8, 3);
    for (size_t i = 0; i < sizeof(STATUSES) / sizeof(STATUSES[0]); i++) {
        reply.status = STATUSES[i];
        check_reply(request, &reply);
    }
}

/* In memory of its own, so that nothing behind it is read unseen. */
static enum proto_parse parse_part(struct base_slice input, size_t size)
{
    char *copy = malloc(size + 1);
    struct proto_request request;
    struct proto_binary_refusal refusal;
    size_t consumed;

    CHECK(copy != NULL);
    memcpy(copy, input.data, size);
    const enum proto_parse parse =
        proto_binary_parse((struct base_slice){copy, size}, &request, &consumed, &refusal);
    free(copy);
    return parse;
}

/* One packet. Returns the bytes it takes; 0: the end. */
static size_t read_packet(struct base_slice input, const uint8_t *choice)
{
    struct proto_request request;
    struct proto_request kept;
    struct proto_binary_refusal refusal = {.error = PROTO_ERROR_COUNT};
    size_t consumed = 0;
    const enum proto_parse parse = proto_binary_parse(input, &request, &consumed, &refusal);
    struct base_slice key = {input.data, 0};
    const bool is_plain = proto_packet_get(input.data, input.data + input.size, &key) != NULL;

    CHECK(is_plain == (parse == PROTO_DONE && request.op == PROTO_OP_GET &&
                       (request.flags & PROTO_FLAG_TTL_SET) == 0));
    CHECK(!is_plain || base_slice_equal(key, request.key));
    if (parse == PROTO_MORE || parse == PROTO_CLOSE) {
        return 0;
    }
    CHECK(consumed >= PROTO_BINARY_HEADER_SIZE && consumed <= input.size);
    CHECK(parse_part(input, consumed) == parse);
    CHECK(parse_part(input, choice[15] % consumed) == PROTO_MORE ||
          choice[15] % consumed >= PROTO_BINARY_HEADER_SIZE);
    if (parse == PROTO_BAD) {
        CHECK(refusal.error > PROTO_ERROR_NONE && refusal.error < PROTO_ERROR_COUNT);
        CHECK(refusal.swallow <= UINT32_MAX && (!refusal.closes || refusal.swallow == 0));
        request.flags = 0;
        check_reply(&request,
                    &(struct proto_reply){.status = PROTO_STATUS_ERROR, .error = refusal.error});
        return refusal.closes || refusal.swallow > input.size - consumed
                   ? 0
                   : consumed + (size_t)refusal.swallow;
    }
    CHECK(proto_binary_opcode_name(request.binary_opcode) != NULL);
    CHECK(request.dialect == PROTO_BINARY && !request.noreply);
    CHECK(request.key.size <= BASE_KEY_SIZE_MAX && fuzz_is_inside(request.key, input));
    CHECK(request.value_size <= BASE_ITEM_SIZE_MAX);
    proto_request_keep(&kept, &request);
    check_replies(&kept, choice);
    return request.value_size > input.size - consumed ? 0 : consumed + (size_t)request.value_size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t at = CHOICE_SIZE;
    size_t used = 1;

    while (at < size && used > 0) {
        used = read_packet(fuzz_slice(data + at, size - at), data);
        at += used;
    }
    return 0;
}

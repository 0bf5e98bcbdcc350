/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Meta request lines, and every reply to them: what is written fits, ends its line, and is read
 * back as the code it was written for. The first bytes choose what happened.
 */
#include "fuzz.h"
#include "proto/meta.h"

enum { CHOICE_SIZE = 16 };

static void check_reply(const struct proto_request *request, const struct proto_reply *reply)
{
    char out[PROTO_META_REPLY_MAX];
    const size_t size = proto_meta_write_reply(out, request, reply);
    struct proto_meta_answer answer;
    size_t consumed = 0;

    CHECK(size <= sizeof(out));
    if (size == 0) {
        CHECK((request->flags & PROTO_FLAG_QUIET) != 0);
        return;
    }
    CHECK(out[size - 2] == '\r' && out[size - 1] == '\n');
    if (reply->value_size > BASE_ITEM_SIZE_MAX ||
        ((request->flags & PROTO_FLAG_BASE64) == 0 &&
         memchr(request->key.data, '\n', request->key.size) != NULL)) {
        return;
    }
    CHECK(proto_meta_parse_answer((struct base_slice){out, size}, &answer, &consumed) ==
          PROTO_DONE);
    CHECK(!answer.is_error);
    CHECK(consumed == size || answer.value_size + 2 == size - consumed);
}

static enum proto_status pick_status(enum proto_op op, uint8_t choice)
{
    static const enum proto_status get[] = {PROTO_STATUS_HIT, PROTO_STATUS_MISS};
    static const enum proto_status store[] = {PROTO_STATUS_STORED, PROTO_STATUS_NOT_STORED,
                                              PROTO_STATUS_EXISTS, PROTO_STATUS_MISS};
    static const enum proto_status arith[] = {PROTO_STATUS_NUMBER, PROTO_STATUS_STORED,
                                              PROTO_STATUS_EXISTS, PROTO_STATUS_MISS};

    switch ((int)op) {
    case PROTO_OP_GET:
    case PROTO_OP_META_DEBUG:
        return get[choice % 2];
    case PROTO_OP_STORE:
    case PROTO_OP_DELETE:
        return store[choice % 4];
    case PROTO_OP_ARITH:
        return arith[choice % 4];
    default:
        return PROTO_STATUS_OK;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proto_request request;
    struct proto_request kept;
    struct proto_reply reply = {0};
    struct base_slice line;
    enum proto_error error = PROTO_ERROR_COUNT;
    uint64_t swallow = 0;

    if (size < CHOICE_SIZE + 2 || data[CHOICE_SIZE] != 'm' ||
        memchr(data + CHOICE_SIZE, '\n', size - CHOICE_SIZE) != NULL) {
        return 0;
    }
    line = fuzz_slice(data + CHOICE_SIZE, size - CHOICE_SIZE);
    if (line.data[1] == ' ' || (line.size > 2 && line.data[2] != ' ')) {
        return 0; /* no two-letter word: not for this parser */
    }
    if (proto_meta_parse(line, &request, &error, &swallow) == PROTO_BAD) {
        CHECK(error > PROTO_ERROR_NONE && error < PROTO_ERROR_COUNT);
        CHECK(swallow == 0 || request.op == PROTO_OP_STORE);
        return 0;
    }
    CHECK(swallow == 0 && request.dialect == PROTO_META);
    CHECK(request.key.size <= BASE_KEY_SIZE_MAX && request.opaque_size <= BASE_OPAQUE_SIZE_MAX);
    CHECK((request.key.size == 0) == (request.op == PROTO_OP_NOOP));
    reply.status = pick_status(request.op, data[0]);
    reply.won = data[1] & 1;
    reply.stale = data[1] & 2;
    reply.token_sent = data[1] & 4;
    reply.hit_before = data[1] & 8;
    memcpy(&reply.value_size, data + 2, data[1] & 16 ? 8 : 3);
    memcpy(&reply.number, data + 4, 8);
    memcpy(&reply.cas, data + 6, 8);
    memcpy(&reply.ttl_s, data + 8, 8);
    memcpy(&reply.client_flags, data + 9, 4);
    memcpy(&reply.last_access_ago_s, data + 10, 4);
    proto_request_keep(&kept, &request);
    check_reply(&kept, &reply);
    return 0;
}

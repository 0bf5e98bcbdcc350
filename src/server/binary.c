/* SPDX-License-Identifier: BSD-3-Clause */
/* See binary.h. */
#include "server/binary.h"

#include "proto/binary.h"
#include "server/command.h"

enum { LOGIN_SIZE_MAX = 2048 }; /* bytes of what SASL sends in one step; far more than any needs */

/* ---- packets to a batch ---- */

static enum server_kind kind_of(const struct proto_request *request)
{
    if (server_is_read(request)) {
        return SERVER_KIND_READ;
    }
    return server_is_set(request) ? SERVER_KIND_SET : SERVER_KIND_OTHER;
}

static void refuse(struct server_batch *batch, const struct proto_binary_refusal *refusal,
                   size_t end)
{
    batch->ending = SERVER_ENDING_REFUSED;
    batch->error = refusal->error;
    batch->closes = refusal->closes;
    batch->swallow = refusal->swallow;
    batch->end = end;
}

/* One request. Returns false when the batch ends with it. */
static bool parse_one(struct server_batch *batch, const char *data, size_t size, size_t at)
{
    const uint32_t index = batch->count;
    struct proto_request *request = &batch->entries[index].request;
    struct proto_binary_refusal refusal;
    size_t used = 0;
    switch (
        proto_binary_parse((struct base_slice){data + at, size - at}, request, &used, &refusal)) {
    case PROTO_MORE:
        batch->ending = SERVER_ENDING_MORE;
        return false;
    case PROTO_BAD:
        refuse(batch, &refusal, at + used);
        return false;
    case PROTO_CLOSE:
        batch->ending = SERVER_ENDING_CLOSE;
        return false;
    case PROTO_DONE:
        break;
    }
    if (request->value_size > LOGIN_SIZE_MAX && request->op != PROTO_OP_STORE) {
        refusal = (struct proto_binary_refusal){.error = PROTO_ERROR_TOO_LARGE,
                                                .swallow = request->value_size};
        refuse(batch, &refusal, at + used);
        return false;
    }
    const enum server_kind kind = kind_of(request);
    batch->keys[index] = server_key(request->key);
    batch->ends[index] = at + used;
    batch->kinds[index] = (uint8_t)kind;
    batch->has_others |= kind != SERVER_KIND_READ;
    if (server_has_value(request) && !server_batch_take_value(batch, data, size, used)) {
        return false;
    }
    batch->count++;
    return true;
}

void server_binary_parse_batch(struct server_batch *batch, const char *data, size_t size)
{
    size_t at = 0;
    while (at < size && batch->count < BASE_BATCH_MAX && parse_one(batch, data, size, at)) {
        at = batch->ends[batch->count - 1];
    }
}

/* ---- answers ---- */

static bool write_reply(struct server_output *output, const struct proto_request *request,
                        const struct proto_reply *reply)
{
    if (!server_output_need(output, PROTO_BINARY_REPLY_MAX)) {
        return false;
    }
    output->at += proto_binary_write_reply(output->at, request, reply);
    return true;
}

bool server_binary_answer(struct server_conn *conn, struct server_output *output,
                          const struct proto_request *request, struct larder_ref *ref)
{
    if (ref == NULL) {
        return (request->flags & PROTO_FLAG_QUIET) != 0 ||
               write_reply(output, request, &(struct proto_reply){.status = PROTO_STATUS_MISS});
    }
    const bool is_copied = server_is_copied(ref->value_size);
    const size_t copy_size = is_copied ? (size_t)ref->value_size : 0;
    const size_t key_size = (request->flags & PROTO_FLAG_KEY_RETURN) != 0 ? request->key.size : 0;
    if (!server_output_need(output, PROTO_BINARY_REPLY_MAX + copy_size)) {
        return false;
    }
    char *out =
        proto_binary_put_hit(output->at, request, ref->client_flags,
                             server_shown_cas(conn->worker, ref->cas), key_size, ref->value_size);
    memcpy(out, request->key.data, key_size);
    memcpy(out + key_size, ref->value, copy_size);
    output->at = out + key_size + copy_size;
    if (is_copied) {
        return true;
    }
    server_output_end(output);
    return server_lend_value(conn, ref);
}

bool server_binary_stored(struct server_output *output, const struct proto_request *request,
                          uint64_t cas)
{
    return (request->flags & PROTO_FLAG_QUIET) != 0 ||
           write_reply(output, request,
                       &(struct proto_reply){.status = PROTO_STATUS_STORED, .cas = cas});
}

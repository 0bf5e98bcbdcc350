/* SPDX-License-Identifier: BSD-3-Clause */
/* See binary.h. */
#include "server/binary.h"

#include "proto/packet.h"
#include "server/command.h"

enum { LOGIN_SIZE_MAX = 2048 }; /* bytes of what SASL sends in one step; far more than any needs */

/* ---- packets to a batch ---- */

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
    batch->keys[index] = server_key(request->key);
    batch->ends[index] = at + used;
    batch->kinds[index] = server_is_set(request) ? SERVER_KIND_SET : SERVER_KIND_OTHER;
    batch->has_others = true;
    if (server_has_value(request) && !server_batch_take_value(batch, data, size, used)) {
        return false;
    }
    batch->count++;
    return true;
}

/* Plain gets, as many as follow each other. Returns where they end. */
static size_t parse_gets(struct server_batch *batch, const char *data, size_t size, size_t begin)
{
    const uint32_t first = batch->count;
    const char *at = data + begin;
    uint32_t count = first;
    while (count < BASE_BATCH_MAX) {
        struct base_slice key;
        const char *packet_end = proto_packet_get(at, data + size, &key);
        if (packet_end == NULL) {
            break;
        }
        at = packet_end;
        batch->keys[count] = server_key(key);
        batch->ends[count] = (size_t)(at - data);
        count++;
    }
    server_batch_begin_run(batch, SERVER_KIND_PACKET, first, count);
    batch->count = count;
    return (size_t)(at - data);
}

void server_binary_parse_batch(struct server_batch *batch, const char *data, size_t size)
{
    size_t at = 0;
    while (at < size && batch->count < BASE_BATCH_MAX) {
        if (parse_gets(batch, data, size, at) == at && !parse_one(batch, data, size, at)) {
            return;
        }
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

/* A value too large to be copied is sent from where it is. */
static bool lend_hit(struct server_conn *conn, struct server_output *output,
                     const struct larder_key *key, struct larder_ref *ref)
{
    if (!server_output_need(output, PROTO_BINARY_REPLY_MAX)) {
        return false;
    }
    output->at = proto_packet_put_hit(output->at, (struct base_slice){key->data, key->size},
                                      ref->client_flags, server_shown_cas(conn->worker, ref->cas),
                                      ref->value_size);
    server_output_end(output);
    return server_lend_value(conn, ref);
}

static bool write_miss(struct server_output *output, struct base_slice key)
{
    struct proto_request request;
    struct proto_binary_refusal refusal;
    size_t used;
    const struct base_slice packet = {key.data - PROTO_BINARY_HEADER_SIZE,
                                      key.size + PROTO_BINARY_HEADER_SIZE};
    if ((proto_packet_opcode(key.data) & PROTO_PACKET_QUIET) != 0) {
        return true;
    }
    CHECK(proto_binary_parse(packet, &request, &used, &refusal) == PROTO_DONE);
    return write_reply(output, &request, &(struct proto_reply){.status = PROTO_STATUS_MISS});
}

bool server_binary_answer_plain(struct server_conn *conn, struct server_output *output,
                                const struct larder_key *key, struct larder_ref *ref)
{
    const struct base_slice name = {key->data, key->size};
    if (ref == NULL) {
        return write_miss(output, name);
    }
    if (BASE_UNLIKELY(!server_is_copied(ref->value_size))) {
        return lend_hit(conn, output, key, ref);
    }
    const size_t value_size = (size_t)ref->value_size;
    if (!server_output_need(output, PROTO_BINARY_REPLY_MAX + value_size)) {
        return false;
    }
    char *out = proto_packet_put_hit(output->at, name, ref->client_flags,
                                     server_shown_cas(conn->worker, ref->cas), value_size);
    memcpy(out, ref->value, value_size);
    output->at = out + value_size;
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

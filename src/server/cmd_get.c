/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * get, gets, gat, gats: many keys, one reply of VALUE lines closed by END.
 *
 * Keys are looked up in groups, so that the memory of a whole group is on its way before the
 * first of them is needed. A hit is written as header, value, \r\n straight into the output.
 */
#include "proto/text.h"
#include "server/command.h"
#include "server/parked.h"

/* What all keys of one request have in common. */
struct wish {
    bool with_cas;
    bool touch;
    uint32_t expires_at_s;
    uint32_t get_flags;
};

static const struct base_slice end_line = {"END\r\n", 5};

/* The item's lines: "VALUE key flags size[ cas]\r\n", value, "\r\n"; `tail` behind them. */
static bool write_hit(struct server_conn *conn, struct base_slice key, struct larder_ref *ref,
                      bool with_cas, struct base_slice tail)
{
    struct proto_reply reply = {
        .status = PROTO_STATUS_HIT,
        .client_flags = ref->client_flags,
        .value_size = ref->value_size,
        .cas = server_shown_cas(conn->worker, ref->cas),
    };
    size_t value_size = (size_t)ref->value_size;
    bool copy = value_size <= SERVER_COPY_MAX;
    char *out = net_stream_room(&conn->stream, PROTO_TEXT_REPLY_MAX + (copy ? value_size : 0));
    if (out == NULL) {
        server_release(conn->worker, ref);
        return false;
    }
    size_t size = proto_text_write_value(out, key, &reply, with_cas);
    if (!copy) {
        net_stream_wrote(&conn->stream, size);
        return server_send_value(conn, ref) &&
               net_stream_write(&conn->stream, tail.data, tail.size);
    }
    /* One flat piece: the smallest number of copies, and of calls. */
    memcpy(out + size, ref->value, value_size);
    size += value_size;
    out[size++] = '\r';
    out[size++] = '\n';
    memcpy(out + size, tail.data, tail.size);
    net_stream_wrote(&conn->stream, size + tail.size);
    server_release(conn->worker, ref);
    return true;
}

/* One key's answer, and what follows it. Returns false when the connection has to go. */
static bool answer_key(struct server_call *call, const struct wish *wish,
                       const struct larder_key *key, enum larder_result result,
                       struct larder_ref *ref, struct base_slice tail)
{
    struct server_worker *worker = call->worker;
    struct base_slice name = {key->data, key->size};
    bool hit = result == LARDER_OK;
    server_count_key(worker, wish->touch, hit);
    if (BASE_UNLIKELY(server_prefixes_on(worker->server))) {
        server_prefix_get(worker->server, name, hit);
    }
    if (BASE_UNLIKELY(server_watched(worker->server, SERVER_WATCH_FETCHERS))) {
        server_watch_fetch(call, name, result, ref);
    }
    if (!hit) {
        return tail.size == 0 || net_stream_write(&call->conn->stream, tail.data, tail.size);
    }
    bool written = write_hit(call->conn, name, ref, wish->with_cas, tail);
    if (wish->touch && written) {
        /* After the answer, as memcached does: a touch into the past still shows the item. */
        (void)server_touch(call, key, wish->expires_at_s);
    }
    return written;
}

/* Take up to count_max keys off the line, hashed. */
static uint32_t next_keys(struct base_slice *line, struct larder_key *keys, uint32_t count_max)
{
    struct base_slice key;
    uint32_t count = 0;
    while (count < count_max && proto_text_next_key(line, &key)) {
        keys[count++] = server_key(key);
    }
    return count;
}

/* The line without the keys that an earlier run of this request has answered. */
static struct base_slice rest_of_line(const struct server_call *call)
{
    struct base_slice line = call->request->keys;
    struct base_slice key;
    for (uint32_t i = 0; i < call->conn->keys_done; i++) {
        (void)proto_text_next_key(&line, &key);
    }
    return line;
}

/* How many keys to look up together. */
static uint32_t group_size(const struct server_call *call, const struct wish *wish)
{
    if (server_parked_resumes(call->conn)) {
        return server_parked_key_count(call->conn); /* the line may have grown meanwhile */
    }
    /* A touch may have to give references back: then no other key's may be held. */
    return wish->touch ? 1 : BASE_BATCH_MAX;
}

/* A line of many keys, or part of one. */
static enum server_done get_many(struct server_call *call, const struct wish *wish)
{
    struct server_conn *conn = call->conn;
    const struct base_slice nothing = {"", 0};
    struct larder_key keys[BASE_BATCH_MAX];
    struct larder_ref refs[BASE_BATCH_MAX];
    enum larder_result results[BASE_BATCH_MAX];
    struct base_slice line = rest_of_line(call);
    uint32_t count;
    while ((count = next_keys(&line, keys, group_size(call, wish))) > 0) {
        if (count > 1) {
            server_ops(call->worker)->prefetch(call->worker->engine_thread, keys, count);
        }
        if (!server_get(call, keys, count, wish->get_flags, refs, results)) {
            return SERVER_PARK;
        }
        uint32_t done = 0;
        bool open = true;
        while (done < count && open && !net_stream_is_full(&conn->stream)) {
            open = answer_key(call, wish, &keys[done], results[done], &refs[done], nothing);
            done++;
        }
        for (uint32_t i = done; i < count; i++) {
            if (results[i] == LARDER_OK) {
                server_release(call->worker, &refs[i]);
            }
        }
        conn->keys_done += done;
        if (!open) {
            return SERVER_HANGUP;
        }
        if (done < count || (line.size > 0 && net_stream_is_full(&conn->stream))) {
            return SERVER_PARK; /* more than the client takes: the loop calls again */
        }
    }
    conn->keys_done = 0;
    if (call->request->keys_continue) {
        return SERVER_DONE;
    }
    return net_stream_write(&conn->stream, end_line.data, end_line.size) ? SERVER_DONE
                                                                         : SERVER_HANGUP;
}

/* The usual case: its key is hashed already, and END goes out with the value. */
static enum server_done get_single(struct server_call *call, const struct wish *wish)
{
    struct larder_ref ref;
    enum larder_result result = server_find(call, wish->get_flags, &ref);
    if (result == LARDER_PENDING) {
        return SERVER_PARK;
    }
    return answer_key(call, wish, &call->key, result, &ref, end_line) ? SERVER_DONE : SERVER_HANGUP;
}

enum server_done server_cmd_get(struct server_call *call)
{
    const struct proto_request *request = call->request;
    struct wish wish = {
        .with_cas = (request->flags & PROTO_FLAG_CAS_RETURN) != 0,
        .touch = (request->flags & PROTO_FLAG_TTL_SET) != 0,
    };
    wish.get_flags = wish.with_cas ? LARDER_GET_CAS : 0;
    if (wish.touch) {
        wish.expires_at_s = base_clock_expiry(&call->worker->server->clock, request->exptime);
    }
    const bool is_single =
        request->key.data + request->key.size == request->keys.data + request->keys.size;
    if (is_single && request->key.size > 0 && !request->keys_continue && !request->keys_continued) {
        return get_single(call, &wish);
    }
    return get_many(call, &wish);
}

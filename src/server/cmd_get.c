/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * get, gets, gat, gats: keys, and a reply of VALUE lines closed by END.
 *
 * Keys are looked up in groups, so that the memory of a whole group is on its way before the
 * first of them is needed: the keys of one line, or one key each of requests that arrived
 * together (reads, mg among them). A hit is written as header, value, \r\n straight into the
 * output.
 */
#include "proto/hit.h"
#include "proto/meta.h"
#include "proto/text.h"
#include "server/batch.h"
#include "server/binary.h"
#include "server/command.h"
#include "server/parked.h"

/* What all keys of one request have in common. */
struct wish {
    bool with_cas;
    bool touch;
    uint32_t expires_at_s;
    uint32_t get_flags;
};

static const struct base_slice END_LINE = {"END\r\n", 5};
/* Behind a value: more values, or the last line. */
static const struct base_slice VALUE_TAIL = {"\r\n", 2};
static const struct base_slice LAST_VALUE_TAIL = {"\r\nEND\r\n", 7};

/* ---- one key's lines ---- */

static BASE_INLINE bool write_line(struct server_output *output, struct base_slice line)
{
    if (!server_output_need(output, PROTO_TEXT_REPLY_MAX)) {
        return false;
    }
    memcpy(output->at, line.data, line.size);
    output->at += line.size;
    return true;
}

/* A value too large to be copied is sent from where it is. */
static BASE_NEVER_INLINE bool write_lent(struct server_conn *conn, struct server_output *output,
                                         const struct larder_key *key, struct larder_ref *ref,
                                         const uint64_t *cas, struct base_slice tail)
{
    if (!server_output_need(output, PROTO_TEXT_REPLY_MAX)) {
        return false;
    }
    output->at += proto_text_write_value(output->at, (struct base_slice){key->data, key->size},
                                         ref->client_flags, ref->value_size, cas);
    server_output_end(output);
    return server_lend_value(conn, ref) && write_line(output, tail);
}

/* One flat piece: the smallest number of copies, and of calls. */
static BASE_INLINE bool write_copied(struct server_output *output, const struct larder_key *key,
                                     const struct larder_ref *ref, const uint64_t *cas,
                                     struct base_slice tail)
{
    const struct base_slice value = {ref->value, (size_t)ref->value_size};
    if (!server_output_need(output, PROTO_TEXT_REPLY_MAX + value.size)) {
        return false;
    }
    output->at = proto_hit_put_all(output->at, (struct base_slice){key->data, key->size},
                                   ref->client_flags, value, cas, tail);
    return true;
}

/* The item's lines: "VALUE key flags size[ cas]\r\n", value, and `tail`: "\r\n" and perhaps END. */
static bool write_hit(struct server_conn *conn, struct server_output *output,
                      const struct larder_key *key, struct larder_ref *ref, const uint64_t *cas,
                      struct base_slice tail)
{
    return server_is_copied(ref->value_size) ? write_copied(output, key, ref, cas, tail)
                                             : write_lent(conn, output, key, ref, cas, tail);
}

static void count_gets(struct server_worker *worker, uint32_t count, uint32_t miss_count)
{
    SERVER_COUNT_N(worker, cmd_get, count);
    SERVER_COUNT_N(worker, get_hits, count - miss_count);
    SERVER_COUNT_N(worker, get_misses, miss_count);
}

/* How far answers went. */
struct tally {
    uint32_t done, miss_count; /* keys */
};

/*
 * Answers keys of which nobody wants to know more, as far as the client takes it. single: each is
 * a request, with its END. False: the connection has to go.
 */
static BASE_INLINE bool answer_brief(struct server_conn *conn, struct server_output *output,
                                     uint32_t count, const struct larder_key *keys,
                                     const enum larder_result *results, struct larder_ref *refs,
                                     bool single, struct tally *ret_tally)
{
    const struct base_slice tail = single ? LAST_VALUE_TAIL : VALUE_TAIL;
    struct server_output out = *output; /* a copy: it stays in registers */
    const struct larder_key *const keys_end = keys + count;
    const struct larder_key *key = keys;
    uint32_t miss_count = 0;
    bool open = true;
    while (key != keys_end && open) {
        if (*results != LARDER_OK) {
            open = !single || write_line(&out, END_LINE);
            miss_count++;
        } else if (BASE_LIKELY(server_is_copied(refs->value_size))) {
            /* For a whole batch, this is far less than a client may owe. */
            open = write_copied(&out, key, refs, NULL, tail);
        } else {
            *output = out;
            open = write_lent(conn, output, key, refs, NULL, tail);
            out = *output;
            if (net_stream_is_full(&conn->stream)) {
                key++;
                break;
            }
        }
        key++;
        refs++;
        results++;
    }
    *output = out;
    *ret_tally = (struct tally){(uint32_t)(key - keys), miss_count};
    return open;
}

/* ---- reads that arrived together ---- */

static bool is_single(const struct proto_request *request)
{
    return request->key.data + request->key.size == request->keys.data + request->keys.size &&
           request->key.size > 0 && !request->keys_continue && !request->keys_continued;
}

bool server_is_read(const struct proto_request *request)
{
    return request->op == PROTO_OP_GET && request->dialect == PROTO_TEXT &&
           (request->flags & PROTO_FLAG_TTL_SET) == 0 && is_single(request);
}

bool server_reads_together(const struct server_conn *conn)
{
    const struct server *server = conn->worker->server;
    return !server->async && !server_prefixes_on(server) &&
           !server_watched(server, SERVER_WATCH_FETCHERS);
}

/* A run of reads that is being answered. */
struct run {
    struct server_conn *conn;
    struct server_batch *batch;
    struct server_output output;
    uint32_t first, count; /* entries */
    uint32_t done;         /* of them, answered */
    uint32_t hit_count;
};

static bool wants_cas(const struct server_batch *batch, uint32_t index)
{
    return (batch->entries[index].request.flags & PROTO_FLAG_CAS_RETURN) != 0;
}

/* How many reads from `first` on are of its kind and ask the engine for the same. */
static uint32_t run_length(const struct server_batch *batch, uint32_t first, uint32_t count_max)
{
    uint32_t count = 1;
    if (batch->kinds[first] != SERVER_KIND_READ) {
        return batch->run_counts[first];
    }
    while (count < count_max && batch->kinds[first + count] == SERVER_KIND_READ &&
           wants_cas(batch, first + count) == wants_cas(batch, first)) {
        count++;
    }
    return count;
}

/* What it asks the engine for: enum larder_get_flag. */
static uint32_t run_get_flags(const struct server_batch *batch, uint32_t first)
{
    switch (batch->kinds[first]) {
    case SERVER_KIND_GET:
        return LARDER_GET_BRIEF;
    case SERVER_KIND_META:
        return server_meta_get_flags(batch->meta_flags[first]);
    case SERVER_KIND_PACKET:
        return LARDER_GET_CAS;
    default:
        return wants_cas(batch, first) ? LARDER_GET_CAS : LARDER_GET_BRIEF;
    }
}

static bool is_stopped(const struct net_stream *stream)
{
    return BASE_UNLIKELY(net_stream_unsent(stream) > SERVER_OUTPUT_MAX);
}

/* get, of which there is nothing to know but the key. Returns false when the connection has to go. */
static BASE_NEVER_INLINE bool answer_gets(struct run *run)
{
    const struct server_batch *batch = run->batch;
    struct tally tally;
    const bool open = answer_brief(run->conn, &run->output, run->count, &batch->keys[run->first],
                                   batch->results, run->batch->refs, true, &tally);
    run->done = tally.done;
    run->hit_count = tally.done - tally.miss_count;
    return open;
}

/* mg. Returns false when the connection has to go. */
static BASE_NEVER_INLINE bool answer_metas(struct run *run)
{
    struct server_output output = run->output; /* a copy: it stays in registers */
    const uint32_t *const flags = &run->batch->meta_flags[run->first];
    const enum larder_result *results = run->batch->results;
    struct larder_ref *refs = run->batch->refs;
    const uint32_t count = run->count;
    uint32_t done = 0;
    uint32_t miss_count = 0;
    bool open = true;
    bool stopped = false;
    for (; done < count && open && !stopped; done++) {
        struct larder_ref *ref = &refs[done];
        bool hit = results[done] == LARDER_OK;
        if (BASE_LIKELY(hit && flags[done] == PROTO_FLAG_VALUE && !server_meta_is_marked(ref) &&
                        server_is_copied(ref->value_size))) {
            const struct base_slice value = {ref->value, (size_t)ref->value_size};
            open = server_output_need(&output, PROTO_META_REPLY_MAX + value.size);
            output.at = open ? proto_hit_put_meta(output.at, value) : NULL;
            continue;
        }
        run->output = output;
        open = server_meta_answer(run->conn, run->batch, run->first + done, hit ? ref : NULL,
                                  &run->output, &hit);
        output = run->output;
        stopped = is_stopped(&run->conn->stream);
        miss_count += hit ? 0 : 1;
    }
    run->output = output;
    run->done = done;
    run->hit_count = done - miss_count;
    return open;
}

/* get and gets as they are rarely sent. Returns false when the connection has to go. */
static BASE_NEVER_INLINE bool answer_reads(struct run *run)
{
    const bool with_cas = wants_cas(run->batch, run->first);
    bool open = true;
    while (run->done < run->count && open && !is_stopped(&run->conn->stream)) {
        const struct larder_key *key = &run->batch->keys[run->first + run->done];
        struct larder_ref *ref = &run->batch->refs[run->done];
        if (run->batch->results[run->done] == LARDER_OK) {
            const uint64_t cas = with_cas ? server_shown_cas(run->conn->worker, ref->cas) : 0;
            open = write_hit(run->conn, &run->output, key, ref, with_cas ? &cas : NULL,
                             LAST_VALUE_TAIL);
            run->hit_count++;
        } else {
            open = write_line(&run->output, END_LINE);
        }
        run->done++;
    }
    return open;
}

/* Binary gets. Returns false when the connection has to go. */
static bool answer_packets(struct run *run)
{
    struct server_output output = run->output; /* a copy: it stays in registers */
    const struct larder_key *const keys = &run->batch->keys[run->first];
    const enum larder_result *results = run->batch->results;
    struct larder_ref *refs = run->batch->refs;
    uint32_t done = 0;
    uint32_t hit_count = 0;
    bool open = true;
    while (done < run->count && open && !is_stopped(&run->conn->stream)) {
        const bool hit = results[done] == LARDER_OK;
        open =
            server_binary_answer_plain(run->conn, &output, &keys[done], hit ? &refs[done] : NULL);
        hit_count += hit ? 1 : 0;
        done++;
    }
    run->output = output;
    run->done = done;
    run->hit_count = hit_count;
    return open;
}

static bool answer_run(struct run *run)
{
    switch (run->batch->kinds[run->first]) {
    case SERVER_KIND_GET:
        return answer_gets(run);
    case SERVER_KIND_META:
        return answer_metas(run);
    case SERVER_KIND_PACKET:
        return answer_packets(run);
    default:
        return answer_reads(run);
    }
}

enum server_done server_cmd_reads(struct server_conn *conn, struct server_batch *batch,
                                  uint32_t first, uint32_t count_max, uint32_t *ret_count)
{
    struct server_worker *worker = conn->worker;
    const struct larder_engine_ops *ops = server_ops(worker);
    struct run run = {
        .conn = conn,
        .batch = batch,
        .output = {.stream = &conn->stream},
        .first = first,
        .count = run_length(batch, first, count_max),
    };
    conn->busy_count = 0;
    ops->get(worker->engine_thread, &batch->keys[first], run.count, run_get_flags(batch, first), 0,
             batch->refs, batch->results);
    const bool open = answer_run(&run);
    server_output_end(&run.output);
    /* All but what is lent to the socket. */
    ops->release(worker->engine_thread, batch->refs, run.count);
    count_gets(worker, run.done, run.done - run.hit_count);
    if (batch->kinds[first] == SERVER_KIND_META) {
        SERVER_COUNT_N(worker, cmd_meta, run.done);
    }
    *ret_count = run.done;
    return open ? SERVER_DONE : SERVER_HANGUP;
}

/* ---- lines of many keys, and those with a touch ---- */

/* One key's answer, with END if it is the only one. False: the connection has to go. */
static bool answer_key(struct server_call *call, const struct wish *wish,
                       struct server_output *output, const struct larder_key *key,
                       enum larder_result result, struct larder_ref *ref, bool is_only)
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
    const uint64_t cas = hit && wish->with_cas ? server_shown_cas(worker, ref->cas) : 0;
    bool written;
    if (call->request->dialect == PROTO_BINARY) {
        written = server_binary_answer(call->conn, output, call->request, hit ? ref : NULL);
    } else {
        written = hit ? write_hit(call->conn, output, key, ref, wish->with_cas ? &cas : NULL,
                                  is_only ? LAST_VALUE_TAIL : VALUE_TAIL)
                      : !is_only || write_line(output, END_LINE);
    }
    if (wish->touch && hit && written) {
        /* After the answer, as memcached does: a touch into the past still shows the item. */
        server_output_end(output);
        server_release(worker, ref);
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

/* The same for keys that somebody wants to know more of. */
static bool answer_keys(struct server_call *call, const struct wish *wish,
                        struct server_output *output, uint32_t count, const struct larder_key *keys,
                        const enum larder_result *results, struct larder_ref *refs,
                        uint32_t *ret_done)
{
    uint32_t done = 0;
    bool open = true;
    while (done < count && open && !net_stream_is_full(output->stream)) {
        open = answer_key(call, wish, output, &keys[done], results[done], &refs[done], false);
        done++;
    }
    *ret_done = done;
    return open;
}

/* Answers a group, as far as the client takes it: *ret_done keys. False: the connection goes. */
static bool answer_group(struct server_call *call, const struct wish *wish, uint32_t count,
                         const struct larder_key *keys, const enum larder_result *results,
                         struct larder_ref *refs, uint32_t *ret_done)
{
    struct server_output output = {.stream = &call->conn->stream};
    bool open;
    if ((wish->get_flags & LARDER_GET_BRIEF) != 0 && !wish->touch) {
        struct tally tally;
        open = answer_brief(call->conn, &output, count, keys, results, refs, false, &tally);
        count_gets(call->worker, tally.done, tally.miss_count);
        *ret_done = tally.done;
    } else {
        open = answer_keys(call, wish, &output, count, keys, results, refs, ret_done);
    }
    server_output_end(&output);
    server_ops(call->worker)->release(call->worker->engine_thread, refs, count);
    return open;
}

/* A line of many keys, or part of one. */
static enum server_done get_many(struct server_call *call, const struct wish *wish)
{
    struct server_conn *conn = call->conn;
    struct larder_key keys[BASE_BATCH_MAX];
    struct larder_ref refs[BASE_BATCH_MAX];
    enum larder_result results[BASE_BATCH_MAX];
    struct base_slice line = rest_of_line(call);
    uint32_t count;
    while ((count = next_keys(&line, keys, group_size(call, wish))) > 0) {
        uint32_t done = 0;
        if (!server_get(call, keys, count, wish->get_flags, refs, results)) {
            return SERVER_PARK;
        }
        bool open = answer_group(call, wish, count, keys, results, refs, &done);
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
    return net_stream_write(&conn->stream, END_LINE.data, END_LINE.size) ? SERVER_DONE
                                                                         : SERVER_HANGUP;
}

/* Its key is hashed already, and END goes out with the value. */
static enum server_done get_single(struct server_call *call, const struct wish *wish)
{
    struct server_output output = {.stream = &call->conn->stream};
    struct larder_ref ref;
    enum larder_result result = server_find(call, wish->get_flags, &ref);
    if (result == LARDER_PENDING) {
        return SERVER_PARK;
    }
    bool open = answer_key(call, wish, &output, &call->key, result, &ref, true);
    server_output_end(&output);
    server_release(call->worker, &ref);
    return open ? SERVER_DONE : SERVER_HANGUP;
}

enum server_done server_cmd_get(struct server_call *call)
{
    const struct proto_request *request = call->request;
    struct wish wish = {
        .with_cas = (request->flags & PROTO_FLAG_CAS_RETURN) != 0,
        .touch = (request->flags & PROTO_FLAG_TTL_SET) != 0,
    };
    wish.get_flags = wish.with_cas ? (uint32_t)LARDER_GET_CAS : 0;
    if (wish.touch) {
        wish.expires_at_s = base_clock_expiry(&call->worker->server->clock, request->exptime);
    }
    if (!wish.with_cas && server_reads_together(call->conn)) {
        wish.get_flags |= LARDER_GET_BRIEF; /* nobody looks at more */
    }
    return is_single(request) ? get_single(call, &wish) : get_many(call, &wish);
}

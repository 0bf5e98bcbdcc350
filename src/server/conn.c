/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The life of a connection: bytes in, requests out of them, one after the other.
 *
 * Everything that arrived together is parsed together (up to BASE_BATCH_MAX requests), so that
 * the engine can bring the memory of all of them in while the first is answered. Replies collect
 * in the stream's output and leave with one system call when on_data() returns.
 *
 * Data blocks: one that is in the buffer is stored from there. A short one that is not yet whole
 * is waited for. A long one is received straight into the engine's memory (upload.c). One that is
 * refused is thrown away as it comes.
 *
 * All of it on the connection's worker. Closing is deferred by the loop until callbacks return.
 */
#include "server/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/log.h"
#include "proto/binary.h"
#include "proto/plain.h"
#include "proto/text.h"
#include "server/auth.h"
#include "server/batch.h"
#include "server/binary.h"
#include "server/command.h"
#include "server/dump.h"
#include "server/parked.h"
#include "server/tls.h"
#include "server/upload.h"
#include "server/watch.h"
#include "server/worker.h"

enum {
    WAIT_FOR_VALUE_MAX =
        4096,                 /* bytes of an incomplete data block that waits in the input buffer */
    YIELD_AFTER_NS = 1000000, /* of one connection's requests, then the others have their turn */
};

struct server_batch *server_batch_create(void)
{
    return calloc(1, sizeof(struct server_batch));
}

static struct server_conn *conn_of(struct net_stream *stream)
{
    struct server_conn *conn = (struct server_conn *)stream;
    CHECK_OBJ(conn, SERVER_CONN_MAGIC);
    return conn;
}

/* ---- parse ---- */

/* Of the request in the next entry: see server_batch_take_value(). Inlined for text: 15 instructions less for each set. */
static BASE_INLINE bool take_value(struct server_batch *batch, const char *data, size_t size,
                                   size_t head_size, size_t tail_size)
{
    struct server_entry *entry = &batch->entries[batch->count];
    const size_t at = batch->ends[batch->count];
    const uint64_t want = entry->request.value_size + tail_size;
    if (size - at >= want) {
        entry->value = (struct larder_piece){data + at, (size_t)entry->request.value_size};
        entry->value_bad = tail_size != 0 && memcmp(data + at + want - 2, "\r\n", 2) != 0;
        batch->ends[batch->count] = at + (size_t)want;
        return true;
    }
    /* What waits must be less than a block, its line included, and blanks make lines long. */
    if (want <= WAIT_FOR_VALUE_MAX && head_size + want <= BASE_BLOCK_ROOM) {
        batch->ending = SERVER_ENDING_VALUE;
        return false;
    }
    batch->count++;
    batch->ending = SERVER_ENDING_UPLOAD;
    return false;
}

bool server_batch_take_value(struct server_batch *batch, const char *data, size_t size,
                             size_t head_size)
{
    return take_value(batch, data, size, head_size,
                      server_tail_size(&batch->entries[batch->count].request));
}

/* Plain gets, as many as follow each other. Returns where they end. */
static size_t parse_gets(struct server_batch *batch, const char *data, size_t size, size_t begin)
{
    const uint32_t first = batch->count;
    const char *at = data + begin;
    uint32_t count = first;
    while (count < BASE_BATCH_MAX) {
        struct base_slice key;
        const char *line_end = proto_plain_get(at, data + size, &key);
        if (line_end == NULL) {
            break;
        }
        at = line_end;
        batch->keys[count] = server_key(key);
        batch->ends[count] = (size_t)(at - data);
        count++;
    }
    server_batch_begin_run(batch, SERVER_KIND_GET, first, count);
    batch->count = count;
    return (size_t)(at - data);
}

/* The same for plain mgs, in one run or more. */
static size_t parse_metas(struct server_batch *batch, const char *data, size_t size, size_t begin)
{
    const char *at = data + begin;
    uint32_t first = batch->count;
    uint32_t count = first;
    while (count < BASE_BATCH_MAX) {
        struct base_slice key;
        uint32_t flags;
        const char *line_end = proto_plain_meta_get(at, data + size, &key, &flags);
        if (line_end == NULL) {
            break;
        }
        at = line_end;
        batch->keys[count] = server_key(key);
        batch->ends[count] = (size_t)(at - data);
        batch->meta_flags[count] = flags;
        if (!server_meta_is_alike(flags, batch->meta_flags[first])) {
            server_batch_begin_run(batch, SERVER_KIND_META, first, count);
            first = count;
        }
        count++;
    }
    server_batch_begin_run(batch, SERVER_KIND_META, first, count);
    batch->count = count;
    return (size_t)(at - data);
}

/* Plain reads, if that is what comes next. Returns where they end. */
static size_t parse_reads(struct server_batch *batch, const char *data, size_t size, size_t at)
{
    switch (data[at]) {
    case 'g':
        return parse_gets(batch, data, size, at);
    case 'm':
        return parse_metas(batch, data, size, at);
    default:
        return at;
    }
}

/* One request of any kind. Returns false when the batch ends with it. */
static bool parse_one(struct server_batch *batch, const char *data, size_t size, size_t at)
{
    const uint32_t index = batch->count;
    struct proto_request *request = &batch->entries[index].request;
    struct base_slice input = {data + at, size - at};
    size_t used = 0;
    switch (proto_text_parse(input, request, &used, &batch->error, &batch->swallow)) {
    case PROTO_MORE:
        batch->ending = SERVER_ENDING_MORE;
        return false;
    case PROTO_BAD:
        batch->ending = SERVER_ENDING_BAD;
        batch->end = at + used;
        return false;
    case PROTO_CLOSE:
        batch->ending = SERVER_ENDING_CLOSE;
        return false;
    case PROTO_DONE:
        break;
    }
    const bool is_read = server_is_read(request);
    batch->keys[index] = server_key(request->key);
    batch->ends[index] = at + used;
    batch->kinds[index] = is_read ? SERVER_KIND_READ : SERVER_KIND_OTHER;
    batch->has_others |= !is_read;
    if (request->op == PROTO_OP_STORE) {
        if (!take_value(batch, data, size, used, 2)) {
            return false;
        }
        if (server_is_set(request) && !batch->entries[index].value_bad) {
            batch->kinds[index] = SERVER_KIND_SET;
        }
    }
    batch->count++;
    if (request->op == PROTO_OP_GET && request->keys_continue) {
        batch->ending = SERVER_ENDING_KEYS;
        return false;
    }
    return true;
}

/* Fill the batch from the input. */
static void parse_batch(struct server_batch *batch, const char *data, size_t size)
{
    size_t at = 0;
    while (at < size && batch->count < BASE_BATCH_MAX) {
        if (parse_reads(batch, data, size, at) == at && !parse_one(batch, data, size, at)) {
            return;
        }
        at = batch->ends[batch->count - 1];
    }
}

/* ---- execute ---- */

static void begin_close(struct server_conn *conn)
{
    conn->state = SERVER_CONN_CLOSING;
    net_stream_close(&conn->stream, true);
}

/* `quit`: what is owed is sent first, however slowly its client reads. */
static void hang_up(struct server_conn *conn)
{
    net_stream_settle(&conn->stream);
    if (net_stream_unsent(&conn->stream) == 0) {
        begin_close(conn);
        return;
    }
    /* An end of file like the client's own: the loop closes when all is sent. */
    conn->state = SERVER_CONN_CLOSING;
    (void)shutdown(conn->stream.fd, SHUT_RD);
}

static void begin_swallow(struct server_conn *conn, uint64_t size)
{
    if (size > 0) {
        conn->swallow_size = size;
        conn->state = SERVER_CONN_SWALLOW;
    }
}

struct proto_request *server_batch_request(struct server_batch *batch, uint32_t index)
{
    struct proto_request *request = &batch->entries[index].request;
    const struct base_slice bytes = server_batch_bytes(batch, index);
    struct proto_binary_refusal refusal;
    enum proto_error error;
    uint64_t swallow;
    size_t used;
    const enum proto_parse parse = (uint8_t)bytes.data[0] == PROTO_BINARY_REQUEST_MAGIC
                                       ? proto_binary_parse(bytes, request, &used, &refusal)
                                       : proto_text_parse(bytes, request, &used, &error, &swallow);
    CHECK(parse == PROTO_DONE);
    return request;
}

static enum server_done run_one(struct server_conn *conn, struct server_batch *batch,
                                uint32_t index)
{
    struct server_entry *entry = &batch->entries[index];
    struct server_call call = {
        .conn = conn,
        .worker = conn->worker,
        .request = &entry->request,
        .key = batch->keys[index],
    };
    if (batch->kinds[index] >= SERVER_KIND_GET) {
        (void)server_batch_request(batch, index);
        /* The rest of its run is run later. */
        server_batch_begin_run(batch, batch->kinds[index], index + 1,
                               index + batch->run_counts[index]);
    }
    if (server_has_value(&entry->request)) {
        if (entry->value_bad) {
            SERVER_COUNT(conn->worker, bad_data_chunk);
            return server_reply_error(&call, PROTO_ERROR_BAD_DATA_CHUNK);
        }
        call.pieces = &entry->value;
        call.piece_count = 1;
    }
    return server_command_run(&call);
}

/* Between two requests. */
static void next_request(struct server_conn *conn)
{
    conn->state = BASE_UNLIKELY(conn->limited) ? server_auth_between(conn) : SERVER_CONN_COMMAND;
}

/* The request in the last entry waits for its data block. Returns bytes consumed. */
static size_t start_upload(struct server_conn *conn, struct server_batch *batch, const char *data,
                           size_t size)
{
    struct server_entry *entry = &batch->entries[batch->count - 1];
    const struct larder_key *key = &batch->keys[batch->count - 1];
    const size_t end = batch->ends[batch->count - 1];
    struct server_call call = {
        .conn = conn, .worker = conn->worker, .request = &entry->request, .key = *key};
    enum server_done refused;
    if (BASE_UNLIKELY(conn->limited) && !server_auth_allows(&call, &refused)) {
        if (refused == SERVER_HANGUP) {
            hang_up(conn);
            return size;
        }
        begin_swallow(conn, entry->request.value_size + server_tail_size(&entry->request));
        return end;
    }
    if (server_item_too_large(conn->worker->server, entry->request.key.size,
                              entry->request.client_flags, entry->request.value_size)) {
        if (server_refuse_store(&call, PROTO_ERROR_TOO_LARGE) != SERVER_DONE) {
            begin_close(conn);
            return size;
        }
        begin_swallow(conn, entry->request.value_size + server_tail_size(&entry->request));
        return end;
    }
    if (!server_upload_start(conn, &entry->request, key, data + end, size - end)) {
        if (server_refuse_store(&call, PROTO_ERROR_NO_MEMORY_STORING) != SERVER_DONE) {
            begin_close(conn);
            return size;
        }
        begin_swallow(conn, entry->request.value_size + server_tail_size(&entry->request));
        return end;
    }
    return size;
}

/* The request in the last entry has more keys than the buffer: remember it. Returns success. */
static bool start_keys(struct server_conn *conn, const struct proto_request *request)
{
    conn->line = malloc(sizeof(*conn->line));
    if (conn->line == NULL) {
        return false;
    }
    proto_request_keep(conn->line, request);
    conn->state = SERVER_CONN_KEYS;
    return true;
}

/* A packet that is no request, in the entry behind the last. Returns bytes consumed. */
static size_t run_refused(struct server_conn *conn, struct server_batch *batch, size_t size)
{
    struct server_call call = {
        .conn = conn, .worker = conn->worker, .request = &batch->entries[batch->count].request};
    const bool is_login = batch->error == PROTO_ERROR_TOO_LARGE; /* of too many bytes */
    if (BASE_UNLIKELY(conn->limited) && server_auth_is_stranger(conn) && !is_login) {
        (void)server_reply_error(&call, PROTO_ERROR_UNAUTHENTICATED); /* all that it may know */
        hang_up(conn);
        return size;
    }
    if (server_reply_error(&call, batch->error) != SERVER_DONE || batch->closes) {
        SERVER_COUNT(conn->worker, conn_cut_line);
        conn->cut_off = true;
        hang_up(conn);
        return size;
    }
    begin_swallow(conn, batch->swallow);
    return batch->end;
}

/* What the batch ended with, once all before it is answered. Returns bytes consumed. */
static size_t run_ending(struct server_conn *conn, struct server_batch *batch, const char *data,
                         size_t size, size_t done)
{
    switch (batch->ending) {
    case SERVER_ENDING_VALUE:
        conn->waits_for_value = true;
        return done;
    case SERVER_ENDING_FULL:
    case SERVER_ENDING_MORE:
        return done;
    case SERVER_ENDING_BAD:
        conn->keys_done = 0; /* of a line that grew since its first keys were answered */
        if (server_reply_bad_line(conn, batch->error) != SERVER_DONE) {
            begin_close(conn);
            return size;
        }
        begin_swallow(conn, batch->swallow);
        if (batch->entries[batch->count].request.keys_continue &&
            !start_keys(conn, &batch->entries[batch->count].request)) {
            begin_close(conn);
            return size;
        }
        return batch->end;
    case SERVER_ENDING_REFUSED:
        return run_refused(conn, batch, size);
    case SERVER_ENDING_CLOSE:
        SERVER_COUNT(conn->worker, conn_cut_line);
        conn->cut_off = true;
        begin_close(conn);
        return size;
    case SERVER_ENDING_UPLOAD:
        if (conn->detached) {
            return done; /* no more of it will come */
        }
        return start_upload(conn, batch, data, size);
    case SERVER_ENDING_KEYS:
        if (!start_keys(conn, &batch->entries[batch->count - 1].request)) {
            SERVER_COUNT(conn->worker, conn_no_memory);
            begin_close(conn);
            return size;
        }
        return done;
    }
    NEVER("every ending has its case");
}

/* The next of the batch's requests: one, or a run of its kind. *ret_count: how many were run. */
static enum server_done run_some(struct server_conn *conn, struct server_batch *batch,
                                 uint32_t first, uint32_t count_max, uint32_t *ret_count)
{
    if (BASE_UNLIKELY(conn->limited)) { /* each at the gate */
        *ret_count = 1;
        return run_one(conn, batch, first);
    }
    if (batch->kinds[first] == SERVER_KIND_SET) {
        if (server_sets_together(conn)) {
            const enum server_done done = server_cmd_sets(conn, batch, first, count_max, ret_count);
            if (*ret_count > 0) {
                return done;
            }
        }
    } else if (batch->kinds[first] != SERVER_KIND_OTHER && server_reads_together(conn)) {
        return server_cmd_reads(conn, batch, first, count_max, ret_count);
    }
    *ret_count = 1;
    return run_one(conn, batch, first);
}

/* Parse, prefetch, answer. Returns bytes consumed; 0 when there is no whole request. */
static size_t run_batch(struct server_conn *conn, const char *data, size_t size)
{
    struct server_worker *worker = conn->worker;
    struct server_batch *batch = worker->batch;
    batch->data = data;
    batch->count = 0;
    batch->has_others = false;
    batch->ending = SERVER_ENDING_FULL;
    if (BASE_UNLIKELY(conn->protocol == SERVER_PROTOCOL_AUTO)) { /* its first byte */
        conn->protocol = (uint8_t)data[0] == PROTO_BINARY_REQUEST_MAGIC ? SERVER_PROTOCOL_BINARY
                                                                        : SERVER_PROTOCOL_ASCII;
    }
    if (conn->protocol == SERVER_PROTOCOL_BINARY) {
        server_binary_parse_batch(batch, data, size);
    } else {
        parse_batch(batch, data, size);
    }
    if (batch->count > 1 && batch->has_others) {
        /* Reads that are looked up together bring their memory in by themselves. */
        server_ops(worker)->prefetch(worker->engine_thread, batch->keys, batch->count);
    }
    uint32_t run_count = batch->count - (batch->ending == SERVER_ENDING_UPLOAD ? 1 : 0);
    size_t done = 0;
    for (uint32_t i = 0, count = 1; i < run_count; i += count) {
        switch (run_some(conn, batch, i, run_count - i, &count)) {
        case SERVER_DONE:
            break;
        case SERVER_PARK:
            return done; /* run again from its first byte */
        case SERVER_HANGUP:
            hang_up(conn);
            return size;
        }
        done = batch->ends[i + count - 1];
        if (conn->state != SERVER_CONN_COMMAND ||
            net_stream_unsent(&conn->stream) > SERVER_OUTPUT_MAX) {
            return done; /* taken over by a handler, or more than the client takes: later */
        }
    }
    return run_ending(conn, batch, data, size, done);
}

/* More keys of a long line. */
static size_t run_keys(struct server_conn *conn, const char *data, size_t size)
{
    size_t used = 0;
    enum proto_error error;
    struct proto_request *line = conn->line;
    const bool continued = line->keys_continued;
    const bool refused = line->keys_refused;
    struct server_call call = {.conn = conn, .worker = conn->worker, .request = line};
    enum server_done done = SERVER_DONE;
    switch (proto_text_parse_keys((struct base_slice){data, size}, line, &used, &error)) {
    case PROTO_MORE:
        return 0;
    case PROTO_CLOSE:
        done = SERVER_HANGUP;
        break;
    case PROTO_BAD:
        conn->keys_done = 0; /* what came meanwhile spoiled the line */
        done = server_reply_bad_line(conn, error);
        break;
    case PROTO_DONE:
        done = server_command_run(&call);
        break;
    }
    if (done == SERVER_PARK) {
        line->keys_continue = true; /* these bytes are parsed again */
        line->keys_continued = continued;
        line->keys_refused = refused;
        return 0;
    }
    if (done == SERVER_HANGUP) {
        begin_close(conn);
        return size;
    }
    if (!line->keys_continue) {
        free(conn->line);
        conn->line = NULL;
        next_request(conn);
    }
    return used;
}

static size_t run_swallow(struct server_conn *conn, size_t size)
{
    size_t used = conn->swallow_size < size ? (size_t)conn->swallow_size : size;
    conn->swallow_size -= used;
    if (conn->swallow_size == 0) {
        next_request(conn);
    }
    return used;
}

size_t server_conn_step(struct server_conn *conn, char *data, size_t size)
{
    switch (conn->state) {
    case SERVER_CONN_LOGIN:
        if (server_auth_speaks_text(conn, data[0])) {
            return server_auth_input(conn, data, size);
        }
        conn->state = SERVER_CONN_COMMAND; /* SASL: nothing else is run before it */
        return run_batch(conn, data, size);
    case SERVER_CONN_COMMAND:
        return run_batch(conn, data, size);
    case SERVER_CONN_KEYS:
        return run_keys(conn, data, size);
    case SERVER_CONN_TAIL:
        return server_upload_tail(conn, data, size);
    case SERVER_CONN_SWALLOW:
        return run_swallow(conn, size);
    case SERVER_CONN_STREAM:
        return server_dump_input(conn, size);
    case SERVER_CONN_CLOSING:
        return size;
    case SERVER_CONN_VALUE:
    case SERVER_CONN_PARKED:
        return 0;
    }
    NEVER("every state has its step");
}

/*
 * Is it the others' turn? Some requests are long (an append copies the value), so time counts,
 * not requests. The clock is only read when one batch is over and more is there.
 */
static bool yields(struct server_conn *conn, uint64_t *since_ns)
{
    const uint64_t now_ns = base_clock_monotonic_ns();
    if (*since_ns == 0) {
        *since_ns = now_ns;
    }
    if (now_ns - *since_ns < YIELD_AFTER_NS ||
        (conn->state != SERVER_CONN_COMMAND && conn->state != SERVER_CONN_LOGIN &&
         conn->state != SERVER_CONN_KEYS)) {
        return false;
    }
    SERVER_COUNT(conn->worker, conn_yields);
    net_stream_pause(&conn->stream); /* the rest of the input comes again */
    net_stream_resume(&conn->stream);
    return true;
}

static size_t on_data(struct net_stream *stream, char *data, size_t size)
{
    struct server_conn *conn = conn_of(stream);
    uint64_t since_ns = 0;
    size_t used = 0;
    conn->last_command_s = server_now_s(conn->worker);
    conn->waits_for_value = false;
    while (used < size) {
        const size_t taken = server_conn_step(conn, data + used, size - used);
        used += taken;
        if (taken == 0 || net_stream_unsent(stream) > SERVER_OUTPUT_MAX ||
            (used < size && yields(conn, &since_ns))) {
            break; /* the loop calls again when more has come, or the output has drained */
        }
    }
    return used;
}

static void on_received(struct net_stream *stream)
{
    struct server_conn *conn = conn_of(stream);
    conn->last_command_s = server_now_s(conn->worker);
    server_upload_received(conn);
}

static void on_drained(struct net_stream *stream)
{
    struct server_conn *conn = conn_of(stream);
    if (conn->state == SERVER_CONN_STREAM) {
        server_dump_continue(conn);
        server_watch_drained(conn);
    }
}

/* ---- life ---- */

/* Who it is, for the log; the rest is counted by the loop. */
static void on_secured(struct net_stream *stream)
{
    const struct server_conn *conn = conn_of(stream);
    const char *subject = net_stream_tls_subject(stream);
    base_log(BASE_LOG_DEBUG, "connection %llu: %s, certificate of the client: %s",
             (unsigned long long)conn->id, net_stream_tls_version(stream),
             subject == NULL ? "none" : subject);
}

static void tls_failed(const struct server_conn *conn)
{
    char why[NET_TLS_WHY_MAX];
    (void)net_stream_tls_error(&conn->stream, why);
    base_log(BASE_LOG_NOTICE, "connection %llu: TLS: %s", (unsigned long long)conn->id, why);
    if (server_watched(conn->worker->server, SERVER_WATCH_CONNEVENTS)) {
        server_watch_tls_error(conn, why);
    }
}

static void on_close(struct net_stream *stream, enum net_close_reason reason, int error)
{
    struct server_conn *conn = conn_of(stream);
    struct server_worker *worker = conn->worker;
    struct server *server = worker->server;
    if (error != 0 && error != ECONNRESET && error != EPIPE) {
        base_log(BASE_LOG_NOTICE, "connection %llu: closed: %s", (unsigned long long)conn->id,
                 strerrordesc_np(error));
    }
    if (reason == NET_CLOSE_TLS) {
        tls_failed(conn);
    }
    if (reason == NET_CLOSE_NO_MEMORY) {
        SERVER_COUNT(worker, conn_no_memory);
    }
    if (server_watched(server, SERVER_WATCH_CONNEVENTS)) {
        server_watch_conn_closed(conn, reason);
    }
    server_watch_remove(conn);
    server_upload_drop(conn);
    server_parked_drop(conn);
    server_dump_drop(conn);
    server_auth_close_conn(conn);
    free(conn->line);
    if (conn->prev != NULL) {
        conn->prev->next = conn->next;
    } else {
        worker->conns = conn->next;
    }
    if (conn->next != NULL) {
        conn->next->prev = conn->prev;
    }
    server_worker_uncount(worker, conn->listener);
    conn->magic = 0;
    free(conn);
}

static const struct net_stream_handler handler = {
    .on_data = on_data,
    .on_received = on_received,
    .on_drained = on_drained,
    .on_secured = on_secured,
    .on_close = on_close,
};

static int open_stream(struct server_conn *conn, int fd)
{
    const struct server *server = conn->worker->server;
    const enum server_listener_tls mode = conn->listener->tls;
    struct net_loop *loop = conn->worker->loop;
    if (mode == SERVER_LISTENER_PLAIN) {
        return net_stream_open(loop, &conn->stream, fd, &handler);
    }
    struct net_tls *tls = server_tls_get(server->tls);
    int result = net_stream_open_tls(loop, &conn->stream, fd, &handler, tls,
                                     server_tls_verify(server->config, mode));
    net_tls_put(&tls);
    return result;
}

int server_conn_open(struct server_worker *worker, const struct server_listener *from, int fd,
                     const struct net_address *peer)
{
    struct server_conn *conn = calloc(1, sizeof(*conn));
    if (conn == NULL) {
        close(fd);
        return -ENOMEM;
    }
    conn->magic = SERVER_CONN_MAGIC;
    conn->worker = worker;
    conn->listener = from;
    /* Administrators choose themselves. */
    conn->protocol = from->is_admin       ? SERVER_PROTOCOL_AUTO
                     : from->has_protocol ? from->protocol
                                          : worker->server->config->protocol;
    conn->peer = *peer;
    conn->id = atomic_fetch_add_explicit(&worker->server->conn_ids, 1, memory_order_relaxed) + 1;
    conn->last_command_s = server_now_s(worker);
    conn->closed_fd = fd;
    net_sock_tune(fd);
    int result = server_auth_open_conn(conn);
    if (result == 0) {
        result = open_stream(conn, fd);
    }
    if (result != 0) {
        server_auth_close_conn(conn);
        close(fd);
        free(conn);
        return result;
    }
    conn->next = worker->conns;
    if (conn->next != NULL) {
        conn->next->prev = conn;
    }
    worker->conns = conn;
    SERVER_COUNT(worker, conn_total);
    if (server_watched(worker->server, SERVER_WATCH_CONNEVENTS)) {
        server_watch_conn_opened(conn);
    }
    return 0;
}

void server_conn_close_all(struct server_worker *worker)
{
    for (struct server_conn *conn = worker->conns, *next; conn != NULL; conn = next) {
        next = conn->next;
        begin_close(conn);
    }
}

void server_conn_kick_idle(struct server_worker *worker)
{
    uint32_t timeout_s = worker->server->config->idle_timeout_s;
    if (timeout_s == 0) {
        return;
    }
    for (struct server_conn *conn = worker->conns, *next; conn != NULL; conn = next) {
        next = conn->next;
        /* As in memcached: one that is sending a value, or reading its answers, is not idle. */
        bool waits = (conn->state == SERVER_CONN_COMMAND || conn->state == SERVER_CONN_LOGIN ||
                      conn->state == SERVER_CONN_KEYS) &&
                     net_stream_unsent(&conn->stream) == 0;
        if (waits && server_now_s(worker) - conn->last_command_s > timeout_s) {
            SERVER_COUNT(worker, idle_kicks);
            conn->idle_kicked = true;
            begin_close(conn);
        }
    }
}

void server_conn_yield_references(struct server_conn *conn)
{
    struct server_worker *worker = conn->worker;
    net_stream_settle(&conn->stream); /* one of a datagram is in no list */
    for (struct server_conn *each = worker->conns; each != NULL; each = each->next) {
        net_stream_settle(
            &each->stream); /* sends or copies what was lent; mostly there is nothing */
    }
    server_ops(worker)->thread_end(worker->engine_thread);
    server_ops(worker)->thread_begin(worker->engine_thread, worker->now_s);
}

const char *server_conn_state_name(const struct server_conn *conn)
{
    switch (conn->state) {
    case SERVER_CONN_COMMAND:
    case SERVER_CONN_LOGIN:
    case SERVER_CONN_KEYS:
        if (conn->waits_for_value) {
            return "conn_nread";
        }
        return conn->stream.input != NULL ? "conn_waiting" : "conn_read";
    case SERVER_CONN_VALUE:
    case SERVER_CONN_TAIL:
        return "conn_nread";
    case SERVER_CONN_SWALLOW:
        return "conn_swallow";
    case SERVER_CONN_PARKED:
        return "conn_io_pending";
    case SERVER_CONN_STREAM:
        return conn->watcher != NULL ? "conn_watch" : "conn_mwrite";
    case SERVER_CONN_CLOSING:
        return "conn_closing";
    }
    NEVER("every state has a name");
}

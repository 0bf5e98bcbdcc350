/* SPDX-License-Identifier: BSD-3-Clause */
/* See upload.h. On the connection's worker. */
#include "server/upload.h"

#include <stdlib.h>

#include "base/copy.h"
#include "server/command.h"

enum { BUFFERED_SHARE = 16 }; /* of -m, for values that no room was had for */

struct server_upload {
    struct proto_request request; /* keeps its own key */
    struct larder_key key;        /* borrows from request */
    struct larder_room room;      /* where the value goes, when `in_room` */
    bool in_room;
    struct base_block *blocks; /* where it goes otherwise, in order */
    struct base_block *last;
    uint32_t block_count;
    uint64_t buffered_size; /* bytes counted for it in the worker's */
    uint64_t rest;          /* bytes of the value still to come */
    size_t expected;        /* of those, asked of the loop now */
    char tail[2];
    uint32_t tail_size;
};

/* The next block to receive into. */
static bool add_block(struct server_conn *conn)
{
    struct server_upload *upload = conn->upload;
    struct base_block *block = base_block_take(net_loop_pool(conn->worker->loop));
    if (block == NULL) {
        return false;
    }
    if (upload->last != NULL) {
        upload->last->next = block;
    } else {
        upload->blocks = block;
    }
    upload->last = block;
    upload->block_count++;
    return true;
}

/* Where the next bytes of the value go, and how many may. 0: no memory. */
static size_t next_target(struct server_conn *conn, char **ret_to)
{
    struct server_upload *upload = conn->upload;
    if (upload->in_room) {
        *ret_to = upload->room.value + (upload->room.value_size - upload->rest);
        return (size_t)upload->rest;
    }
    if (upload->last == NULL || upload->last->end == BASE_BLOCK_ROOM) {
        if (!add_block(conn)) {
            return 0;
        }
    }
    size_t room = BASE_BLOCK_ROOM - upload->last->end;
    *ret_to = upload->last->data + upload->last->end;
    return upload->rest < room ? (size_t)upload->rest : room;
}

static void took(struct server_upload *upload, size_t size)
{
    upload->rest -= size;
    if (!upload->in_room) {
        upload->last->end += (uint32_t)size;
    }
}

/* Ask the loop for the rest, or for the two bytes behind it. */
static void go_on(struct server_conn *conn)
{
    struct server_upload *upload = conn->upload;
    if (upload->rest == 0) {
        conn->state = SERVER_CONN_TAIL;
        return;
    }
    char *to;
    size_t size = next_target(conn, &to);
    if (size == 0) {
        SERVER_COUNT(conn->worker, conn_no_memory);
        conn->state = SERVER_CONN_CLOSING;
        net_stream_close(&conn->stream, true);
        return;
    }
    upload->expected = size;
    conn->state = SERVER_CONN_VALUE;
    net_stream_receive(&conn->stream, to, size);
}

/*
 * Values in blocks lie outside the engine's -m, so all of a worker's together have a bound: a
 * sixteenth of it, but always one value.
 */
static bool may_buffer(const struct server_worker *worker, uint64_t size)
{
    const struct server *server = worker->server;
    uint64_t bound = atomic_load_explicit(&server->memory_size, memory_order_relaxed) /
                     (BUFFERED_SHARE * (uint64_t)server->worker_count);
    return worker->buffered_size == 0 || worker->buffered_size + size <= bound;
}

bool server_upload_start(struct server_conn *conn, const struct proto_request *request,
                         const struct larder_key *key, const char *data, size_t size)
{
    struct server_worker *worker = conn->worker;
    const struct larder_engine_ops *ops = server_ops(worker);
    struct server_upload *upload = calloc(1, sizeof(*upload));
    if (upload == NULL) {
        return false;
    }
    proto_request_keep(&upload->request, request);
    upload->key = *key;
    upload->key.data = upload->request.key.data;
    upload->rest = request->value_size;
    if (server_tail_size(request) == 0) { /* as if it had come already */
        memcpy(upload->tail, "\r\n", 2);
        upload->tail_size = 2;
    }
    conn->upload = upload;
    if ((ops->capabilities & LARDER_CAP_RESERVE) != 0) {
        upload->in_room = ops->reserve(worker->engine_thread, &upload->key, request->value_size,
                                       &upload->room) == LARDER_OK;
    }
    if (!upload->in_room) {
        SERVER_COUNT(worker, room_refused);
        if (!may_buffer(worker, request->value_size)) {
            SERVER_COUNT(worker, upload_refused);
            server_upload_drop(conn);
            return false;
        }
        upload->buffered_size = request->value_size;
        worker->buffered_size += upload->buffered_size;
    }
    while (size > 0 && upload->rest > 0) {
        char *to;
        size_t step = next_target(conn, &to);
        if (step == 0) {
            server_upload_drop(conn);
            return false;
        }
        if (step > size) {
            step = size;
        }
        base_copy_past(to, data, step);
        took(upload, step);
        data += step;
        size -= step;
    }
    CHECK(upload->tail_size + size < 2 || size == 0); /* else the whole block had been there */
    memcpy(upload->tail + upload->tail_size, data, size);
    upload->tail_size += (uint32_t)size;
    go_on(conn);
    return true;
}

void server_upload_received(struct server_conn *conn)
{
    CHECK(conn->upload != NULL && conn->state == SERVER_CONN_VALUE);
    took(conn->upload, conn->upload->expected);
    go_on(conn);
    if (conn->state == SERVER_CONN_TAIL && conn->upload->tail_size == 2) {
        (void)server_upload_tail(conn, NULL, 0);
    }
}

/* The blocks as pieces of one value; none when it is empty. NULL: no memory. */
static struct larder_piece *pieces_of(const struct server_upload *upload)
{
    struct larder_piece *pieces = calloc(upload->block_count + 1, sizeof(*pieces));
    uint32_t count = 0;
    if (pieces == NULL) {
        return NULL;
    }
    for (const struct base_block *block = upload->blocks; block != NULL; block = block->next) {
        pieces[count++] = (struct larder_piece){block->data, block->end};
    }
    CHECK(count == upload->block_count);
    return pieces;
}

static enum server_done run(struct server_conn *conn)
{
    struct server_upload *upload = conn->upload;
    struct server_call call = {
        .conn = conn,
        .worker = conn->worker,
        .request = &upload->request,
        .key = upload->key,
    };
    if (memcmp(upload->tail, "\r\n", 2) != 0) {
        SERVER_COUNT(conn->worker, bad_data_chunk);
        return server_reply_error(&call, PROTO_ERROR_BAD_DATA_CHUNK);
    }
    if (upload->in_room) {
        call.room = &upload->room;
        enum server_done done = server_command_run(&call);
        upload->in_room = done == SERVER_PARK; /* committed or abandoned, unless it waits */
        return done;
    }
    struct larder_piece *pieces = pieces_of(upload);
    if (pieces == NULL) {
        return server_reply_error(&call, PROTO_ERROR_NO_MEMORY_READ);
    }
    call.pieces = pieces;
    call.piece_count = upload->block_count;
    enum server_done done = server_command_run(&call);
    free(pieces);
    return done;
}

size_t server_upload_tail(struct server_conn *conn, const char *data, size_t size)
{
    struct server_upload *upload = conn->upload;
    size_t used = 0;
    while (upload->tail_size < 2 && used < size) {
        upload->tail[upload->tail_size++] = data[used++];
    }
    if (upload->tail_size < 2) {
        return used;
    }
    conn->state = SERVER_CONN_COMMAND;
    switch (run(conn)) {
    case SERVER_DONE:
        server_upload_drop(conn);
        break;
    case SERVER_PARK:
        break; /* on_data() comes back with the upload still there */
    case SERVER_HANGUP:
        conn->state = SERVER_CONN_CLOSING;
        net_stream_close(&conn->stream, true);
        return size;
    }
    return used;
}

void server_upload_drop(struct server_conn *conn)
{
    struct server_upload *upload = conn->upload;
    if (upload == NULL) {
        return;
    }
    conn->upload = NULL;
    if (upload->in_room) {
        server_ops(conn->worker)->abandon(conn->worker->engine_thread, &upload->room);
    }
    conn->worker->buffered_size -= upload->buffered_size;
    base_block_give_list(net_loop_pool(conn->worker->loop), &upload->blocks);
    free(upload);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See udp.h. A worker has one pseudo connection for all its datagrams: its stream has no socket,
 * its state is that of a new connection when a datagram comes, and nothing of it is left when that
 * is answered.
 *
 *   datagram -> frame (proto/udp.h) -> server_conn_step() -> the stream's output -> packets
 *
 * Nothing waits between datagrams: a request that is not whole is refused, and so is what only
 * makes sense on a connection (dumps, watch).
 */
#include "server/udp.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "net/datagram.h"
#include "proto/binary.h"
#include "proto/udp.h"
#include "server/command.h"
#include "server/conn.h"

/* A worker at one of the server's UDP sockets. */
struct place {
    struct server_udp *udp;
    const struct server_listener *from; /* borrowed */
    struct net_datagram *net;           /* NULL: not yet, or no more */
};

struct server_udp {
    struct server_conn conn;
    struct place places[SERVER_LISTENER_MAX]; /* as the server's UDP sockets */
    uint16_t request_id;                      /* of the datagram in hand */
    uint16_t packet_count;                    /* of its reply */
    _Atomic uint32_t last_s;
};

/* One datagram's request, on its way to an answer. */
struct exchange {
    struct server_udp *udp;
    struct base_slice request;
    uint64_t wire_max; /* bytes of all datagrams of the reply, their headers included */
    size_t used;       /* bytes of the request that were taken */
};

/* ---- the pseudo connection ---- */

/* As new, for the next datagram. What is unsent is dropped. */
static void renew(struct server_conn *conn)
{
    /* Who would have waited for something is not let in. */
    CHECK(conn->upload == NULL && conn->parked == NULL && conn->dump == NULL &&
          conn->watcher == NULL);
    free(conn->line);
    conn->line = NULL;
    conn->state = SERVER_CONN_COMMAND;
    conn->waits_for_value = false;
    conn->cut_off = false;
    conn->swallow_size = 0;
    conn->keys_done = 0;
    net_stream_renew(&conn->stream);
}

static void begin(struct server_udp *udp, const struct server_listener *from,
                  const struct net_address *peer)
{
    struct server_conn *conn = &udp->conn;
    conn->listener = from;
    conn->closed_fd = from->fd;
    conn->protocol = from->has_protocol ? from->protocol : conn->worker->server->config->protocol;
    conn->peer = *peer;
    conn->last_command_s = server_now_s(conn->worker);
    atomic_store_explicit(&udp->last_s, conn->last_command_s, memory_order_relaxed);
}

/*
 * Run the requests of one datagram, until there is no whole one left or more than output_max bytes
 * are to be sent. Returns the bytes consumed.
 */
static size_t feed(struct server_conn *conn, char *data, size_t size, uint64_t output_max)
{
    size_t used = 0;
    while (used < size && conn->state != SERVER_CONN_CLOSING &&
           net_stream_unsent(&conn->stream) <= output_max) {
        const size_t taken = server_conn_step(conn, data + used, size - used);
        if (taken == 0) {
            break;
        }
        used += taken;
    }
    return used;
}

/* ---- the answer ---- */

static bool fits(const struct exchange *exchange)
{
    const uint64_t size = net_stream_unsent(&exchange->udp->conn.stream);
    return size <= SERVER_OUTPUT_MAX && proto_udp_wire_size(size) <= exchange->wire_max;
}

/* `at`: where in the datagram the request is that the error is about. */
static void write_error(struct exchange *exchange, enum proto_error error, size_t at)
{
    struct server_conn *conn = &exchange->udp->conn;
    const struct base_slice rest = {exchange->request.data + at, exchange->request.size - at};
    struct proto_request request;
    struct proto_binary_refusal refusal;
    struct server_call call = {.conn = conn, .worker = conn->worker, .request = &request};
    size_t used;
    if (conn->protocol != SERVER_PROTOCOL_BINARY) {
        (void)server_reply_bad_line(conn, error);
    } else if (rest.size >= PROTO_BINARY_HEADER_SIZE) {
        /* For its header, which the answer repeats; a packet without one has no answer. */
        (void)proto_binary_parse(rest, &request, &used, &refusal);
        (void)server_reply_error(&call, error);
    }
}

/* A request whose end is not in the datagram. */
static bool is_cut(const struct exchange *exchange)
{
    const enum server_conn_state state = exchange->udp->conn.state;
    return state == SERVER_CONN_KEYS ||
           (state == SERVER_CONN_COMMAND && exchange->used < exchange->request.size);
}

/* What is to be sent is in the stream afterwards; nothing, if the client is to hear nothing. */
static void settle_answer(struct exchange *exchange)
{
    struct server_conn *conn = &exchange->udp->conn;
    struct server_worker *worker = conn->worker;
    if (net_stream_has_failed(&conn->stream)) {
        SERVER_COUNT(worker, conn_no_memory);
        net_stream_renew(&conn->stream);
        return;
    }
    if (conn->cut_off) {
        SERVER_COUNT(worker, udp_malformed);
    }
    if (fits(exchange) && is_cut(exchange)) {
        SERVER_COUNT(worker, udp_malformed);
        write_error(exchange, PROTO_ERROR_UDP_CUT, exchange->used);
    }
    if (!fits(exchange)) {
        SERVER_COUNT(worker, udp_refused);
        net_stream_renew(&conn->stream);
        write_error(exchange, PROTO_ERROR_UDP_REPLY_TOO_LARGE, 0);
    }
    if (!fits(exchange) || net_stream_has_failed(&conn->stream)) {
        net_stream_renew(&conn->stream); /* the error is too long, too: silence */
    }
}

static void write_head(void *arg, uint32_t index, char *out)
{
    const struct server_udp *udp = arg;
    proto_udp_write_frame(out, &(struct proto_udp_frame){.request_id = udp->request_id,
                                                         .sequence = (uint16_t)index,
                                                         .count = udp->packet_count});
}

static void send_answer(struct server_udp *udp, struct net_datagram *datagram,
                        const struct net_address *to)
{
    static_assert(SERVER_OUTPUT_MAX / PROTO_UDP_ROOM < UINT16_MAX, "a frame counts to 65535");
    const struct net_datagram_head head = {
        .size = PROTO_UDP_FRAME_SIZE, .write = write_head, .arg = udp};
    const uint64_t size = net_stream_unsent(&udp->conn.stream);
    if (size > 0) {
        udp->packet_count = (uint16_t)proto_udp_packet_count(size);
        SERVER_COUNT(udp->conn.worker, udp_replies);
        net_datagram_send(datagram, &udp->conn.stream, to, &head);
    }
}

/* ---- the request ---- */

/* Bytes that the reply to a datagram of `size` bytes may have. What a victim gets has headers, too. */
static uint64_t reply_max(const struct server *server, size_t size)
{
    const uint64_t factor = server->config->udp_reply_factor;
    return factor == 0 ? UINT64_MAX : factor * (size + PROTO_UDP_HEADERS_SIZE);
}

static void on_datagram(void *arg, struct net_datagram *datagram, char *data, size_t size,
                        const struct net_address *from)
{
    const struct place *place = arg;
    struct server_udp *udp = place->udp;
    struct server_worker *worker = udp->conn.worker;
    struct exchange exchange = {.udp = udp, .wire_max = reply_max(worker->server, size)};
    struct proto_udp_frame frame;
    if (!proto_udp_parse((struct base_slice){data, size}, &frame, &exchange.request)) {
        SERVER_COUNT(worker, udp_malformed);
        return;
    }
    SERVER_COUNT(worker, udp_requests);
    udp->request_id = frame.request_id;
    begin(udp, place->from, from);
    exchange.used =
        feed(&udp->conn, data + PROTO_UDP_FRAME_SIZE, exchange.request.size,
             exchange.wire_max < SERVER_OUTPUT_MAX ? exchange.wire_max : SERVER_OUTPUT_MAX);
    settle_answer(&exchange);
    send_answer(udp, datagram, from);
    renew(&udp->conn);
}

static void on_sent(void *arg, uint32_t sent_count, uint32_t lost_count)
{
    const struct place *place = arg;
    struct server_worker *worker = place->udp->conn.worker;
    SERVER_COUNT_N(worker, udp_packets, sent_count);
    SERVER_COUNT_N(worker, udp_lost, lost_count);
}

/* ---- life ---- */

int server_udp_start(struct server_worker *worker)
{
    static const struct net_datagram_handler handler = {.on_datagram = on_datagram,
                                                        .on_sent = on_sent};
    const struct server *server = worker->server;
    if (server->udp_count == 0) {
        return 0;
    }
    if (server->async) {
        base_log(BASE_LOG_ERROR,
                 "option -U: engine %s answers later, and a datagram cannot wait for it",
                 server->engine_ops->name);
        return -ENOTSUP;
    }
    struct server_udp *udp = calloc(1, sizeof(*udp));
    if (udp == NULL) {
        base_log(BASE_LOG_ERROR, "no memory for the UDP of worker %u", worker->index);
        return -ENOMEM;
    }
    worker->udp = udp;
    udp->conn =
        (struct server_conn){.magic = SERVER_CONN_MAGIC, .worker = worker, .detached = true};
    net_stream_open_detached(worker->loop, &udp->conn.stream);
    for (uint32_t i = 0; i < server->udp_count; i++) {
        struct place *place = &udp->places[i];
        *place = (struct place){.udp = udp, .from = &server->udp[i]};
        int result = net_datagram_open(worker->loop, place->from->fd, PROTO_UDP_PACKET_MAX,
                                       &handler, place, &place->net);
        if (result != 0) {
            base_log(BASE_LOG_ERROR, "cannot receive from UDP socket %d: %s", server->udp[i].fd,
                     strerrordesc_np(-result));
            return result;
        }
    }
    return 0;
}

void server_udp_stop(struct server_worker *worker)
{
    for (uint32_t i = 0; worker->udp != NULL && i < SERVER_LISTENER_MAX; i++) {
        net_datagram_close(&worker->udp->places[i].net);
    }
}

void server_udp_free(struct server_worker *worker)
{
    free(worker->udp);
    worker->udp = NULL;
}

uint32_t server_udp_last_s(const struct server_worker *worker)
{
    return worker->udp == NULL ? 0
                               : atomic_load_explicit(&worker->udp->last_s, memory_order_relaxed);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker: one thread, one loop, its connections, its counters, its engine context.
 *
 * Every worker accepts from every listening socket; whoever accepted hands the connection to the
 * worker that has the fewest. So there is no thread that everything passes through, and the load is
 * even with ten connections as with ten thousand (SO_REUSEPORT spreads by hash: with few
 * connections some workers stay idle, and UNIX and inherited sockets cannot have it).
 *
 * A turn: after_wait() opens it (time, engine), callbacks do the work, the loop sends,
 * before_wait() closes it: nothing the engine lent is in use any more.
 */
#include "server/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "proto/request.h"
#include "server/conn.h"
#include "server/parked.h"
#include "server/udp.h"

enum {
    HANDSHAKES_MIN = 16, /* under way on a worker, unless somebody asked for less */
    ADMINS_MAX = 16,     /* connections to the administrators' socket at a time */
};

/* ---- the turn ---- */

static void after_wait(void *context)
{
    struct server_worker *worker = context;
    worker->now_s = server_clock_update(worker->server);
    if (!worker->in_turn) {
        worker->in_turn = true;
        server_ops(worker)->thread_begin(worker->engine_thread, worker->now_s);
    }
}

static void before_wait(void *context)
{
    struct server_worker *worker = context;
    if (worker->in_turn) { /* a loop's first wait comes before its first turn */
        worker->in_turn = false;
        server_ops(worker)->thread_end(worker->engine_thread);
    }
}

static void on_tick(void *context)
{
    struct server_worker *worker = context;
    const struct base_block_pool *pool = net_loop_pool(worker->loop);
    /* A pool is its thread's alone: `stats` sees what it was a moment ago. */
    atomic_store_explicit(&worker->blocks_used, pool->used_count, memory_order_relaxed);
    atomic_store_explicit(&worker->blocks_idle, pool->idle_count, memory_order_relaxed);
    server_conn_kick_idle(worker);
}

/* ---- accept ---- */

/* A connection on its way to the worker that will own it. */
struct handover {
    struct server_worker *to;
    const struct server_listener *from;
    int fd;
    struct net_address peer;
};

void server_worker_uncount(struct server_worker *worker, const struct server_listener *from)
{
    struct server *server = worker->server;
    atomic_fetch_sub_explicit(&worker->conn_count, 1, memory_order_relaxed);
    if (from->is_admin) {
        atomic_fetch_sub_explicit(&server->admin_count, 1, memory_order_relaxed);
        return;
    }
    atomic_fetch_sub_explicit(&server->conn_count, 1, memory_order_relaxed);
    server_accept_resume(server);
}

static void open_conn(struct server_worker *worker, const struct server_listener *from, int fd,
                      const struct net_address *peer)
{
    int result = server_conn_open(worker, from, fd, peer);
    if (result != 0) {
        base_log(BASE_LOG_NOTICE, "cannot take a connection: %s", strerrordesc_np(-result));
        server_worker_uncount(worker, from);
    }
}

static void receive_handover(void *arg)
{
    struct handover *handover = arg;
    open_conn(handover->to, handover->from, handover->fd, &handover->peer);
    free(handover);
}

static struct server_worker *least_loaded(struct server_worker *self)
{
    struct server *server = self->server;
    struct server_worker *best = self;
    uint32_t best_count = atomic_load_explicit(&self->conn_count, memory_order_relaxed);
    for (uint32_t i = 0; i < server->worker_count; i++) {
        uint32_t count = atomic_load_explicit(&server->workers[i].conn_count, memory_order_relaxed);
        if (count < best_count) {
            best = &server->workers[i];
            best_count = count;
        }
    }
    return best;
}

/* admins: their socket, too, which the limit is none of. */
static void set_accepting(struct server_worker *worker, bool on, bool admins)
{
    for (uint32_t i = 0; i < SERVER_LISTENER_MAX && worker->accepting[i].net != NULL; i++) {
        if (worker->accepting[i].from->is_admin && !admins) {
            continue;
        }
        if (on) {
            net_listener_resume(worker->accepting[i].net);
        } else {
            net_listener_pause(worker->accepting[i].net);
        }
    }
}

/* Say why, and hang up. */
static void reject(const struct server_listener *from, int fd, enum proto_error error)
{
    struct base_slice line = proto_error_line(error);
    if (from->tls == SERVER_LISTENER_PLAIN) { /* others would have to shake hands first */
        (void)!write(fd, line.data, line.size);
    }
    close(fd);
}

/* To the worker that has the fewest connections; it has been counted there. */
static void hand_over(struct server_worker *worker, struct server_worker *to,
                      const struct server_listener *from, int fd, const struct net_address *peer)
{
    if (to == worker) {
        open_conn(worker, from, fd, peer);
        return;
    }
    struct handover *handover = malloc(sizeof(*handover));
    if (handover != NULL) {
        *handover = (struct handover){.to = to, .from = from, .fd = fd, .peer = *peer};
        if (net_loop_post(to->loop, receive_handover, handover) == 0) {
            return;
        }
        free(handover);
    }
    base_log(BASE_LOG_NOTICE, "cannot hand a connection over: out of memory");
    close(fd);
    server_worker_uncount(to, from);
}

/* Whoever may use the socket by its mode, and nobody whom its owner let in by changing that. */
static bool is_admin(int fd)
{
    struct ucred other;
    socklen_t size = sizeof(other);
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &other, &size) == 0 &&
           (other.uid == 0 || other.uid == geteuid());
}

static void accept_admin(struct server_worker *worker, const struct server_listener *from, int fd,
                         const struct net_address *peer)
{
    struct server *server = worker->server;
    if (!is_admin(fd)) {
        SERVER_COUNT(worker, admin_rejected);
        reject(from, fd, PROTO_ERROR_NOT_ADMIN);
        return;
    }
    if (atomic_fetch_add_explicit(&server->admin_count, 1, memory_order_relaxed) >= ADMINS_MAX) {
        atomic_fetch_sub_explicit(&server->admin_count, 1, memory_order_relaxed);
        SERVER_COUNT(worker, admin_rejected);
        reject(from, fd, PROTO_ERROR_TOO_MANY_ADMINS);
        return;
    }
    struct server_worker *to = least_loaded(worker);
    atomic_fetch_add_explicit(&to->conn_count, 1, memory_order_relaxed);
    hand_over(worker, to, from, fd, peer);
}

static void on_accept(void *arg, int fd, const struct net_address *peer)
{
    const struct server_accepting *accepting = arg;
    struct server_worker *worker = accepting->worker;
    struct server *server = worker->server;
    const bool fast = server->config->connections_fast;
    if (accepting->from->is_admin) {
        accept_admin(worker, accepting->from, fd, peer);
        return;
    }
    uint32_t open_count = atomic_fetch_add_explicit(&server->conn_count, 1, memory_order_relaxed);
    if (open_count >= server->conn_max && fast) {
        atomic_fetch_sub_explicit(&server->conn_count, 1, memory_order_relaxed);
        SERVER_COUNT(worker, conn_rejected);
        reject(accepting->from, fd, PROTO_ERROR_TOO_MANY_CONNECTIONS);
        return;
    }
    struct server_worker *to = least_loaded(worker);
    atomic_fetch_add_explicit(&to->conn_count, 1, memory_order_relaxed);
    if (open_count + 1 >= server->conn_max && !fast) {
        /* At once here; what other workers accept before they hear of it is served, too. */
        set_accepting(worker, false, false);
        server_accept_pause(server);
    }
    hand_over(worker, to, accepting->from, fd, peer);
}

int server_worker_listen(struct server_worker *worker)
{
    struct server *server = worker->server;
    for (uint32_t i = 0; i < server->listener_count; i++) {
        struct server_accepting *accepting = &worker->accepting[i];
        accepting->worker = worker;
        accepting->from = &server->listeners[i];
        int result = net_loop_listen(worker->loop, accepting->from->fd, on_accept, accepting,
                                     &accepting->net);
        if (result != 0) {
            base_log(BASE_LOG_ERROR, "cannot accept on socket %d: %s", accepting->from->fd,
                     strerrordesc_np(-result));
            return result;
        }
    }
    return server_udp_start(worker);
}

/* On the worker: as the limit says now, not when this was posted; posts of two workers may cross. */
static void obey_limit(void *arg)
{
    struct server_worker *worker = arg;
    set_accepting(worker, !atomic_load(&worker->server->accept_paused), false);
}

void server_worker_obey_limit(struct server_worker *worker)
{
    if (net_loop_post(worker->loop, obey_limit, worker) != 0) {
        base_log(BASE_LOG_ERROR, "no memory to change accepting of worker %u", worker->index);
    }
}

/* ---- life ---- */

/* This worker's share of the hand-shakes that may be under way. */
static uint32_t handshake_max(const struct server *server)
{
    const uint32_t workers = server->config->worker_count;
    const uint32_t given = server->config->tls_handshake_max;
    const uint32_t share = (given > 0 ? given : server->conn_max / 4) / workers;
    const uint32_t least = given > 0 ? 1 : HANDSHAKES_MIN;
    return share > least ? share : least;
}

int server_worker_init(struct server_worker *worker, struct server *server, uint32_t index)
{
    worker->magic = SERVER_WORKER_MAGIC;
    worker->server = server;
    worker->index = index;
    worker->batch = server_batch_create();
    if (worker->batch == NULL) {
        base_log(BASE_LOG_ERROR, "no memory for worker %u", index);
        return -ENOMEM;
    }
    struct net_loop_config loop = {
        .kind = server->config->loop,
        .output_max = SERVER_OUTPUT_MAX,
        .receive_size = SERVER_RECEIVE_SIZE,
        .handshake_timeout_ms = server->config->tls_handshake_timeout_s * 1000,
        .handshake_max = handshake_max(server),
        .callbacks = {.after_wait = after_wait, .before_wait = before_wait, .on_tick = on_tick},
        .context = worker,
    };
    int result = net_loop_create(&loop, &worker->loop);
    if (result != 0) {
        base_log(BASE_LOG_ERROR, "cannot make the event loop of worker %u: %s", index,
                 strerrordesc_np(-result));
        return result;
    }
    if (server_ops(worker)->thread_attach(server->engine, index, &worker->engine_thread) !=
        LARDER_OK) {
        base_log(BASE_LOG_ERROR, "engine %s: cannot attach worker %u", server->engine_ops->name,
                 index);
        return -ENOMEM;
    }
    return 0;
}

void server_worker_fini(struct server_worker *worker)
{
    if (worker->engine_thread != NULL) {
        after_wait(worker); /* closing gives reservations back to the engine: that takes a turn */
    }
    for (uint32_t i = 0; i < SERVER_LISTENER_MAX; i++) {
        net_listener_close(&worker->accepting[i].net);
    }
    server_udp_stop(worker);
    server_conn_close_all(worker); /* nobody asks the engine for anything any more */
    server_parked_wait(worker);
    struct net_loop *loop = worker->loop;
    net_loop_destroy(&loop); /* on_close() still finds the loop's pool through the worker */
    worker->loop = NULL;
    server_udp_free(worker);
    if (worker->engine_thread != NULL) {
        before_wait(worker);
        server_ops(worker)->thread_detach(&worker->engine_thread);
    }
    free(worker->batch);
    worker->batch = NULL;
    worker->magic = 0;
}

void *server_worker_main(void *arg)
{
    struct server_worker *worker = arg;
    CHECK_OBJ(worker, SERVER_WORKER_MAGIC);
    if (server_all_started(worker->server)) {
        net_loop_run(worker->loop);
    }
    return NULL;
}

/* On the worker: no new clients; what is owed is sent; then the loop ends. */
static void stop_gracefully(void *arg)
{
    struct server_worker *worker = arg;
    set_accepting(worker, false, true);
    server_udp_stop(worker);
    server_conn_close_all(worker);
    net_loop_stop(worker->loop);
}

void server_worker_stop(struct server_worker *worker, bool graceful)
{
    if (!graceful || net_loop_post(worker->loop, stop_gracefully, worker) != 0) {
        net_loop_stop(worker->loop);
    }
}

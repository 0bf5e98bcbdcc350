/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of src/server share: the server, a worker, a connection, a call.
 *
 *   server ──┬── worker 0 ── loop, engine thread, counters, connections   (one thread each)
 *            ├── worker 1 ...
 *            ├── upkeep: the engine's tick(), a thread of its own
 *            └── engine, clock, config: shared, read-only or synchronised by themselves
 *
 * A connection lives and dies on one worker; nothing of it is seen by another thread, except
 * through net_loop_post(). Counters are written by their worker and read, relaxed, by anybody.
 */
#ifndef LARDER_SERVER_SERVER_PRIV_H
#define LARDER_SERVER_SERVER_PRIV_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <larder/engine.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/slice.h"
#include "engine/engine.h"
#include "net/loop.h"
#include "proto/request.h"
#include "server/config.h"
#include "server/listener.h"
#include "server/server.h"

/* What `version` and `stats` say: the memcached whose protocols these are. Clients parse it. */
#define SERVER_PROTOCOL_VERSION "1.6.45-larder-" SERVER_VERSION

enum {
    SERVER_MAGIC = 0x4c415244,        /* "LARD" */
    SERVER_WORKER_MAGIC = 0x574f524b, /* "WORK" */
    SERVER_CONN_MAGIC = 0x434f4e4e,   /* "CONN" */
    SERVER_COPY_MAX = 3072, /* bytes; a smaller value is copied into the reply, a larger one lent */
    SERVER_RECEIVE_SIZE = 131072, /* bytes of one receive */
    SERVER_OUTPUT_MAX =
        1 << 20, /* bytes unsent before a client that does not read is not read from */
};

/* One counter per row of counters.def. Written by the owning worker only. */
struct server_counters {
#define SERVER_COUNTER(name, about) _Atomic uint64_t name;
#include "server/counters.def"
#undef SERVER_COUNTER
};

/* A plain add for the owner: no locked instruction, no torn read for the others. */
#define SERVER_COUNT_N(worker, name, n)                                                            \
    atomic_store_explicit(&(worker)->counters.name,                                                \
                          atomic_load_explicit(&(worker)->counters.name, memory_order_relaxed) +   \
                              (n),                                                                 \
                          memory_order_relaxed)
#define SERVER_COUNT(worker, name) SERVER_COUNT_N(worker, name, 1)

/* Sums over the workers' loops, of what `stats` shows of them. */
struct server_loop_sums {
    uint64_t bytes_in, bytes_out, oom, lent_copied, paused, waits;
    uint64_t tls_handshakes, tls_resumed, tls_kernel, tls_errors;
    uint64_t tls_handshake_errors, tls_handshake_timeouts, tls_handshake_evictions;
    uint64_t blocks_used, blocks_idle; /* as of the loops' last ticks */
};

struct server_dump;
struct server_watcher;
struct server_watch;
struct server_prefixes;
struct server_conn;
struct server_batch;
struct server_auth;
struct server_access;
struct server_udp;

/* A worker at one of the server's listeners. */
struct server_accepting {
    struct server_worker *worker;
    const struct server_listener *from; /* borrowed */
    struct net_listener *net;           /* NULL: not yet, or no more */
};

struct server_worker {
    uint32_t magic;
    uint32_t index;
    struct server *server; /* borrowed */
    pthread_t thread;
    struct net_loop *loop;
    struct larder_thread *engine_thread;
    struct server_accepting accepting[SERVER_LISTENER_MAX]; /* as the server's listeners */
    struct server_conn *conns;                              /* list head */
    _Atomic uint32_t conn_count;
    uint64_t buffered_size; /* bytes of values in blocks, on their way; upload.c */
    uint32_t now_s;         /* this turn's time */
    bool in_turn;           /* between the engine's thread_begin() and thread_end() */
    _Atomic uint32_t blocks_used, blocks_idle; /* of the loop's pool, as of the last tick */
    _Atomic uint32_t parked_count; /* look-ups that the engine has not answered; parked.c */
    struct server_counters counters;
    struct server_batch *batch; /* requests parsed together; conn.c */
    struct server_udp *udp;     /* NULL: there is no UDP; udp.c */
};

struct server {
    uint32_t magic;
    /* constant once the threads run */
    const struct server_config *config; /* borrowed */
    const struct larder_engine_ops *engine_ops;
    struct larder_engine *engine;
    struct engine_module engine_module;
    char *engine_options; /* config->engine behind its colon: "name=value\0name=value\0\0" (own) */
    struct larder_host host;
    bool async; /* the engine may answer LARDER_PENDING */
    uint32_t conn_max;
    struct server_worker *workers;
    uint32_t worker_count;
    struct server_listener listeners[SERVER_LISTENER_MAX];
    uint32_t listener_count;
    struct server_listener udp[SERVER_LISTENER_MAX];
    uint32_t udp_count;
    struct server_watch *watch;       /* who follows what happens; watch.c */
    struct server_prefixes *prefixes; /* stats detail; prefix.c */
    struct server_tls *tls;           /* borrowed; NULL: none; tls.c */
    struct server_auth *auth;         /* who may come in; NULL: everybody; auth.c */

    /* shared by all threads */
    struct base_clock clock;
    _Atomic uint64_t clock_second;
    atomic_flag clock_busy;
    _Atomic uint32_t conn_count;  /* open now, over all workers; without the administrators' */
    _Atomic uint32_t admin_count; /* open now at the administrators' socket */
    _Atomic uint64_t conn_ids;    /* the last connection's number */
    _Atomic bool accept_paused;   /* the connection limit without maxconns_fast */
    _Atomic uint64_t accept_paused_count;
    _Atomic uint64_t accept_paused_since_ns;
    _Atomic uint64_t accept_paused_ns; /* over all pauses that ended */
    _Atomic uint32_t verbosity;
    _Atomic uint64_t memory_size; /* config->memory_size until cache_memlimit */
    _Atomic int stopping;         /* enum server_stopping; written by signal handlers */
    _Atomic bool reload_wanted;   /* written by signal handlers */
    pthread_mutex_t start_lock;   /* held while the threads are made */
    bool all_started;             /* under start_lock */
    pthread_mutex_t baseline_lock;
    struct server_counters baseline; /* sums at the last `stats reset`; under baseline_lock */
    struct server_loop_sums loop_baseline;
    int wake_fd; /* eventfd: wakes server_run() */

    /* upkeep.c, under upkeep_lock but upkeep_wanted */
    pthread_t upkeep;
    pthread_mutex_t upkeep_lock;
    pthread_cond_t upkeep_wake;
    _Atomic bool upkeep_wanted;
    bool upkeep_running;
    bool upkeep_ending;
};

enum server_stopping { SERVER_RUNS, SERVER_STOPS, SERVER_STOPS_GRACEFULLY };

enum server_conn_state {
    SERVER_CONN_COMMAND, /* between requests, or inside a request line */
    SERVER_CONN_LOGIN,   /* the text protocol's log-in is still to come */
    SERVER_CONN_VALUE,   /* a value is being received in place */
    SERVER_CONN_TAIL,    /* the two bytes after such a value */
    SERVER_CONN_SWALLOW, /* bytes of a refused value are thrown away */
    SERVER_CONN_KEYS,    /* inside a get line longer than the buffer */
    SERVER_CONN_PARKED,  /* waits for an asynchronous engine */
    SERVER_CONN_STREAM,  /* a dump or a watcher: no more requests */
    SERVER_CONN_CLOSING,
};

/* A value on its way into the engine, with the request it belongs to. Given; exists only then. */
struct server_upload;
/* An asynchronous get on its way. Given; exists only then. */
struct server_parked;

struct server_conn {
    struct net_stream stream; /* first: the stream is the connection */
    uint32_t magic;
    enum server_conn_state state;
    uint64_t id;
    uint32_t last_command_s;
    bool limited;                           /* its client may not do everything; auth.h */
    bool waits_for_value;                   /* COMMAND: a short data block is not whole yet */
    bool idle_kicked;                       /* closed by -o idle_timeout */
    bool cut_off;                           /* closed for what it sent */
    bool detached;                          /* of datagrams: nothing can be waited for; udp.c */
    enum server_protocol protocol;          /* AUTO: until its first byte */
    int closed_fd;                          /* its descriptor, also when that is closed */
    struct server_worker *worker;           /* borrowed */
    const struct server_listener *listener; /* borrowed: where it came in */
    struct server_conn *prev, *next;
    uint64_t swallow_size;          /* SWALLOW: bytes to throw away */
    struct server_upload *upload;   /* VALUE, TAIL */
    struct server_parked *parked;   /* PARKED, and for the look-up after it */
    uint32_t keys_done;             /* keys of a parked multi-get that were already answered */
    uint32_t busy_count;            /* times the engine had to make room for this request */
    struct proto_request *line;     /* KEYS: the request whose line goes on (given) */
    struct server_dump *dump;       /* STREAM: what is being dumped (given) */
    struct server_watcher *watcher; /* STREAM: what is being watched (given) */
    struct server_access *access;   /* who its client is (given); NULL: nobody asks; auth.h */
    struct net_address peer;
};

/* One request being executed; on the worker's stack. */
struct server_call {
    struct server_conn *conn;
    struct server_worker *worker;
    struct proto_request *request; /* the handler may settle its flags */
    struct larder_key key;         /* request->key, hashed */
    /* STORE: the data block, borrowed: in pieces, or received in place (`room`, then no pieces) */
    const struct larder_piece *pieces;
    uint32_t piece_count;
    struct larder_room *room;
};

/* What a handler did with its call. */
enum server_done {
    SERVER_DONE,   /* answered (or hidden by noreply) */
    SERVER_PARK,   /* not over: the engine answers later, or the output is full; run again then */
    SERVER_HANGUP, /* close the connection */
};

/* Does a data block follow the request? */
static inline bool server_has_value(const struct proto_request *request)
{
    return request->op == PROTO_OP_STORE || request->op == PROTO_OP_SASL_AUTH ||
           request->op == PROTO_OP_SASL_STEP;
}

/* Bytes behind the data block: text ends it with \r\n. */
static inline size_t server_tail_size(const struct proto_request *request)
{
    return request->dialect == PROTO_BINARY ? 0 : 2;
}

static inline uint32_t server_now_s(const struct server_worker *worker)
{
    return worker->now_s;
}

static inline const struct larder_engine_ops *server_ops(const struct server_worker *worker)
{
    return worker->server->engine_ops;
}

/* The sum of one counter over the workers, since the last server_counters_reset(). Any thread. */
#define SERVER_SUM(server, name) server_sum((server), offsetof(struct server_counters, name))
uint64_t server_sum(struct server *server, size_t counter_offset); /* server.c */
/* `stats reset`: what was counted up to now is subtracted from now on. Any thread. server.c */
void server_counters_reset(struct server *server);

/* Lets the time pass; returns the cache clock's second. Any thread, cheap. server.c */
uint32_t server_clock_update(struct server *server);
/* Waits until server_run() has made all threads; false when one could not be made. */
bool server_all_started(struct server *server);
/* The limit is reached: no worker accepts until server_accept_resume(). Any worker. server.c */
void server_accept_pause(struct server *server);
/* A connection has gone: accept again if the limit had stopped that. Any worker. server.c */
void server_accept_resume(struct server *server);

#endif

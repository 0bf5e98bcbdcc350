/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stats: numbers in memcached's names and order, so that every monitoring system reads them.
 *
 * What memcached counts and Larder has no counterpart for is left out, never shown as a
 * zero that means nothing. Larder's own numbers come last. doc/operate/metrics.md explains each.
 */

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "proto/text.h"
#include "server/auth.h"
#include "server/cmd_dump.h"
#include "server/command.h"
#include "server/conns.h"
#include "server/prefix.h"
#include "server/tls.h"
#include "server/watch.h"

enum {
    LINE_ROOM = 2048, /* bytes of one STAT line, or packet; names and values are cut to fit */
    NAME_MAX_SHOWN = 256,
    VALUE_MAX_SHOWN = 1700,
};

/* ---- lines ---- */

static bool is_binary(const struct server_call *call)
{
    return call->request->dialect == PROTO_BINARY;
}

static void emit(struct server_call *call, const char *name, const char *value)
{
    const struct base_slice key = {name, strnlen(name, NAME_MAX_SHOWN)};
    const size_t value_size = strnlen(value, VALUE_MAX_SHOWN);
    char *out = net_stream_room(&call->conn->stream, LINE_ROOM);
    size_t size;
    if (out == NULL) {
        return;
    }
    if (is_binary(call)) {
        size = proto_binary_write_stat(out, call->request, key, value_size);
        memcpy(out + size, value, value_size);
        size += value_size;
    } else {
        size = (size_t)snprintf(out, LINE_ROOM, "STAT %.*s %.*s\r\n", (int)key.size, name,
                                (int)value_size, value);
    }
    net_stream_wrote(&call->conn->stream, size);
}

BASE_PRINTF(3, 4)
static void emit_format(struct server_call *call, const char *name, const char *format, ...)
{
    char value[128];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(value, sizeof(value), format, arguments);
    va_end(arguments);
    emit(call, name, value);
}

static void emit_u64(struct server_call *call, const char *name, uint64_t value)
{
    emit_format(call, name, "%" PRIu64, value);
}

/* larder_stat_fn and server_config_each_setting()'s callback. */
static void emit_pair(void *arg, const char *name, const char *value)
{
    emit(arg, name, value);
}

static enum server_done end(struct server_call *call)
{
    if (is_binary(call)) {
        return server_reply_packet(call, PROTO_BINARY_STATUS_OK, (struct base_slice){0});
    }
    return net_stream_write(&call->conn->stream, "END\r\n", 5) ? SERVER_DONE : SERVER_HANGUP;
}

/* ---- general ---- */

static void emit_process(struct server_call *call)
{
    struct server *server = call->worker->server;
    struct rusage usage;
    uint32_t now_s = server_now_s(call->worker);
    getrusage(RUSAGE_SELF, &usage);
    emit_u64(call, "pid", (uint64_t)getpid());
    emit_u64(call, "uptime", now_s - BASE_CLOCK_START_S);
    emit_u64(call, "time", (uint64_t)(base_clock_started_real_s(&server->clock) + now_s));
    emit(call, "version", SERVER_PROTOCOL_VERSION);
    emit_u64(call, "pointer_size", 8 * sizeof(void *));
    emit_format(call, "rusage_user", "%ld.%06ld", (long)usage.ru_utime.tv_sec,
                (long)usage.ru_utime.tv_usec);
    emit_format(call, "rusage_system", "%ld.%06ld", (long)usage.ru_stime.tv_sec,
                (long)usage.ru_stime.tv_usec);
}

#define TLS_COUNTERS(DO)                                                                           \
    DO(tls_handshakes)                                                                             \
    DO(tls_resumed)                                                                                \
    DO(tls_kernel)                                                                                 \
    DO(tls_errors)                                                                                 \
    DO(tls_handshake_errors)                                                                       \
    DO(tls_handshake_timeouts)                                                                     \
    DO(tls_handshake_evictions)

static void sum_tls(struct server_loop_sums *sums, const struct net_loop_counters *counters)
{
#define ADD(name) sums->name += atomic_load_explicit(&counters->name, memory_order_relaxed);
    TLS_COUNTERS(ADD)
#undef ADD
}

static void subtract_tls(struct server_loop_sums *sums, const struct server_loop_sums *since)
{
#define SUBTRACT(name) sums->name -= since->name;
    TLS_COUNTERS(SUBTRACT)
#undef SUBTRACT
}

/* Since the server began. */
static struct server_loop_sums sum_loops(const struct server *server)
{
    struct server_loop_sums sums = {0};
    for (uint32_t i = 0; i < server->worker_count; i++) {
        sums.blocks_used +=
            atomic_load_explicit(&server->workers[i].blocks_used, memory_order_relaxed);
        sums.blocks_idle +=
            atomic_load_explicit(&server->workers[i].blocks_idle, memory_order_relaxed);
        const struct net_loop_counters *counters = net_loop_counters(server->workers[i].loop);
        sums.bytes_in += atomic_load_explicit(&counters->bytes_in, memory_order_relaxed);
        sums.bytes_out += atomic_load_explicit(&counters->bytes_out, memory_order_relaxed);
        sums.lent_copied += atomic_load_explicit(&counters->lent_copied, memory_order_relaxed);
        sums.paused += atomic_load_explicit(&counters->paused, memory_order_relaxed);
        sums.waits += atomic_load_explicit(&counters->waits, memory_order_relaxed);
        sums.oom += atomic_load_explicit(&counters->buffer_oom, memory_order_relaxed);
        sum_tls(&sums, counters);
    }
    return sums;
}

/* Since the last `stats reset`. */
static struct server_loop_sums sum_loops_since(struct server *server)
{
    struct server_loop_sums sums = sum_loops(server);
    pthread_mutex_lock(&server->baseline_lock);
    const struct server_loop_sums since = server->loop_baseline;
    pthread_mutex_unlock(&server->baseline_lock);
    sums.bytes_in -= since.bytes_in;
    sums.bytes_out -= since.bytes_out;
    sums.lent_copied -= since.lent_copied;
    sums.paused -= since.paused;
    sums.waits -= since.waits;
    sums.oom -= since.oom;
    subtract_tls(&sums, &since);
    return sums;
}

/* memcached's pauses are counted from nothing again, too. One that lasts is counted from now. */
static void reset_loops_and_pauses(struct server *server)
{
    pthread_mutex_lock(&server->baseline_lock);
    server->loop_baseline = sum_loops(server);
    pthread_mutex_unlock(&server->baseline_lock);
    atomic_store(&server->accept_paused_count, 0);
    atomic_store(&server->accept_paused_since_ns, base_clock_monotonic_ns());
    atomic_store(&server->accept_paused_ns, 0);
}

static void emit_connections(struct server_call *call)
{
    struct server *server = call->worker->server;
    emit_u64(call, "max_connections", server->config->connections_max);
    emit_u64(call, "curr_connections", atomic_load(&server->conn_count));
    emit_u64(call, "total_connections", SERVER_SUM(server, conn_total));
    if (server->config->connections_fast) {
        emit_u64(call, "rejected_connections", SERVER_SUM(server, conn_rejected));
    }
    emit_u64(call, "connection_structures", atomic_load(&server->conn_count));
}

/* Blocks hold what was read and what waits to be sent; memcached has two kinds of them. */
static void emit_buffers(struct server_call *call, const struct server_loop_sums *sums)
{
    emit_u64(call, "read_buf_count", sums->blocks_used + sums->blocks_idle);
    emit_u64(call, "read_buf_bytes", (sums->blocks_used + sums->blocks_idle) * BASE_BLOCK_SIZE);
    emit_u64(call, "read_buf_bytes_free", sums->blocks_idle * BASE_BLOCK_SIZE);
    emit_u64(call, "read_buf_oom", sums->oom);
}

/* The counters whose name is their own, in memcached's order. */
static void emit_commands(struct server_call *call)
{
    struct server *server = call->worker->server;
#define EMIT(name) emit_u64(call, #name, SERVER_SUM(server, name))
    EMIT(cmd_get);
    EMIT(cmd_set);
    EMIT(cmd_flush);
    EMIT(cmd_touch);
    EMIT(cmd_meta);
    EMIT(get_hits);
    EMIT(get_misses);
    EMIT(delete_misses);
    EMIT(delete_hits);
    EMIT(incr_misses);
    EMIT(incr_hits);
    EMIT(decr_misses);
    EMIT(decr_hits);
    EMIT(cas_misses);
    EMIT(cas_hits);
    EMIT(cas_badval);
    EMIT(touch_hits);
    EMIT(touch_misses);
    EMIT(store_too_large);
    EMIT(store_no_memory);
    EMIT(auth_cmds);
    EMIT(auth_errors);
    if (server->config->idle_timeout_s > 0) {
        EMIT(idle_kicks);
    }
#undef EMIT
}

static void emit_limits(struct server_call *call, const struct server_loop_sums *sums)
{
    struct server *server = call->worker->server;
    bool paused = atomic_load(&server->accept_paused);
    uint64_t paused_ns = atomic_load(&server->accept_paused_ns);
    if (paused) {
        paused_ns += base_clock_monotonic_ns() - atomic_load(&server->accept_paused_since_ns);
    }
    emit_u64(call, "bytes_read", sums->bytes_in);
    emit_u64(call, "bytes_written", sums->bytes_out);
    emit_u64(call, "limit_maxbytes", atomic_load(&server->memory_size));
    emit_u64(call, "accepting_conns", paused ? 0 : 1);
    emit_u64(call, "listen_disabled_num", atomic_load(&server->accept_paused_count));
    emit_u64(call, "time_in_listen_disabled_us", paused_ns / 1000);
    emit_u64(call, "threads", server->worker_count);
    emit_u64(call, "conn_yields", SERVER_SUM(server, conn_yields));
}

/* memcached's, in its order, then ours; only with -Z. */
static void emit_tls(struct server_call *call, const struct server_loop_sums *sums)
{
    struct server *server = call->worker->server;
    if (server->tls == NULL) {
        return;
    }
    if (server->config->tls_session_cache) {
        emit_u64(call, "ssl_new_sessions", sums->tls_handshakes - sums->tls_resumed);
    }
    emit_u64(call, "ssl_handshake_errors", sums->tls_handshake_errors);
    emit_u64(call, "ssl_proto_errors", sums->tls_errors);
    emit_u64(call, "time_since_server_cert_refresh", server_tls_age_s(server->tls));
}

static void emit_own_tls(struct server_call *call, const struct server_loop_sums *sums)
{
    struct server *server = call->worker->server;
    if (server->tls == NULL) {
        return;
    }
    emit_u64(call, "tls_handshakes", sums->tls_handshakes);
    emit_u64(call, "tls_resumed", sums->tls_resumed);
    emit_u64(call, "tls_kernel", sums->tls_kernel);
    emit_u64(call, "tls_handshake_timeouts", sums->tls_handshake_timeouts);
    emit_u64(call, "tls_handshake_evictions", sums->tls_handshake_evictions);
    emit_format(call, "tls_certificate_expires", "%" PRId64, server_tls_valid_until_s(server->tls));
}

/* What memcached does not count. */
static void emit_own(struct server_call *call, const struct server_loop_sums *sums)
{
    struct server *server = call->worker->server;
    emit(call, "larder_version", SERVER_VERSION);
    emit(call, "event_loop", net_loop_name(call->worker->loop));
    emit(call, "engine", server->engine_ops->name);
    emit_u64(call, "loop_turns", sums->waits);
    emit_u64(call, "output_lent_copied", sums->lent_copied);
    emit_u64(call, "output_paused", sums->paused);
    emit_u64(call, "admin_connections", atomic_load(&server->admin_count));
    server_auth_stats(server, emit_pair, call);
    emit_own_tls(call, sums);
#define EMIT(name) emit_u64(call, #name, SERVER_SUM(server, name))
    EMIT(admin_rejected);
    EMIT(auth_forbidden);
    EMIT(auth_limited);
    EMIT(errors_client);
    EMIT(errors_server);
    EMIT(bad_data_chunk);
    EMIT(conn_cut_line);
    EMIT(conn_no_memory);
    EMIT(put_busy);
    EMIT(put_races);
    EMIT(room_refused);
    EMIT(upload_refused);
    EMIT(parked);
    if (server->udp_count > 0) {
        EMIT(udp_requests);
        EMIT(udp_replies);
        EMIT(udp_packets);
        EMIT(udp_refused);
        EMIT(udp_malformed);
        EMIT(udp_lost);
    }
#undef EMIT
}

static enum server_done emit_general(struct server_call *call)
{
    struct server *server = call->worker->server;
    struct server_loop_sums sums = sum_loops_since(server);
    emit_process(call);
    emit_connections(call);
    emit_buffers(call, &sums);
    emit_commands(call);
    emit_limits(call, &sums);
    server_watch_stats(server, emit_pair, call);
    emit_tls(call, &sums);
    server->engine_ops->stats(server->engine, LARDER_STATS_GENERAL, server_now_s(call->worker),
                              emit_pair, call);
    emit_own(call, &sums);
    return end(call);
}

/* ---- groups ---- */

static enum server_done emit_engine(struct server_call *call, enum larder_stat_group group)
{
    struct server *server = call->worker->server;
    server->engine_ops->stats(server->engine, (int)group, server_now_s(call->worker), emit_pair,
                              call);
    return end(call);
}

/* Two of them can be changed while the server runs. */
static void emit_setting(void *arg, const char *name, const char *value)
{
    struct server_call *call = arg;
    struct server *server = call->worker->server;
    if (strcmp(name, "maxbytes") == 0) {
        emit_u64(call, name, atomic_load(&server->memory_size));
    } else if (strcmp(name, "verbosity") == 0) {
        emit_u64(call, name, atomic_load(&server->verbosity));
    } else {
        emit(call, name, value);
    }
}

static enum server_done emit_settings(struct server_call *call)
{
    struct server *server = call->worker->server;
    server_config_each_setting(server->config, emit_setting, call);
    emit(call, "detail_enabled", server_prefixes_on(server) ? "yes" : "no");
    emit(call, "hash_algorithm", "xxh3");
    /* Asked for by monitoring systems, which then leave out what belongs to them. */
    emit(call, "auth_enabled_sasl", server->config->sasl_enabled ? "yes" : "no");
    emit(call, "auth_enabled_ascii",
         server->config->auth_path != NULL ? server->config->auth_path : "no");
    emit(call, "slab_reassign", "no");
    emit(call, "slab_automove", "0");
    emit(call, "lru_maintainer_thread", "no");
    return end(call);
}

static enum server_done emit_sizes(struct server_call *call)
{
    if (!call->worker->server->config->sizes_enabled) {
        emit(call, "sizes_status", "disabled");
        return end(call);
    }
    return emit_engine(call, LARDER_STATS_SIZES);
}

static enum server_done reset(struct server_call *call)
{
    struct server *server = call->worker->server;
    server_counters_reset(server);
    server->engine_ops->stats_reset(server->engine);
    server_prefixes_reset(server);
    server_watch_stats_reset(server);
    reset_loops_and_pauses(server);
    base_log(BASE_LOG_NOTICE, "statistics reset by a client");
    return is_binary(call) ? end(call) : server_reply_text(call, BASE_SLICE("RESET\r\n"));
}

static enum server_done detail(struct server_call *call, struct base_slice rest)
{
    struct server *server = call->worker->server;
    struct base_slice word;
    if (!server->config->dump_enabled) {
        return server_reply_error(call, PROTO_ERROR_STATS_DETAIL_DISABLED);
    }
    if (proto_text_next_token(&rest, &word)) {
        if (base_slice_equal(word, BASE_SLICE("on")) || base_slice_equal(word, BASE_SLICE("off"))) {
            server_prefixes_switch(server, word.size == 2);
            return server_reply_status(call, PROTO_STATUS_OK);
        }
        if (base_slice_equal(word, BASE_SLICE("dump"))) {
            const struct proto_request *packet = is_binary(call) ? call->request : NULL;
            return server_prefixes_write(server, &call->conn->stream, packet) ? end(call)
                                                                              : SERVER_HANGUP;
        }
    }
    return server_reply_error(call, PROTO_ERROR_STATS_DETAIL_USAGE);
}

enum server_done server_cmd_stats(struct server_call *call)
{
    struct base_slice rest = call->request->arguments;
    struct base_slice group;
    if (!proto_text_next_token(&rest, &group)) {
        return emit_general(call);
    }
    if (base_slice_equal(group, BASE_SLICE("items"))) {
        return emit_engine(call, LARDER_STATS_ITEMS);
    }
    if (base_slice_equal(group, BASE_SLICE("slabs"))) {
        return emit_engine(call, LARDER_STATS_SLABS);
    }
    if (base_slice_equal(group, BASE_SLICE("engine"))) {
        return emit_engine(call, LARDER_STATS_DETAIL);
    }
    if (base_slice_equal(group, BASE_SLICE("sizes"))) {
        return emit_sizes(call);
    }
    if (base_slice_equal(group, BASE_SLICE("settings"))) {
        return emit_settings(call);
    }
    if (base_slice_equal(group, BASE_SLICE("detail"))) {
        return detail(call, rest);
    }
    if (base_slice_equal(group, BASE_SLICE("reset"))) {
        return reset(call);
    }
    if (is_binary(call)) {
        return server_reply_status(call, PROTO_STATUS_MISS); /* the dumps are text only, too */
    }
    if (base_slice_equal(group, BASE_SLICE("conns"))) {
        return server_cmd_conns(call);
    }
    if (base_slice_equal(group, BASE_SLICE("cachedump"))) {
        return server_cmd_cachedump(call, rest);
    }
    return server_reply_error(call, PROTO_ERROR_UNKNOWN);
}

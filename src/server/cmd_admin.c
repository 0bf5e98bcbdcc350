/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The commands about the server, not about keys.
 *
 * slabs, lru and extstore tune machinery that the segment engine does not have. They answer as
 * memcached does when that machinery is off: knobs are checked and taken, and turn nothing;
 * what would have to happen at once is refused.
 */
#include <stdlib.h>

#include "base/log.h"
#include "base/num.h"
#include "proto/text.h"
#include "server/command.h"
#include "server/conn.h"
#include "server/tls.h"
#include "server/upkeep.h"

enum {
    VERBOSITY_MAX = 2,
    MEMLIMIT_MIN_MB = 8,
    MEMLIMIT_MAX_MB = 1000000000,
    LRU_PERCENT_MAX = 80,
};

static bool word_is(struct base_slice word, struct base_slice what)
{
    return base_slice_equal(word, what);
}

enum server_done server_cmd_noop(struct server_call *call)
{
    return server_reply_status(call, PROTO_STATUS_OK);
}

enum server_done server_cmd_flush_all(struct server_call *call)
{
    struct server *server = call->worker->server;
    SERVER_COUNT(call->worker, cmd_flush);
    if (!server->config->flush_enabled) {
        return server_reply_error(call, PROTO_ERROR_FLUSH_DISABLED);
    }
    int64_t delay = call->request->exptime;
    uint32_t at_s = delay > 0 ? base_clock_expiry(&server->clock, delay) : 0;
    if (at_s > 0) {
        /* memcached's oldest_live: the second before; what is not in the future is now. */
        at_s = at_s - 1 > server_now_s(call->worker) ? at_s - 1 : 0;
    }
    server->engine_ops->flush(server->engine, at_s);
    server_upkeep_wake(server);
    return server_reply_status(call, PROTO_STATUS_OK);
}

enum server_done server_cmd_verbosity(struct server_call *call)
{
    uint64_t level = call->request->delta;
    atomic_store(&call->worker->server->verbosity,
                 (uint32_t)(level > VERBOSITY_MAX ? VERBOSITY_MAX : level));
    return server_reply_status(call, PROTO_STATUS_OK);
}

enum server_done server_cmd_version(struct server_call *call)
{
    if (call->request->dialect == PROTO_BINARY) {
        return server_reply_packet(call, PROTO_BINARY_STATUS_OK,
                                   BASE_SLICE(SERVER_PROTOCOL_VERSION));
    }
    return server_reply_text(call, BASE_SLICE("VERSION " SERVER_PROTOCOL_VERSION "\r\n"));
}

enum server_done server_cmd_quit(struct server_call *call)
{
    if (call->request->dialect == PROTO_BINARY) {
        (void)server_reply_status(call, PROTO_STATUS_OK); /* QUITQ: hidden */
    }
    return SERVER_HANGUP;
}

enum server_done server_cmd_shutdown(struct server_call *call)
{
    struct server *server = call->worker->server;
    struct base_slice rest = call->request->arguments;
    struct base_slice word;
    if (!server->config->shutdown_enabled) {
        return server_reply_error(call, PROTO_ERROR_SHUTDOWN_DISABLED);
    }
    bool graceful = false;
    if (proto_text_next_token(&rest, &word)) {
        if (!word_is(word, BASE_SLICE("graceful")) || proto_text_next_token(&rest, &word)) {
            return server_reply_error(call, PROTO_ERROR_SHUTDOWN_MODE);
        }
        graceful = true;
    }
    base_log(BASE_LOG_NOTICE, "shut down by a client");
    server_stop(server, graceful);
    return SERVER_HANGUP;
}

enum server_done server_cmd_cache_memlimit(struct server_call *call)
{
    struct server *server = call->worker->server;
    uint64_t megabytes = call->request->delta;
    if (megabytes < MEMLIMIT_MIN_MB) {
        return server_reply_error(call, PROTO_ERROR_MEMLIMIT_SMALL);
    }
    if (megabytes > MEMLIMIT_MAX_MB) {
        return server_reply_error(call, PROTO_ERROR_MEMLIMIT_BYTES);
    }
    if ((server->engine_ops->capabilities & LARDER_CAP_RESIZE) == 0 ||
        server->engine_ops->resize(server->engine, megabytes << 20) != LARDER_OK) {
        return server_reply_error(call, PROTO_ERROR_MEMLIMIT_FAILED);
    }
    atomic_store(&server->memory_size, megabytes << 20);
    server_upkeep_wake(server);
    base_log(BASE_LOG_NOTICE, "memory limit is now %llu MiB", (unsigned long long)megabytes);
    return server_reply_status(call, PROTO_STATUS_OK);
}

enum { WORDS_MAX = 6 };

static uint32_t split(struct base_slice rest, struct base_slice words[WORDS_MAX])
{
    uint32_t count = 0;
    while (count < WORDS_MAX && proto_text_next_token(&rest, &words[count])) {
        count++;
    }
    return count;
}

/* As strtod() reads it, which memcached uses; nothing behind it. */
static bool parse_fraction(struct base_slice word, double *ret)
{
    char text[32];
    char *end;
    if (word.size >= sizeof(text)) {
        return false;
    }
    memcpy(text, word.data, word.size);
    text[word.size] = '\0';
    *ret = strtod(text, &end);
    return end != text && *end == '\0';
}

static enum server_done automove(struct server_call *call, const struct base_slice *words,
                                 uint32_t count)
{
    uint32_t level;
    double ratio;
    if (word_is(words[1], BASE_SLICE("ratio")) || word_is(words[1], BASE_SLICE("freeratio"))) {
        return count >= 3 && parse_fraction(words[2], &ratio)
                   ? server_reply_status(call, PROTO_STATUS_OK)
                   : server_reply_error(call, PROTO_ERROR_UNKNOWN);
    }
    if (word_is(words[1], BASE_SLICE("window"))) {
        if (count < 3) {
            return server_reply_error(call, PROTO_ERROR_UNKNOWN);
        }
        return base_num_parse_u32(words[2], &level)
                   ? server_reply_status(call, PROTO_STATUS_OK)
                   : server_reply_error(call, PROTO_ERROR_BAD_FORMAT);
    }
    if (!base_num_parse_u32(words[1], &level)) {
        return server_reply_error(call, PROTO_ERROR_BAD_FORMAT);
    }
    return level <= 2 ? server_reply_status(call, PROTO_STATUS_OK)
                      : server_reply_error(call, PROTO_ERROR_UNKNOWN);
}

enum server_done server_cmd_slabs(struct server_call *call)
{
    struct base_slice words[WORDS_MAX];
    uint32_t count = split(call->request->arguments, words);
    if (count == 3 && word_is(words[0], BASE_SLICE("reassign"))) {
        return server_reply_error(call, PROTO_ERROR_SLABS_DISABLED);
    }
    if (count >= 2 && word_is(words[0], BASE_SLICE("automove"))) {
        return automove(call, words, count);
    }
    return server_reply_error(call, PROTO_ERROR_UNKNOWN);
}

enum server_done server_cmd_lru(struct server_call *call)
{
    struct base_slice words[WORDS_MAX];
    uint32_t count = split(call->request->arguments, words);
    uint32_t hot_percent;
    uint32_t warm_percent;
    double hot_factor;
    double warm_factor;
    if (count < 5 || !word_is(words[0], BASE_SLICE("tune")) ||
        !base_num_parse_u32(words[1], &hot_percent) ||
        !base_num_parse_u32(words[2], &warm_percent) || !parse_fraction(words[3], &hot_factor) ||
        !parse_fraction(words[4], &warm_factor)) {
        return server_reply_error(call, PROTO_ERROR_UNKNOWN);
    }
    if ((uint64_t)hot_percent + warm_percent > LRU_PERCENT_MAX) {
        return server_reply_error(call, PROTO_ERROR_LRU_PERCENT);
    }
    if (hot_factor <= 0 || warm_factor <= 0) {
        return server_reply_error(call, PROTO_ERROR_LRU_FACTOR);
    }
    return server_reply_status(call, PROTO_STATUS_OK);
}

enum server_done server_cmd_extstore(struct server_call *call)
{
    return server_reply_error(call, PROTO_ERROR_UNKNOWN);
}

enum server_done server_cmd_refresh_certs(struct server_call *call)
{
    struct server_tls *tls = call->worker->server->tls;
    char why[NET_TLS_WHY_MAX + 2];
    if (tls == NULL) {
        return server_reply_error(call, PROTO_ERROR_UNKNOWN);
    }
    if (server_tls_reload(tls, why)) {
        return server_reply_status(call, PROTO_STATUS_OK);
    }
    const size_t size = strlen(why);
    memcpy(why + size, "\r\n", 2);
    return server_reply_text(call, (struct base_slice){why, size + 2});
}

enum server_done server_cmd_misbehave(struct server_call *call)
{
    return server_reply_error(call, PROTO_ERROR_UNKNOWN);
}

/* Moves the cache clock, for tests: with -o relaxed_privileges only. */
enum server_done server_cmd_debugtime(struct server_call *call)
{
    struct server *server = call->worker->server;
    struct base_slice rest = call->request->arguments;
    struct base_slice word;
    int32_t seconds;
    if (!server->config->debug_enabled || !proto_text_next_token(&rest, &word)) {
        return server_reply_error(call, PROTO_ERROR_UNKNOWN);
    }
    if (word_is(word, BASE_SLICE("p")) || word_is(word, BASE_SLICE("r"))) {
        return server_reply_status(call,
                                   PROTO_STATUS_OK); /* ours cannot be paused, nor need it be */
    }
    if (!base_num_parse_i32(word, &seconds)) {
        return server_reply_error(call, PROTO_ERROR_UNKNOWN);
    }
    base_clock_shift(&server->clock, seconds);
    /* The other workers see it in their next turn; this one now, for the next command. */
    call->worker->now_s = base_clock_now_s(&server->clock);
    server_conn_yield_references(call->conn);
    return server_reply_status(call, PROTO_STATUS_OK);
}

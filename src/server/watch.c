/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See watch.h. A line is written once and copied into every watcher's buffer under one lock; the
 * watcher's own worker is then asked, once, to send what is there.
 *
 * memcached logs through per-thread rings and a thread of its own. Here the writer pays for the
 * copy: watching is for people who look, and the price is gone when they leave.
 */
#include "server/watch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/text.h"

enum {
    WATCHERS_MAX = 20, /* memcached's WATCHER_LIMIT */
    LINE_MAX_SIZE = 1024,
    KEY_TEXT_MAX = 3 * BASE_KEY_SIZE_MAX + 1
};

struct server_watcher {
    struct server_conn *conn; /* NULL: the connection has gone, a post is on its way */
    struct server_watch *watch;
    struct net_loop *loop;
    uint32_t kinds;
    bool posted;            /* under the lock: send_lines() has been asked for */
    uint64_t skipped_count; /* lines since the last that fitted; under the lock */
    size_t size;
    size_t room;
    char *text; /* lines not yet sent; under the lock */
};

struct server_watch {
    _Atomic uint32_t kinds;             /* of all watchers together */
    pthread_mutex_t lock;               /* of all below, and of the watchers' buffers */
    uint64_t line_count;                /* gid */
    uint64_t line_baseline;             /* line_count at the last reset of the statistics */
    uint64_t sent_total, skipped_total; /* lines for one watcher each */
    bool muted;
    uint32_t count;
    struct server_watcher *watchers[WATCHERS_MAX];
};

int server_watch_create(struct server *server, struct server_watch **ret_watch)
{
    struct server_watch *watch = calloc(1, sizeof(*watch));
    (void)server;
    if (watch == NULL) {
        return -ENOMEM;
    }
    pthread_mutex_init(&watch->lock, NULL);
    *ret_watch = watch;
    return 0;
}

void server_watch_destroy(struct server_watch **watch)
{
    if (*watch != NULL) {
        CHECK((*watch)->count == 0);
        pthread_mutex_destroy(&(*watch)->lock);
        free(*watch);
        *watch = NULL;
    }
}

bool server_watched(const struct server *server, enum server_watch_kind kind)
{
    return (atomic_load_explicit(&server->watch->kinds, memory_order_relaxed) & (uint32_t)kind) !=
           0;
}

/* ---- watchers ---- */

static void settle_kinds(struct server_watch *watch)
{
    uint32_t kinds = 0;
    for (uint32_t i = 0; i < watch->count && !watch->muted; i++) {
        kinds |= watch->watchers[i]->kinds;
    }
    atomic_store_explicit(&watch->kinds, kinds, memory_order_relaxed);
}

void server_watch_mute(struct server_watch *watch)
{
    pthread_mutex_lock(&watch->lock);
    watch->muted = true;
    settle_kinds(watch);
    pthread_mutex_unlock(&watch->lock);
}

static void watcher_free(struct server_watcher *watcher)
{
    free(watcher->text);
    free(watcher);
}

enum server_watch_result server_watch_add(struct server_conn *conn, uint32_t kinds)
{
    struct server *server = conn->worker->server;
    struct server_watch *watch = server->watch;
    struct server_watcher *watcher = calloc(1, sizeof(*watcher));
    if (watcher == NULL) {
        return SERVER_WATCH_FAILED;
    }
    watcher->conn = conn;
    watcher->watch = watch;
    watcher->loop = conn->worker->loop;
    watcher->kinds = kinds;
    watcher->room = server->config->watcher_log_size;
    watcher->text = malloc(watcher->room);
    if (watcher->text == NULL) {
        free(watcher);
        return SERVER_WATCH_FAILED;
    }
    pthread_mutex_lock(&watch->lock);
    bool added = watch->count < WATCHERS_MAX;
    if (added) {
        watch->watchers[watch->count++] = watcher;
        settle_kinds(watch);
    }
    pthread_mutex_unlock(&watch->lock);
    if (!added) {
        watcher_free(watcher);
        return SERVER_WATCH_TOO_MANY;
    }
    conn->watcher = watcher;
    conn->state = SERVER_CONN_STREAM;
    return SERVER_WATCH_ADDED;
}

void server_watch_remove(struct server_conn *conn)
{
    struct server_watcher *watcher = conn->watcher;
    if (watcher == NULL) {
        return;
    }
    struct server_watch *watch = watcher->watch;
    conn->watcher = NULL;
    pthread_mutex_lock(&watch->lock);
    for (uint32_t i = 0; i < watch->count; i++) {
        if (watch->watchers[i] == watcher) {
            watch->watchers[i] = watch->watchers[--watch->count];
            break;
        }
    }
    settle_kinds(watch);
    watcher->conn = NULL;
    bool posted = watcher->posted;
    pthread_mutex_unlock(&watch->lock);
    if (!posted) {
        watcher_free(watcher);
    }
}

/* Under the lock, on the watcher's worker. */
static void send_noted(struct server_watcher *watcher)
{
    struct net_stream *stream = &watcher->conn->stream;
    if (watcher->size > 0 && !net_stream_is_full(stream)) {
        /* A failed write closes the stream; there is nothing to add to that. */
        (void)net_stream_write(stream, watcher->text, watcher->size);
        watcher->size = 0;
    }
}

void server_watch_drained(struct server_conn *conn)
{
    struct server_watcher *watcher = conn->watcher;
    if (watcher != NULL) {
        pthread_mutex_lock(&watcher->watch->lock);
        send_noted(watcher);
        pthread_mutex_unlock(&watcher->watch->lock);
    }
}

/* On the watcher's worker: what has been noted goes out. */
static void send_lines(void *arg)
{
    struct server_watcher *watcher = arg;
    struct server_watch *watch = watcher->watch;
    pthread_mutex_lock(&watch->lock);
    watcher->posted = false;
    const bool gone = watcher->conn == NULL;
    if (!gone) {
        send_noted(watcher);
    }
    pthread_mutex_unlock(&watch->lock);
    if (gone) {
        watcher_free(watcher);
    }
}

/* Under the lock. */
static void note_line(struct server_watcher *watcher, const char *line, size_t size)
{
    char skipped[64];
    int skipped_size = 0;
    if (watcher->skipped_count > 0) {
        skipped_size =
            snprintf(skipped, sizeof(skipped), "skipped=%" PRIu64 "\n", watcher->skipped_count);
    }
    if (watcher->room - watcher->size < size + (size_t)skipped_size) {
        watcher->skipped_count++;
        watcher->watch->skipped_total++;
    } else {
        memcpy(watcher->text + watcher->size, skipped, (size_t)skipped_size);
        watcher->size += (size_t)skipped_size;
        memcpy(watcher->text + watcher->size, line, size);
        watcher->size += size;
        watcher->skipped_count = 0;
        watcher->watch->sent_total++;
    }
    if (!watcher->posted) {
        watcher->posted = net_loop_post(watcher->loop, send_lines, watcher) == 0;
    }
}

/* "ts=... gid=... " and `rest`, to everybody who watches this kind. */
static void report(struct server_watch *watch, enum server_watch_kind kind, const char *rest)
{
    char line[LINE_MAX_SIZE + 64];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    pthread_mutex_lock(&watch->lock);
    int size =
        snprintf(line, sizeof(line), "ts=%lld.%d gid=%" PRIu64 " %s\n", (long long)now.tv_sec,
                 (int)(now.tv_nsec / 1000), ++watch->line_count, rest);
    for (uint32_t i = 0; i < watch->count; i++) {
        if ((watch->watchers[i]->kinds & (uint32_t)kind) != 0) {
            note_line(watch->watchers[i], line, (size_t)size);
        }
    }
    pthread_mutex_unlock(&watch->lock);
}

/* ---- events ---- */

static const char *key_text(struct base_slice key, char out[KEY_TEXT_MAX])
{
    out[base_text_uri_encode(out, KEY_TEXT_MAX - 1, key)] = '\0';
    return out;
}

void server_watch_fetch(struct server_call *call, struct base_slice key, enum larder_result result,
                        const struct larder_ref *ref)
{
    char line[LINE_MAX_SIZE];
    char text[KEY_TEXT_MAX];
    bool hit = result == LARDER_OK;
    (void)snprintf(line, sizeof(line),
                   "type=item_get key=%s status=%s clsid=%d cfd=%d size=%" PRIu64,
                   key_text(key, text), hit ? "found" : "not_found", hit ? 1 : 0,
                   call->conn->closed_fd, hit ? ref->value_size : 0);
    report(call->worker->server->watch, SERVER_WATCH_FETCHERS, line);
}

static const char *status_text(enum proto_status status, enum proto_error error)
{
    switch (status) {
    case PROTO_STATUS_STORED:
        return "stored";
    case PROTO_STATUS_EXISTS:
        return "exists";
    case PROTO_STATUS_MISS:
        return "not_found";
    case PROTO_STATUS_ERROR:
        return error == PROTO_ERROR_TOO_LARGE ? "too_large" : "no_memory";
    case PROTO_STATUS_NOT_STORED:
    case PROTO_STATUS_HIT:
    case PROTO_STATUS_DELETED:
    case PROTO_STATUS_TOUCHED:
    case PROTO_STATUS_NUMBER:
    case PROTO_STATUS_OK:
        break;
    }
    return "not_stored";
}

void server_watch_store(struct server_call *call, enum proto_status status, enum proto_error error,
                        uint32_t expires_at_s)
{
    static const char *const modes[] = {
        [PROTO_STORE_SET] = "set",         [PROTO_STORE_ADD] = "add",
        [PROTO_STORE_REPLACE] = "replace", [PROTO_STORE_APPEND] = "append",
        [PROTO_STORE_PREPEND] = "prepend", [PROTO_STORE_CAS] = "cas",
    };
    char line[LINE_MAX_SIZE];
    char text[KEY_TEXT_MAX];
    const struct proto_request *request = call->request;
    uint32_t now_s = server_now_s(call->worker);
    /* A binary set, add or replace with a cas is a cas. */
    const bool is_cas = request->dialect == PROTO_BINARY && request->mode <= PROTO_STORE_REPLACE &&
                        (request->flags & PROTO_FLAG_CAS_COMPARE) != 0;
    (void)snprintf(line, sizeof(line),
                   "type=item_store key=%s status=%s cmd=%s ttl=%u clsid=%d cfd=%d size=%" PRIu64,
                   key_text(request->key, text), status_text(status, error),
                   modes[is_cas ? PROTO_STORE_CAS : request->mode],
                   expires_at_s > now_s ? expires_at_s - now_s : 0,
                   status == PROTO_STATUS_ERROR ? 0 : 1, call->conn->closed_fd,
                   status == PROTO_STATUS_ERROR ? 0 : request->value_size);
    report(call->worker->server->watch, SERVER_WATCH_MUTATIONS, line);
}

void server_watch_delete(struct server_call *call, uint64_t value_size)
{
    char line[LINE_MAX_SIZE];
    char text[KEY_TEXT_MAX];
    (void)snprintf(line, sizeof(line), "type=deleted key=%s cmd=%s clsid=1 size=%" PRIu64,
                   key_text(call->request->key, text),
                   call->request->dialect == PROTO_META ? "md" : "delete", value_size);
    report(call->worker->server->watch, SERVER_WATCH_DELETIONS, line);
}

void server_watch_engine(struct server *server, enum larder_event what,
                         const struct larder_ref *item)
{
    char line[LINE_MAX_SIZE];
    char text[KEY_TEXT_MAX];
    if (what != LARDER_EVENT_EVICTED || !server_watched(server, SERVER_WATCH_EVICTIONS)) {
        return;
    }
    uint32_t now_s = base_clock_now_s(&server->clock);
    struct base_slice key = {item->key, item->key_size};
    (void)snprintf(
        line, sizeof(line), "type=eviction key=%s fetch=%s ttl=%lld la=%u clsid=1 size=%" PRIu64,
        key_text(key, text), (item->marks & LARDER_MARK_FETCHED) != 0 ? "yes" : "no",
        item->expires_at_s == 0 ? -1LL : (long long)item->expires_at_s - (long long)now_s,
        now_s - item->last_access_s, item->value_size);
    report(server->watch, SERVER_WATCH_EVICTIONS, line);
}

/* ---- connections ---- */

/* "rip=... rport=... transport=..." */
static void peer_text(const struct server_conn *conn, char *out, size_t room)
{
    char host[INET6_ADDRSTRLEN] = "unix";
    unsigned port = 0;
    bool local = true;
    if (conn->peer.storage.ss_family == AF_INET) {
        struct sockaddr_in address;
        memcpy(&address, &conn->peer.storage, sizeof(address));
        (void)inet_ntop(AF_INET, &address.sin_addr, host, sizeof(host));
        port = ntohs(address.sin_port);
        local = false;
    } else if (conn->peer.storage.ss_family == AF_INET6) {
        struct sockaddr_in6 address;
        memcpy(&address, &conn->peer.storage, sizeof(address));
        (void)inet_ntop(AF_INET6, &address.sin6_addr, host, sizeof(host));
        port = ntohs(address.sin6_port);
        local = false;
    }
    (void)snprintf(out, room, "rip=%s rport=%u transport=%s", host, port, local ? "local" : "tcp");
}

void server_watch_conn_opened(const struct server_conn *conn)
{
    char line[LINE_MAX_SIZE];
    char peer[128];
    peer_text(conn, peer, sizeof(peer));
    (void)snprintf(line, sizeof(line), "type=conn_new %s cfd=%d", peer, conn->stream.fd);
    report(conn->worker->server->watch, SERVER_WATCH_CONNEVENTS, line);
}

void server_watch_tls_error(const struct server_conn *conn, const char *why)
{
    char line[LINE_MAX_SIZE];
    (void)snprintf(line, sizeof(line), "type=conntlserr fd=%d msg=%.256s", conn->closed_fd, why);
    report(conn->worker->server->watch, SERVER_WATCH_CONNEVENTS, line);
}

void server_watch_conn_closed(const struct server_conn *conn, enum net_close_reason reason)
{
    char line[LINE_MAX_SIZE];
    char peer[128];
    const char *why = "normal";
    if (conn->idle_kicked) {
        why = "idle_timeout";
    } else if (atomic_load(&conn->worker->server->stopping) != SERVER_RUNS) {
        why = "shutdown";
    } else if (reason == NET_CLOSE_ERROR || reason == NET_CLOSE_TLS ||
               reason == NET_CLOSE_NO_MEMORY || conn->cut_off) {
        why = "error";
    }
    peer_text(conn, peer, sizeof(peer));
    (void)snprintf(line, sizeof(line), "type=conn_close %s reason=%s cfd=%d", peer, why,
                   conn->closed_fd);
    report(conn->worker->server->watch, SERVER_WATCH_CONNEVENTS, line);
}

void server_watch_stats(struct server *server, larder_stat_fn fn, void *arg)
{
    struct server_watch *watch = server->watch;
    char text[32];
    pthread_mutex_lock(&watch->lock);
    uint64_t written = watch->line_count - watch->line_baseline;
    uint64_t skipped = watch->skipped_total;
    uint64_t sent = watch->sent_total;
    uint32_t count = watch->count;
    pthread_mutex_unlock(&watch->lock);
    (void)snprintf(text, sizeof(text), "%" PRIu64, written);
    fn(arg, "log_worker_written", text);
    (void)snprintf(text, sizeof(text), "%" PRIu64, skipped);
    fn(arg, "log_watcher_skipped", text);
    (void)snprintf(text, sizeof(text), "%" PRIu64, sent);
    fn(arg, "log_watcher_sent", text);
    (void)snprintf(text, sizeof(text), "%u", count);
    fn(arg, "log_watchers", text);
}

void server_watch_stats_reset(struct server *server)
{
    struct server_watch *watch = server->watch;
    pthread_mutex_lock(&watch->lock);
    watch->line_baseline = watch->line_count;
    watch->skipped_total = 0;
    watch->sent_total = 0;
    pthread_mutex_unlock(&watch->lock);
}

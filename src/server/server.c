/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The server: engine, workers, upkeep, and the little they share.
 *
 * server_run() is the main thread's: it starts the others, sleeps on an eventfd, and takes them
 * down again. All that a signal handler may do is server_stop(): two words and a write.
 */
#include "server/server.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "server/auth.h"
#include "server/parked.h"
#include "server/prefix.h"
#include "server/sandbox.h"
#include "server/server_priv.h"
#include "server/tls.h"
#include "server/upkeep.h"
#include "server/watch.h"
#include "server/worker.h"

/* ---- shared by the threads ---- */

uint32_t server_clock_update(struct server *server)
{
    uint64_t now_ns = base_clock_monotonic_ns();
    uint64_t second = now_ns / 1000000000u;
    if (atomic_load_explicit(&server->clock_second, memory_order_relaxed) != second &&
        !atomic_flag_test_and_set_explicit(&server->clock_busy, memory_order_acquire)) {
        /* One thread moves the clock; the others see it a moment later. */
        atomic_store_explicit(&server->clock_second, second, memory_order_relaxed);
        base_clock_update(&server->clock, now_ns);
        atomic_flag_clear_explicit(&server->clock_busy, memory_order_release);
    }
    return base_clock_now_s(&server->clock);
}

/* A counter by its place; every field of struct server_counters is one. */
static uint64_t counter_at(const struct server_counters *counters, size_t offset)
{
    const _Atomic uint64_t *counter = (const void *)((const char *)counters + offset);
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static uint64_t sum_all(const struct server *server, size_t offset)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < server->worker_count; i++) {
        sum += counter_at(&server->workers[i].counters, offset);
    }
    return sum;
}

uint64_t server_sum(struct server *server, size_t counter_offset)
{
    pthread_mutex_lock(&server->baseline_lock);
    uint64_t since = counter_at(&server->baseline, counter_offset);
    pthread_mutex_unlock(&server->baseline_lock);
    return sum_all(server, counter_offset) - since;
}

void server_counters_reset(struct server *server)
{
    pthread_mutex_lock(&server->baseline_lock);
#define SERVER_COUNTER(name, about)                                                                \
    atomic_store_explicit(&server->baseline.name,                                                  \
                          sum_all(server, offsetof(struct server_counters, name)),                 \
                          memory_order_relaxed);
#include "server/counters.def"
#undef SERVER_COUNTER
    pthread_mutex_unlock(&server->baseline_lock);
}

void server_accept_pause(struct server *server)
{
    if (atomic_load(&server->accept_paused)) {
        return;
    }
    atomic_store(&server->accept_paused_since_ns, base_clock_monotonic_ns());
    if (atomic_exchange(&server->accept_paused, true)) {
        return;
    }
    atomic_fetch_add(&server->accept_paused_count, 1);
    for (uint32_t i = 0; i < server->worker_count; i++) {
        server_worker_obey_limit(&server->workers[i]);
    }
    server_accept_resume(server); /* if a connection closed after it had been counted */
}

void server_accept_resume(struct server *server)
{
    if (!atomic_load_explicit(&server->accept_paused, memory_order_relaxed) ||
        atomic_load(&server->conn_count) >= server->conn_max ||
        atomic_load(&server->stopping) != SERVER_RUNS ||
        !atomic_exchange(&server->accept_paused, false)) {
        return;
    }
    atomic_fetch_add(&server->accept_paused_ns,
                     base_clock_monotonic_ns() - atomic_load(&server->accept_paused_since_ns));
    for (uint32_t i = 0; i < server->worker_count; i++) {
        server_worker_obey_limit(&server->workers[i]);
    }
}

/* ---- what the engine may ask of its host ---- */

static void host_log(void *context, int level, const char *line)
{
    struct server *server = context;
    enum base_log_level levels[] = {BASE_LOG_ERROR, BASE_LOG_NOTICE, BASE_LOG_DEBUG};
    base_log(levels[level < 0 || level > 2 ? 2 : level], "engine %s: %s", server->engine_ops->name,
             line);
}

static void host_event(void *context, enum larder_event what, const struct larder_ref *item)
{
    server_watch_engine(context, what, item);
}

static const char *host_option(void *context, const char *name)
{
    const struct server *server = context;
    size_t size = strlen(name);
    for (const char *at = server->engine_options; *at != '\0'; at += strlen(at) + 1) {
        if (strncmp(at, name, size) == 0 && (at[size] == '=' || at[size] == '\0')) {
            return at[size] == '=' ? at + size + 1 : at + size;
        }
    }
    return NULL;
}

/* ---- life ---- */

/* "name:option=value,..." to a name and a list of NUL-terminated options. Returns the name (given). */
static char *split_engine(struct server *server, const char *text)
{
    size_t size = strlen(text);
    char *name = calloc(1, size + 1);
    server->engine_options = calloc(1, size + 2);
    if (name == NULL || server->engine_options == NULL) {
        free(name);
        return NULL;
    }
    size_t name_size = strcspn(text, ":");
    memcpy(name, text, name_size);
    if (text[name_size] == ':') {
        memcpy(server->engine_options, text + name_size + 1, size - name_size - 1);
    }
    for (char *at = server->engine_options; *at != '\0'; at++) {
        if (*at == ',') {
            *at = '\0';
        }
    }
    return name;
}

static int load_engine(struct server *server)
{
    char why[256];
    char *name = split_engine(server, server->config->engine);
    if (name == NULL) {
        base_log(BASE_LOG_ERROR, "no memory for the engine's options");
        return -ENOMEM;
    }
    enum engine_load_result result = engine_load(name, &server->engine_module, why, sizeof(why));
    if (result != ENGINE_LOAD_OK) {
        base_log(BASE_LOG_ERROR, "engine %s: %s", name, why);
    }
    free(name);
    return result == ENGINE_LOAD_OK ? 0 : -EINVAL;
}

static int open_engine(struct server *server)
{
    const struct server_config *config = server->config;
    int loaded = load_engine(server);
    if (loaded != 0) {
        return loaded;
    }
    server->engine_ops = server->engine_module.ops;
    server->async = (server->engine_ops->capabilities & LARDER_CAP_ASYNC) != 0;
    server->host = (struct larder_host){
        .size = sizeof(server->host),
        .abi_major = LARDER_ENGINE_ABI_MAJOR,
        .abi_minor = LARDER_ENGINE_ABI_MINOR,
        .context = server,
        .complete = server_parked_complete,
        .log = host_log,
        .event = host_event,
        .wake = server_upkeep_wake,
        .option = host_option,
    };
    struct larder_config engine = {
        .size = sizeof(engine),
        .thread_count = config->worker_count,
        .memory_max = config->memory_size,
        .item_size_max = config->item_size_max,
        .evict = config->evictions,
        .huge_pages = config->large_pages,
    };
    enum larder_result result = server->engine_ops->open(&server->host, &engine, &server->engine);
    if (result != LARDER_OK) {
        base_log(BASE_LOG_ERROR, "engine %s: cannot open with %llu bytes of memory",
                 server->engine_ops->name, (unsigned long long)config->memory_size);
        return -ENOMEM;
    }
    return 0;
}

static int make_workers(struct server *server)
{
    server->workers = calloc(server->config->worker_count, sizeof(*server->workers));
    if (server->workers == NULL) {
        base_log(BASE_LOG_ERROR, "no memory for %u workers", server->config->worker_count);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < server->config->worker_count; i++) {
        server->worker_count++;
        int result = server_worker_init(&server->workers[i], server, i);
        if (result != 0) {
            return result;
        }
    }
    return 0;
}

int server_create(const struct server_config *config, struct server **ret_server)
{
    struct server *server = calloc(1, sizeof(*server));
    if (server == NULL) {
        base_log(BASE_LOG_ERROR, "no memory for the server");
        return -ENOMEM;
    }
    server->magic = SERVER_MAGIC;
    pthread_mutex_init(&server->baseline_lock, NULL);
    pthread_mutex_init(&server->start_lock, NULL);
    server->config = config;
    /* memcached counts descriptors: its own reserve comes off the limit (memcached.c, conn_new). */
    server->conn_max = config->connections_max;
    atomic_store(&server->verbosity, config->verbosity);
    atomic_store(&server->memory_size, config->memory_size);
    base_clock_init(&server->clock, base_clock_monotonic_ns(), base_clock_real_s());
    server->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int result = server->wake_fd < 0 ? -errno : 0;
    if (result == 0) {
        result = server_watch_create(server, &server->watch);
    }
    if (result == 0) {
        result = server_prefixes_create(config, &server->prefixes);
    }
    if (result == 0) {
        result = server_auth_create(config, &server->auth);
    }
    if (result == 0) {
        result = open_engine(server);
    }
    if (result == 0) {
        result = make_workers(server);
    }
    if (result != 0) {
        server_destroy(&server);
        return result;
    }
    *ret_server = server;
    return 0;
}

int server_listen(struct server *server, const struct server_listener *listener)
{
    CHECK_OBJ(server, SERVER_MAGIC);
    if (listener->is_udp && server->udp_count < SERVER_LISTENER_MAX) {
        server->udp[server->udp_count++] = *listener;
        return 0;
    }
    if (server->listener_count == SERVER_LISTENER_MAX) {
        base_log(BASE_LOG_ERROR, "more than %d sockets to listen on", SERVER_LISTENER_MAX);
        close(listener->fd);
        return -E2BIG;
    }
    server->listeners[server->listener_count++] = *listener;
    return 0;
}

void server_use_tls(struct server *server, struct server_tls *tls)
{
    CHECK_OBJ(server, SERVER_MAGIC);
    server->tls = tls;
}

/* SIGHUP: everything that was read from files, again. On the main thread; each says what it did. */
static void reload(struct server *server)
{
    char why[NET_TLS_WHY_MAX];
    if (server->tls == NULL && server->auth == NULL) {
        base_log(BASE_LOG_ERROR, "SIGHUP: there is nothing to reload");
        return;
    }
    if (server->tls != NULL) {
        (void)!server_tls_reload(server->tls, why); /* says itself how it went */
    }
    if (server->auth != NULL) {
        server_auth_reload(server);
    }
}

static void wait_for_stop(struct server *server)
{
    struct pollfd wake = {.fd = server->wake_fd, .events = POLLIN};
    while (atomic_load(&server->stopping) == SERVER_RUNS) {
        uint64_t count;
        wake.revents = 0; /* poll() leaves it as it is when a signal interrupts it */
        if (poll(&wake, 1, -1) < 0 && errno != EINTR) {
            base_log(BASE_LOG_ERROR, "cannot wait for signals: %s", strerrordesc_np(errno));
            return;
        }
        if ((wake.revents & POLLIN) != 0) {
            (void)!read(server->wake_fd, &count, sizeof(count));
        }
        if (atomic_exchange(&server->reload_wanted, false)) {
            reload(server);
        }
    }
}

int server_run(struct server *server)
{
    CHECK_OBJ(server, SERVER_MAGIC);
    /* Signals are for this thread: the others are made with all of them blocked. */
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    int result = 0;
    uint32_t started = 0;
    for (uint32_t i = 0; i < server->worker_count && result == 0; i++) {
        result = server_worker_listen(&server->workers[i]);
    }
    if (result == 0) {
        result = server_auth_start(server->auth);
    }
    if (result == 0) {
        result = server_upkeep_start(server);
    }
    /* Nobody is served before everything runs: a client of the first worker would be dropped if the last cannot start. */
    CHECK(pthread_mutex_lock(&server->start_lock) == 0);
    while (result == 0 && started < server->worker_count) {
        struct server_worker *worker = &server->workers[started];
        result = -pthread_create(&worker->thread, NULL, server_worker_main, worker);
        started += result == 0 ? 1 : 0;
    }
    if (result == 0) {
        result = server_sandbox_enter(server->config);
    }
    server->all_started = result == 0;
    CHECK(pthread_mutex_unlock(&server->start_lock) == 0);
    CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    if (result == 0) {
        wait_for_stop(server);
    } else {
        base_log(BASE_LOG_ERROR, "cannot start: %s", strerrordesc_np(-result));
    }
    bool graceful = atomic_load(&server->stopping) == SERVER_STOPS_GRACEFULLY;
    for (uint32_t i = 0; i < started; i++) {
        server_worker_stop(&server->workers[i], graceful);
    }
    for (uint32_t i = 0; i < started; i++) {
        pthread_join(server->workers[i].thread, NULL);
    }
    server_auth_stop(server->auth);
    server_upkeep_stop(server);
    return result;
}

bool server_all_started(struct server *server)
{
    CHECK(pthread_mutex_lock(&server->start_lock) == 0);
    bool all = server->all_started;
    CHECK(pthread_mutex_unlock(&server->start_lock) == 0);
    return all;
}

void server_stop(struct server *server, bool graceful)
{
    atomic_store(&server->stopping, graceful ? SERVER_STOPS_GRACEFULLY : SERVER_STOPS);
    uint64_t one = 1;
    (void)!write(server->wake_fd, &one, sizeof(one));
}

void server_reload(struct server *server)
{
    atomic_store(&server->reload_wanted, true);
    uint64_t one = 1;
    (void)!write(server->wake_fd, &one, sizeof(one));
}

void server_destroy(struct server **server_pointer)
{
    struct server *server = *server_pointer;
    if (server == NULL) {
        return;
    }
    CHECK_OBJ(server, SERVER_MAGIC);
    if (server->watch != NULL) {
        server_watch_mute(server->watch);
    }
    for (uint32_t i = 0; i < server->worker_count; i++) {
        server_worker_fini(&server->workers[i]);
    }
    free(server->workers);
    for (uint32_t i = 0; i < server->listener_count; i++) {
        close(server->listeners[i].fd);
    }
    for (uint32_t i = 0; i < server->udp_count; i++) {
        close(server->udp[i].fd);
    }
    if (server->engine != NULL) {
        server->engine_ops->close(&server->engine);
    }
    engine_unload(&server->engine_module);
    free(server->engine_options);
    server_watch_destroy(&server->watch);
    server_prefixes_destroy(&server->prefixes);
    server_auth_destroy(&server->auth);
    if (server->wake_fd >= 0) {
        close(server->wake_fd);
    }
    pthread_mutex_destroy(&server->start_lock);
    pthread_mutex_destroy(&server->baseline_lock);
    server->magic = 0;
    free(server);
    *server_pointer = NULL;
}

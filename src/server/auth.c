/* SPDX-License-Identifier: BSD-3-Clause */
/* See auth.h. */
#include "server/auth.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/log.h"
#include "base/text.h"
#include "server/sasl.h"

enum { NAME_SHOWN_MAX = 64 }; /* bytes of a name in the log */

struct server_auth {
    const struct server_config *config; /* borrowed */
    const char *pwdb_path;              /* borrowed from the environment; NULL: none */
    struct server_guard *guard;
    struct server_sasl *sasl; /* NULL: no -S */
    pthread_mutex_t lock;
    struct server_users *users; /* under `lock`; immutable itself */
    _Atomic uint64_t reload_count;
    _Atomic uint64_t reload_failure_count;
};

/* ---- snapshots ---- */

struct server_users *server_auth_get_users(struct server_auth *auth)
{
    CHECK(pthread_mutex_lock(&auth->lock) == 0);
    struct server_users *users = auth->users;
    atomic_fetch_add_explicit(&users->count, 1, memory_order_relaxed);
    CHECK(pthread_mutex_unlock(&auth->lock) == 0);
    return users;
}

void server_auth_put_users(struct server_users **users)
{
    struct server_users *held = *users;
    *users = NULL;
    /* acq_rel: whoever frees it sees what the others did with it. */
    if (held != NULL && atomic_fetch_sub_explicit(&held->count, 1, memory_order_acq_rel) == 1) {
        server_secrets_close(&held->passwords);
        server_secrets_close(&held->pwdb);
        server_rights_close(&held->rights);
        free(held);
    }
}

/* Given, with one count. NULL: *why. */
static struct server_users *read_users(const struct server_auth *auth,
                                       char why[SERVER_ACCESS_WHY_MAX])
{
    const struct server_config *config = auth->config;
    struct server_users *users = calloc(1, sizeof(*users));
    if (users == NULL) {
        strcpy(why, "no memory for the users"); /* NOLINT: it fits */
        return NULL;
    }
    atomic_init(&users->count, 1);
    bool done = true;
    if (config->auth_path != NULL) {
        users->passwords = server_secrets_open(config->auth_path, SERVER_SECRETS_AUTH_FILE, why);
        done = users->passwords != NULL;
    }
    if (done && auth->pwdb_path != NULL) {
        users->pwdb = server_secrets_open(auth->pwdb_path, SERVER_SECRETS_PWDB, why);
        done = users->pwdb != NULL;
    }
    if (done && config->rights_path != NULL) {
        users->rights = server_rights_open(config->rights_path, why);
        done = users->rights != NULL;
    }
    if (!done) {
        server_auth_put_users(&users);
    }
    return users;
}

static void log_users(const struct server_users *users)
{
    base_log(BASE_LOG_NOTICE,
             "users: %zu in the password file, %zu in MEMCACHED_SASL_PWDB, %zu "
             "lines of rights",
             users->passwords != NULL ? server_secrets_count(users->passwords) : 0,
             users->pwdb != NULL ? server_secrets_count(users->pwdb) : 0,
             users->rights != NULL ? server_rights_count(users->rights) : 0);
}

/* ---- life ---- */

int server_auth_create(const struct server_config *config, struct server_auth **ret_auth)
{
    char why[SERVER_ACCESS_WHY_MAX];
    uint64_t seed = 0;
    *ret_auth = NULL;
    if (config->auth_path == NULL && !config->sasl_enabled) {
        return 0;
    }
    struct server_auth *auth = calloc(1, sizeof(*auth));
    if (auth == NULL) {
        base_log(BASE_LOG_ERROR, "no memory to let users in");
        return -ENOMEM;
    }
    auth->config = config;
    auth->pwdb_path = config->sasl_enabled ? secure_getenv("MEMCACHED_SASL_PWDB") : NULL;
    CHECK(pthread_mutex_init(&auth->lock, NULL) == 0);
    (void)!getrandom(&seed, sizeof(seed), 0);
    auth->guard = server_guard_create(config->auth_failures_max, seed);
    auth->users = read_users(auth, why);
    int result = 0;
    if (auth->guard == NULL) {
        base_log(BASE_LOG_ERROR, "no memory to count who fails to log in");
        result = -ENOMEM;
    } else if (auth->users == NULL) {
        base_log(BASE_LOG_ERROR, "%s", why);
        result = -EINVAL;
    } else if (config->sasl_enabled) {
        result = server_sasl_create(auth, &auth->sasl);
    }
    if (result != 0) {
        server_auth_destroy(&auth);
        return result;
    }
    log_users(auth->users);
    *ret_auth = auth;
    return 0;
}

void server_auth_destroy(struct server_auth **auth)
{
    if (*auth != NULL) {
        server_sasl_destroy(&(*auth)->sasl);
        server_auth_put_users(&(*auth)->users);
        server_guard_destroy(&(*auth)->guard);
        pthread_mutex_destroy(&(*auth)->lock);
        free(*auth);
        *auth = NULL;
    }
}

int server_auth_start(struct server_auth *auth)
{
    return auth != NULL && auth->sasl != NULL ? server_sasl_start(auth->sasl) : 0;
}

void server_auth_stop(struct server_auth *auth)
{
    if (auth != NULL && auth->sasl != NULL) {
        server_sasl_stop(auth->sasl);
    }
}

struct server_sasl *server_auth_sasl(struct server_auth *auth)
{
    return auth->sasl;
}

void server_auth_stats(struct server *server, larder_stat_fn fn, void *arg)
{
    char value[32];
    if (server->auth != NULL) {
        (void)snprintf(value, sizeof(value), "%llu",
                       (unsigned long long)atomic_load(&server->auth->reload_count));
        fn(arg, "auth_reloads", value);
        (void)snprintf(value, sizeof(value), "%llu",
                       (unsigned long long)atomic_load(&server->auth->reload_failure_count));
        fn(arg, "auth_reload_failures", value);
    }
}

/* ---- who has come in ---- */

static struct server_auth *auth_of(const struct server_conn *conn)
{
    return conn->worker->server->auth;
}

static struct base_slice name_of(const struct server_access *access)
{
    return (struct base_slice){access->name, access->name_size};
}

/* A copy with a NUL behind it. NULL: no memory. */
static char *copy(struct base_slice bytes)
{
    char *text = malloc(bytes.size + 1);
    if (text != NULL) {
        memcpy(text, bytes.data, bytes.size);
        text[bytes.size] = '\0';
    }
    return text;
}

static void forget(struct server_access *access)
{
    if (access->password != NULL) {
        explicit_bzero(access->password, access->password_size);
        free(access->password);
    }
    free(access->name);
    server_auth_put_users(&access->users);
    access->password = NULL;
    access->name = NULL;
    access->rights = NULL;
}

/* The rights that `users` say the client has; conn->limited follows. `users` is given. */
static void adopt(struct server_conn *conn, struct server_users *users)
{
    struct server_access *access = conn->access;
    server_auth_put_users(&access->users);
    access->users = users;
    access->rights =
        users->rights != NULL ? server_rights_find(users->rights, name_of(access)) : NULL;
    conn->limited = access->rights != NULL && !server_rights_are_all(access->rights);
}

int server_auth_open_conn(struct server_conn *conn)
{
    if (auth_of(conn) == NULL || conn->listener->is_admin) {
        return 0;
    }
    conn->access = calloc(1, sizeof(*conn->access));
    if (conn->access == NULL) {
        return -ENOMEM;
    }
    conn->access->from = server_guard_key_of(&conn->peer, conn->closed_fd);
    server_auth_log_out(conn);
    return 0;
}

void server_auth_drop_token(struct server_access *access)
{
    if (access->token != NULL) {
        explicit_bzero(access->token, access->token_have);
        free(access->token);
        access->token = NULL;
    }
}

void server_auth_close_conn(struct server_conn *conn)
{
    struct server_access *access = conn->access;
    if (access == NULL) {
        return;
    }
    if (access->session != NULL && server_sasl_close(&access->session)) {
        server_auth_failed(conn, BASE_SLICE("")); /* it went away in the middle */
    }
    server_auth_drop_token(access);
    forget(access);
    free(access);
    conn->access = NULL;
}

bool server_auth_log_in(struct server_conn *conn, struct server_users *users,
                        struct base_slice name, struct base_slice password)
{
    struct server_access *access = conn->access;
    forget(access);
    access->name = copy(name);
    access->name_size = name.size;
    if (password.data != NULL) {
        access->password = copy(password);
        access->password_size = password.size;
    }
    if (access->name == NULL || (password.data != NULL && access->password == NULL)) {
        server_auth_put_users(&users);
        forget(access);
        return false;
    }
    SERVER_COUNT(conn->worker, auth_cmds);
    adopt(conn, users);
    if (conn->state == SERVER_CONN_LOGIN) {
        conn->state = SERVER_CONN_COMMAND;
    }
    return true;
}

void server_auth_log_out(struct server_conn *conn)
{
    forget(conn->access);
    conn->limited = true;
    if (conn->state == SERVER_CONN_COMMAND) {
        conn->state = server_auth_between(conn);
    }
}

enum server_conn_state server_auth_between(const struct server_conn *conn)
{
    return server_auth_is_stranger(conn) && conn->protocol != SERVER_PROTOCOL_BINARY
               ? SERVER_CONN_LOGIN
               : SERVER_CONN_COMMAND;
}

/* ---- attempts ---- */

static uint64_t now_ms(void)
{
    return base_clock_monotonic_ns() / 1000000;
}

bool server_auth_may_try(struct server_conn *conn)
{
    if (BASE_LIKELY(server_guard_allows(auth_of(conn)->guard, conn->access->from, now_ms()))) {
        return true;
    }
    SERVER_COUNT(conn->worker, auth_limited);
    return false;
}

void server_auth_failed(struct server_conn *conn, struct base_slice name)
{
    char shown[NAME_SHOWN_MAX * BASE_TEXT_URI_GROWTH + 1];
    char peer[NET_ADDRESS_TEXT_MAX];
    const struct base_slice start = {name.data,
                                     name.size < NAME_SHOWN_MAX ? name.size : NAME_SHOWN_MAX};
    const bool limited = server_guard_failed(auth_of(conn)->guard, conn->access->from, now_ms());
    SERVER_COUNT(conn->worker, auth_cmds);
    SERVER_COUNT(conn->worker, auth_errors);
    if (!base_log_is_on(BASE_LOG_NOTICE)) {
        return;
    }
    (void)net_address_write(&conn->peer, peer);
    shown[base_text_uri_encode(shown, sizeof(shown) - 1, start)] = '\0';
    base_log(BASE_LOG_NOTICE, "connection %llu from %s: %s%s failed to log in",
             (unsigned long long)conn->id, peer, name.size > 0 ? "user " : "somebody", shown);
    if (limited) {
        base_log(BASE_LOG_NOTICE,
                 "%s failed to log in too often and is not listened to for a while", peer);
    }
}

/* ---- a new snapshot ---- */

/* Does the new file let in whom the old one let in? The password is compared, not what it stands on. */
static bool is_still_right(const struct server_access *access, const struct server_users *users)
{
    const struct base_slice password = {access->password, access->password_size};
    return access->password == NULL || /* SASL keeps its own books */
           (users->passwords != NULL &&
            server_secrets_match(users->passwords, name_of(access), password));
}

/* On a worker: its connections, one after the other. */
static void refresh(void *arg)
{
    struct server_worker *worker = arg;
    struct server_auth *auth = worker->server->auth;
    struct server_users *users = server_auth_get_users(auth);
    for (struct server_conn *conn = worker->conns, *next; conn != NULL; conn = next) {
        next = conn->next;
        if (conn->access == NULL || conn->access->users == NULL) {
            continue;
        }
        if (is_still_right(conn->access, users)) {
            atomic_fetch_add_explicit(&users->count, 1, memory_order_relaxed);
            adopt(conn, users);
        } else {
            server_auth_log_out(conn);
        }
        /* What is being streamed is a dump or a watch: those are the administrators'. */
        if (conn->limited && conn->state == SERVER_CONN_STREAM) {
            const struct server_rights *rights = conn->access->rights;
            if (rights == NULL || (rights->commands & SERVER_RIGHT_ADMIN) == 0) {
                conn->state = SERVER_CONN_CLOSING;
                net_stream_close(&conn->stream, false);
            }
        }
    }
    server_auth_put_users(&users);
}

void server_auth_reload(struct server *server)
{
    struct server_auth *auth = server->auth;
    char why[SERVER_ACCESS_WHY_MAX];
    struct server_users *users = read_users(auth, why);
    if (users == NULL) {
        atomic_fetch_add(&auth->reload_failure_count, 1);
        base_log(BASE_LOG_ERROR, "%s; the users and rights from before stay", why);
        return;
    }
    log_users(users);
    CHECK(pthread_mutex_lock(&auth->lock) == 0);
    struct server_users *old = auth->users;
    auth->users = users;
    CHECK(pthread_mutex_unlock(&auth->lock) == 0);
    server_auth_put_users(&old);
    for (uint32_t i = 0; i < server->worker_count; i++) {
        if (net_loop_post(server->workers[i].loop, refresh, &server->workers[i]) != 0) {
            base_log(BASE_LOG_ERROR, "no memory to tell worker %u of the new users", i);
        }
    }
    atomic_fetch_add(&auth->reload_count, 1);
}

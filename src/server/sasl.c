/* SPDX-License-Identifier: BSD-3-Clause */
/* See sasl.h. */
#include "server/sasl.h"

#include <errno.h>
#include <limits.h>
#include <sasl/sasl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

enum {
    MECHANISMS_MAX = 1024, /* bytes of their list */
    LOGS_PER_S = 5,        /* lines of the library's that are let through */
    CALLBACKS = 3,
};

struct server_sasl {
    struct server_auth *auth; /* borrowed */
    sasl_callback_t callbacks[CALLBACKS];
    bool initialised;
    char host[HOST_NAME_MAX + 1]; /* the default realm, as in memcached; empty: the library's */
    char mechanisms[MECHANISMS_MAX];
    size_t mechanisms_size;
    struct base_log_limit log_limit; /* the thread's; before it runs, the main thread's */

    pthread_t thread;
    bool running; /* main thread; workers see it as it was made before them */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool ending;                       /* under `lock`, as the list */
    struct server_sasl_session *first; /* steps to make, and sessions to dispose of */
    struct server_sasl_session **last;
};

enum session_state {
    SESSION_IDLE,  /* nothing asked, or answered */
    SESSION_BUSY,  /* with the thread */
    SESSION_READY, /* answered; the answer was not taken */
};

struct server_sasl_session {
    struct server_sasl *sasl; /* borrowed */
    struct server_sasl_session *next;

    /* the worker's */
    struct server_worker *worker;
    struct server_conn *conn; /* NULL: it has closed */
    enum session_state state;
    bool under_way; /* the last answer was CONTINUE */

    /* the thread's while the state is BUSY, the worker's otherwise */
    sasl_conn_t *cyrus; /* touched by the thread only */
    bool dispose;
    bool begins;
    char mechanism[SERVER_SASL_MECHANISM_MAX + 1];
    char *data; /* given; wiped and freed when the step is made */
    size_t data_size;
    int result;
    const char *challenge; /* the library's, until its next step */
    unsigned challenge_size;
    const char *name;
    size_t name_size;
};

/* ---- what the library calls ---- */

static int on_log(void *context, int level, const char *message)
{
    struct server_sasl *sasl = context;
    /* The levels above show what is exchanged, passwords too. */
    if (level >= SASL_LOG_ERR && level <= SASL_LOG_DEBUG) {
        base_log_limited(&sasl->log_limit,
                         level == SASL_LOG_ERR
                             ? BASE_LOG_ERROR
                             : (level <= SASL_LOG_WARN ? BASE_LOG_NOTICE : BASE_LOG_DEBUG),
                         "SASL: %s", message);
    }
    return SASL_OK;
}

/* MEMCACHED_SASL_PWDB, before the library's own books. */
static int on_check_password(sasl_conn_t *conn, void *context, const char *user,
                             const char *password, unsigned password_size, struct propctx *props)
{
    struct server_sasl *sasl = context;
    const struct base_slice name = {user, strlen(user)};
    struct server_users *users = server_auth_get_users(sasl->auth);
    const bool right =
        users->pwdb != NULL &&
        server_secrets_match(users->pwdb, name, (struct base_slice){password, password_size});
    (void)conn;
    (void)props;
    server_auth_put_users(&users);
    return right ? SASL_OK : SASL_NOAUTHZ;
}

/* ---- life ---- */

static int open_exchange(const struct server_sasl *sasl, sasl_conn_t **ret_cyrus)
{
    /* No anonymous users, and no layer of encryption: the protocol has no place for one. */
    const sasl_security_properties_t security = {.security_flags = SASL_SEC_NOANONYMOUS};
    int result = sasl_server_new("memcached", sasl->host[0] != '\0' ? sasl->host : NULL, NULL, NULL,
                                 NULL, NULL, 0, ret_cyrus);
    if (result == SASL_OK) {
        result = sasl_setprop(*ret_cyrus, SASL_SEC_PROPS, &security);
    }
    return result;
}

static bool list_mechanisms(struct server_sasl *sasl)
{
    sasl_conn_t *cyrus = NULL;
    const char *text = NULL;
    unsigned size = 0;
    int count = 0;
    int result = open_exchange(sasl, &cyrus);
    if (result == SASL_OK) {
        result = sasl_listmech(cyrus, NULL, "", " ", "", &text, &size, &count);
    }
    if (result == SASL_OK && count > 0 && size <= MECHANISMS_MAX) {
        memcpy(sasl->mechanisms, text, size);
        sasl->mechanisms_size = size;
    }
    sasl_dispose(&cyrus);
    if (sasl->mechanisms_size == 0) {
        base_log(BASE_LOG_ERROR,
                 "option -S: SASL has no mechanism to offer (%s): install one "
                 "(libsasl2-modules), and look at mech_list in memcached.conf",
                 sasl_errstring(result, NULL, NULL));
    }
    return sasl->mechanisms_size > 0;
}

int server_sasl_create(struct server_auth *auth, struct server_sasl **ret_sasl)
{
    struct server_sasl *sasl = calloc(1, sizeof(*sasl));
    if (sasl == NULL) {
        base_log(BASE_LOG_ERROR, "option -S: no memory for SASL");
        return -ENOMEM;
    }
    sasl->auth = auth;
    sasl->last = &sasl->first;
    sasl->log_limit.per_s = LOGS_PER_S;
    CHECK(pthread_mutex_init(&sasl->lock, NULL) == 0);
    CHECK(pthread_cond_init(&sasl->wake, NULL) == 0);
    /* The library calls each with its own arguments. */
    sasl->callbacks[0] =
        (sasl_callback_t){SASL_CB_LOG, (int (*)(void))(void (*)(void))on_log, sasl};
    sasl->callbacks[1] = (sasl_callback_t){SASL_CB_SERVER_USERDB_CHECKPASS,
                                           (int (*)(void))(void (*)(void))on_check_password, sasl};
    sasl->callbacks[2] = (sasl_callback_t){SASL_CB_LIST_END, NULL, NULL};
    if (gethostname(sasl->host, sizeof(sasl->host) - 1) != 0) {
        sasl->host[0] = '\0';
    }
    const int result = sasl_server_init(sasl->callbacks, "memcached");
    sasl->initialised = result == SASL_OK;
    if (result != SASL_OK) {
        base_log(BASE_LOG_ERROR, "option -S: cannot initialise SASL: %s",
                 sasl_errstring(result, NULL, NULL));
    }
    if (result != SASL_OK || !list_mechanisms(sasl)) {
        server_sasl_destroy(&sasl);
        return -EINVAL;
    }
    base_log(BASE_LOG_NOTICE, "SASL offers %.*s", (int)sasl->mechanisms_size, sasl->mechanisms);
    *ret_sasl = sasl;
    return 0;
}

void server_sasl_destroy(struct server_sasl **sasl)
{
    if (*sasl != NULL) {
        if ((*sasl)->initialised) {
            sasl_server_done();
        }
        pthread_cond_destroy(&(*sasl)->wake);
        pthread_mutex_destroy(&(*sasl)->lock);
        free(*sasl);
        *sasl = NULL;
    }
}

struct base_slice server_sasl_mechanisms(const struct server_sasl *sasl)
{
    return (struct base_slice){sasl->mechanisms, sasl->mechanisms_size};
}

/* ---- the thread ---- */

static void wipe_data(struct server_sasl_session *session)
{
    if (session->data != NULL) {
        explicit_bzero(session->data, session->data_size);
        free(session->data);
        session->data = NULL;
    }
}

static void dispose(struct server_sasl_session *session)
{
    sasl_dispose(&session->cyrus);
    wipe_data(session);
    free(session);
}

/* A name without the realm that is meant when none is named: users have one name for rights. */
static void take_name(struct server_sasl_session *session)
{
    const char *host = session->sasl->host;
    const void *name = NULL;
    session->result = sasl_getprop(session->cyrus, SASL_USERNAME, &name);
    if (session->result != SASL_OK || name == NULL) {
        session->result = SASL_FAIL;
        return;
    }
    session->name = name;
    session->name_size = strlen(session->name);
    const char *realm = strrchr(session->name, '@');
    if (realm != NULL && host[0] != '\0' && strcmp(realm + 1, host) == 0) {
        session->name_size = (size_t)(realm - session->name);
    }
}

static void make_step(struct server_sasl_session *session)
{
    session->challenge = NULL;
    session->challenge_size = 0;
    if (session->begins) {
        sasl_dispose(&session->cyrus);
        session->result = open_exchange(session->sasl, &session->cyrus);
        if (session->result == SASL_OK) {
            session->result = sasl_server_start(
                session->cyrus, session->mechanism, session->data_size > 0 ? session->data : NULL,
                (unsigned)session->data_size, &session->challenge, &session->challenge_size);
        }
    } else {
        session->result = sasl_server_step(
            session->cyrus, session->data_size > 0 ? session->data : NULL,
            (unsigned)session->data_size, &session->challenge, &session->challenge_size);
    }
    wipe_data(session);
    if (session->result == SASL_OK) {
        take_name(session);
    }
}

static void push(struct server_sasl_session *session)
{
    struct server_sasl *sasl = session->sasl;
    CHECK(pthread_mutex_lock(&sasl->lock) == 0);
    session->next = NULL;
    *sasl->last = session;
    sasl->last = &session->next;
    CHECK(pthread_cond_signal(&sasl->wake) == 0);
    CHECK(pthread_mutex_unlock(&sasl->lock) == 0);
}

/* The next; NULL: the thread ends, all is done. */
static struct server_sasl_session *pop(struct server_sasl *sasl)
{
    CHECK(pthread_mutex_lock(&sasl->lock) == 0);
    while (sasl->first == NULL && !sasl->ending) {
        CHECK(pthread_cond_wait(&sasl->wake, &sasl->lock) == 0);
    }
    struct server_sasl_session *session = sasl->first;
    if (session != NULL) {
        sasl->first = session->next;
        if (sasl->first == NULL) {
            sasl->last = &sasl->first;
        }
    }
    CHECK(pthread_mutex_unlock(&sasl->lock) == 0);
    return session;
}

static void answered(void *arg);

static void *run_steps(void *arg)
{
    struct server_sasl *sasl = arg;
    struct server_sasl_session *session;
    while ((session = pop(sasl)) != NULL) {
        if (session->dispose) {
            dispose(session);
            continue;
        }
        make_step(session);
        if (net_loop_post(session->worker->loop, answered, session) != 0) {
            base_log(BASE_LOG_ERROR, "no memory to tell a client whether it has logged in");
        }
    }
    return NULL;
}

int server_sasl_start(struct server_sasl *sasl)
{
    const int result = pthread_create(&sasl->thread, NULL, run_steps, sasl);
    sasl->running = result == 0;
    if (result != 0) {
        base_log(BASE_LOG_ERROR, "option -S: cannot start SASL's thread: %s",
                 strerrordesc_np(result));
    }
    return -result;
}

void server_sasl_stop(struct server_sasl *sasl)
{
    if (sasl->running) {
        CHECK(pthread_mutex_lock(&sasl->lock) == 0);
        sasl->ending = true;
        CHECK(pthread_cond_signal(&sasl->wake) == 0);
        CHECK(pthread_mutex_unlock(&sasl->lock) == 0);
        CHECK(pthread_join(sasl->thread, NULL) == 0);
        sasl->running = false;
    }
}

/* ---- the worker ---- */

/* The thread has made the step. */
static void answered(void *arg)
{
    struct server_sasl_session *session = arg;
    struct server_conn *conn = session->conn;
    session->state = SESSION_READY;
    if (conn == NULL) {
        (void)server_sasl_close(&session);
        return;
    }
    if (conn->state == SERVER_CONN_PARKED) { /* else it closes */
        conn->state = SERVER_CONN_COMMAND;
        net_stream_resume(&conn->stream);
    }
}

static struct server_sasl_session *open_session(struct server_conn *conn)
{
    struct server_sasl_session *session = calloc(1, sizeof(*session));
    if (session != NULL) {
        session->sasl = server_auth_sasl(conn->worker->server->auth);
        session->worker = conn->worker;
        session->conn = conn;
        conn->access->session = session;
    }
    return session;
}

bool server_sasl_step(struct server_conn *conn, struct base_slice mechanism, struct base_slice data)
{
    struct server_sasl_session *session = conn->access->session;
    if (session == NULL) {
        session = open_session(conn);
    }
    char *copy = session != NULL ? malloc(data.size + 1) : NULL;
    if (copy == NULL) {
        return false;
    }
    CHECK(session->state == SESSION_IDLE && mechanism.size <= SERVER_SASL_MECHANISM_MAX);
    memcpy(copy, data.data, data.size);
    copy[data.size] = '\0'; /* what the library is given has one, says its manual */
    session->data = copy;
    session->data_size = data.size;
    session->begins = mechanism.data != NULL;
    if (session->begins) {
        memcpy(session->mechanism, mechanism.data, mechanism.size);
        session->mechanism[mechanism.size] = '\0';
    }
    session->state = SESSION_BUSY;
    conn->state = SERVER_CONN_PARKED;
    net_stream_pause(&conn->stream);
    push(session);
    return true;
}

bool server_sasl_take(struct server_access *access, struct server_sasl_answer *ret_answer)
{
    struct server_sasl_session *session = access->session;
    if (session == NULL || session->state != SESSION_READY) {
        return false;
    }
    session->state = SESSION_IDLE;
    session->under_way = session->result == SASL_CONTINUE;
    *ret_answer = (struct server_sasl_answer){.outcome = SERVER_SASL_FAILED};
    if (session->result == SASL_CONTINUE) {
        ret_answer->outcome = SERVER_SASL_CONTINUE;
        ret_answer->challenge = (struct base_slice){session->challenge, session->challenge_size};
    } else if (session->result == SASL_OK) {
        ret_answer->outcome = SERVER_SASL_DONE;
        ret_answer->name = (struct base_slice){session->name, session->name_size};
    }
    return true;
}

bool server_sasl_is_under_way(const struct server_access *access)
{
    return access->session != NULL && access->session->under_way;
}

bool server_sasl_close(struct server_sasl_session **session_pointer)
{
    struct server_sasl_session *session = *session_pointer;
    const bool given_up = session->under_way || session->state == SESSION_BUSY;
    *session_pointer = NULL;
    session->conn = NULL;
    session->under_way = false;
    if (session->state == SESSION_BUSY) {
        return given_up; /* answered() will be called */
    }
    session->dispose = true;
    if (session->sasl->running) {
        push(session);
    } else {
        dispose(session);
    }
    return given_up;
}

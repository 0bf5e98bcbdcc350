/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What only streams with TLS have, on both kinds of loop: hand-shakes good, bad and endless,
 * clients' certificates, resumption, ends, key updates. That bytes come and go as without TLS is
 * shown by the other programs, which run with it, too.
 */
#include "rig_tls.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

/* What the loop's thread saw; read when it has ended, or between its counters. */
static struct {
    atomic_uint secured, lines;
    char name[64], subject[128], version[16], error[NET_TLS_WHY_MAX];
} seen;

static void note(char *to, size_t size, const char *text)
{
    snprintf(to, size, "%s", text == NULL ? "none" : text);
}

static void on_secured(struct net_stream *stream)
{
    note(seen.name, sizeof(seen.name), net_stream_tls_name(stream));
    note(seen.subject, sizeof(seen.subject), net_stream_tls_subject(stream));
    note(seen.version, sizeof(seen.version), net_stream_tls_version(stream));
    atomic_fetch_add(&seen.secured, 1);
}

static size_t echo(struct net_stream *stream, char *data, size_t size)
{
    atomic_fetch_add(&seen.lines, 1);
    net_stream_write(stream, data, size);
    return size;
}

static void on_close(struct net_stream *stream, enum net_close_reason reason, int error)
{
    if (reason == NET_CLOSE_TLS) {
        net_stream_tls_error(stream, seen.error);
    }
    rig_closed(stream, reason, error);
}

static const struct net_stream_handler ECHO = {
    .on_data = echo, .on_secured = on_secured, .on_close = on_close};

static void start(struct rig *rig, void **state, struct rig_plan plan, const struct net_tls *tls)
{
    memset(&seen, 0, sizeof(seen));
    plan.kind = rig_kind_of(state);
    plan.handler = plan.handler == NULL ? &ECHO : plan.handler;
    plan.tls = tls;
    rig_start(rig, plan);
}

static uint64_t counted(const _Atomic uint64_t *counter)
{
    return atomic_load(counter);
}

/*
 * To be made again: the kernel tidies up after a ring that this thread has destroyed. Before the
 * call errno is 0.
 */
static bool is_interrupted(int rc)
{
    bool interrupted = rc != 1 && errno == EINTR;
    errno = 0;
    return interrupted;
}

/* A connected client that has shaken hands; NULL: the server would not. session may be NULL. */
static SSL *shake(const struct rig *rig, SSL_CTX *context, SSL_SESSION *session)
{
    SSL *client = SSL_new(context);
    assert_non_null(client);
    int fd = rig_connect_tcp(rig);
    assert_int_equal(SSL_set_fd(client, fd), 1);
    if (session != NULL) {
        assert_int_equal(SSL_set_session(client, session), 1);
    }
    int rc;
    errno = 0;
    do {
        rc = SSL_connect(client);
    } while (is_interrupted(rc));
    if (rc != 1) {
        ERR_clear_error();
        SSL_free(client);
        close(fd);
        return NULL;
    }
    return client;
}

/* True when the server echoes: with TLS 1.3 its refusal comes after the client's hand-shake. */
static bool talks(SSL *client)
{
    char in[5];
    size_t size = 0, part = 0;
    int rc = SSL_write_ex(client, "hello", 5, &part);
    errno = 0;
    while (rc == 1 && size < 5) {
        rc = SSL_read_ex(client, in + size, 5 - size, &part);
        size += rc == 1 ? part : 0;
        rc = is_interrupted(rc) ? 1 : rc;
    }
    ERR_clear_error();
    return size == 5 && memcmp(in, "hello", 5) == 0;
}

static void leave(SSL **client)
{
    if (*client != NULL) {
        close(SSL_get_fd(*client));
        SSL_set_shutdown(*client, SSL_SENT_SHUTDOWN); /* keeps its session good */
        SSL_free(*client);
        *client = NULL;
    }
}

static void test_versions(void **state)
{
    static const struct {
        int client;
        const char *name;
    } cases[] = {{TLS1_2_VERSION, "TLSv1.2"}, {TLS1_3_VERSION, "TLSv1.3"}};
    const struct net_tls_config config = rig_tls_config();
    struct net_tls *tls = rig_tls_create(&config);
    for (unsigned i = 0; i < 2; i++) {
        struct rig rig;
        start(&rig, state, (struct rig_plan){0}, tls);
        SSL_CTX *context = rig_tls_client(cases[i].client);
        SSL_CTX_clear_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
        SSL *client = shake(&rig, context, NULL);
        assert_non_null(client);
        assert_true(talks(client));
        assert_string_equal(SSL_get_version(client), cases[i].name);
        SSL_shutdown(client); /* a proper end is answered with one */
        char byte;
        assert_int_equal(SSL_read(client, &byte, 1), 0);
        assert_int_equal(SSL_get_error(client, 0), SSL_ERROR_ZERO_RETURN);
        assert_true((SSL_get_shutdown(client) & SSL_RECEIVED_SHUTDOWN) != 0);
        leave(&client);
        SSL_CTX_free(context);
        rig_wait(&rig.closed, 1);
        assert_int_equal(rig.close_reasons[NET_CLOSE_PEER], 1);
        assert_int_equal(counted(&net_loop_counters(rig.loop)->tls_handshakes), 1);
        assert_int_equal(counted(&net_loop_counters(rig.loop)->tls_handshake_errors), 0);
        rig_stop(&rig);
        assert_int_equal(seen.secured, 1);
        assert_string_equal(seen.version, cases[i].name);
        assert_string_equal(seen.name, "none");
    }
    net_tls_put(&tls);
}

static void test_version_too_old(void **state)
{
    struct net_tls_config config = rig_tls_config();
    config.version_min = NET_TLS_1_3;
    struct net_tls *tls = rig_tls_create(&config);
    struct rig rig;
    start(&rig, state, (struct rig_plan){0}, tls);
    SSL_CTX *context = rig_tls_client(TLS1_2_VERSION);
    assert_null(shake(&rig, context, NULL));
    rig_wait(&rig.close_reasons[NET_CLOSE_TLS], 1);
    assert_int_equal(counted(&net_loop_counters(rig.loop)->tls_handshake_errors), 1);
    rig_stop(&rig);
    assert_non_null(strstr(seen.error, "unsupported protocol"));
    assert_int_equal(seen.secured, 0);
    SSL_CTX_free(context);
    net_tls_put(&tls);
}

static void test_garbage(void **state)
{
    static const char *const words[] = {"get foo\r\n", "GET / HTTP/1.0\r\n\r\n",
                                        "\x80\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
                                        "\x16\x03\x01\xff\xff garbage in a hand-shake record"};
    const struct net_tls_config config = rig_tls_config();
    struct net_tls *tls = rig_tls_create(&config);
    struct rig rig;
    start(&rig, state, (struct rig_plan){0}, tls);
    SSL_CTX *context = rig_tls_client(0);
    SSL *other = shake(&rig, context, NULL);
    assert_non_null(other);
    for (unsigned i = 0; i < 4; i++) {
        int fd = rig_connect_tcp(&rig);
        rig_send(fd, words[i], i == 2 ? 12 : strlen(words[i]));
        char in[64];
        while (recv(fd, in, sizeof(in), 0) > 0) {
        }
        close(fd);
        rig_wait(&rig.close_reasons[NET_CLOSE_TLS], i + 1);
        assert_true(talks(other));
    }
    assert_int_equal(counted(&net_loop_counters(rig.loop)->tls_handshake_errors), 4);
    /* After the hand-shake: a record that nobody has sealed. */
    int fd = SSL_get_fd(other);
    rig_send(fd, "\x17\x03\x03\x00\x20 thirty-two bytes of no meaning..", 5 + 32);
    rig_wait(&rig.close_reasons[NET_CLOSE_TLS], 5);
    assert_int_equal(counted(&net_loop_counters(rig.loop)->tls_errors), 1);
    leave(&other);
    /* Half a hello, and then nothing. */
    fd = rig_connect_tcp(&rig);
    rig_send(fd, "\x16\x03\x01\x02\x00\x01", 6);
    shutdown(fd, SHUT_WR);
    rig_wait(&rig.close_reasons[NET_CLOSE_TLS], 6);
    close(fd);
    rig_stop(&rig);
    assert_string_equal(seen.error, "the client hung up in the hand-shake");
    SSL_CTX_free(context);
    net_tls_put(&tls);
}

static void test_client_certificates(void **state)
{
    static const struct {
        enum net_tls_verify verify;
        const char *files; /* NULL: none is shown */
        bool welcome;
    } cases[] = {
        {NET_TLS_VERIFY_NONE, NULL, true},           {NET_TLS_VERIFY_NONE, "stranger", true},
        {NET_TLS_VERIFY_REQUEST, NULL, true},        {NET_TLS_VERIFY_REQUEST, "client", true},
        {NET_TLS_VERIFY_REQUEST, "stranger", false}, {NET_TLS_VERIFY_REQUIRE, NULL, false},
        {NET_TLS_VERIFY_REQUIRE, "client", true},    {NET_TLS_VERIFY_REQUIRE, "stranger", false},
    };
    const struct net_tls_config config = rig_tls_config();
    struct net_tls *tls = rig_tls_create(&config);
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *files = cases[i].files;
        char path[128];
        struct rig rig;
        start(&rig, state, (struct rig_plan){.verify = cases[i].verify}, tls);
        SSL_CTX *context = rig_tls_client(i % 2 == 0 ? TLS1_2_VERSION : 0);
        if (files != NULL) {
            snprintf(path, sizeof(path), "%s.pem", rig_tls_path(files));
            assert_int_equal(SSL_CTX_use_certificate_file(context, path, SSL_FILETYPE_PEM), 1);
            snprintf(path, sizeof(path), "%s.key", rig_tls_path(files));
            assert_int_equal(SSL_CTX_use_PrivateKey_file(context, path, SSL_FILETYPE_PEM), 1);
        }
        SSL *client = shake(&rig, context, NULL);
        assert_int_equal(client != NULL && talks(client), cases[i].welcome);
        leave(&client);
        SSL_CTX_free(context);
        rig_wait(&rig.closed, 1);
        rig_stop(&rig);
        bool known = cases[i].welcome && files != NULL && cases[i].verify != NET_TLS_VERIFY_NONE;
        assert_string_equal(seen.name, cases[i].welcome ? known ? "alice" : "none" : "");
        if (known) {
            assert_string_equal(seen.subject, "CN=alice,O=Test Organization");
        } else if (!cases[i].welcome) {
            assert_non_null(strstr(seen.error, files == NULL ? "did not return" : "self-signed"));
        }
    }
    net_tls_put(&tls);
}

static SSL_SESSION *newest;

static int keep_session(SSL *client, SSL_SESSION *session)
{
    (void)client;
    SSL_SESSION_free(newest);
    newest = session;
    return 1;
}

/* A session of a first visit, whatever the version. Given. */
static SSL_SESSION *first_visit(const struct rig *rig, SSL_CTX *context)
{
    SSL *client = shake(rig, context, NULL);
    assert_non_null(client);
    assert_true(talks(client)); /* TLS 1.3 sends it after the hand-shake */
    assert_int_equal(SSL_session_reused(client), 0);
    leave(&client);
    SSL_SESSION *session = newest;
    newest = NULL;
    assert_non_null(session);
    return session;
}

static bool is_resumed(const struct rig *rig, SSL_CTX *context, SSL_SESSION *session)
{
    SSL *client = shake(rig, context, session);
    assert_non_null(client);
    assert_true(talks(client));
    bool resumed = SSL_session_reused(client) == 1;
    leave(&client);
    return resumed;
}

static void test_resumption(void **state)
{
    static const struct {
        int version;
        bool tickets, cache;
    } cases[] = {{TLS1_2_VERSION, true, false},
                 {TLS1_2_VERSION, false, true},
                 {TLS1_3_VERSION, true, false}};
    for (unsigned i = 0; i < 3; i++) {
        struct net_tls_config config = rig_tls_config();
        config.session_cache = cases[i].cache;
        struct net_tls *tls = rig_tls_create(&config);
        struct net_tls *fresh = rig_tls_create(&config);
        struct rig rig, second, asking, renewed;
        start(&renewed, state, (struct rig_plan){0}, fresh);
        start(&asking, state, (struct rig_plan){.verify = NET_TLS_VERIFY_REQUEST}, tls);
        start(&second, state, (struct rig_plan){0}, tls);
        start(&rig, state, (struct rig_plan){0}, tls);
        SSL_CTX *context = rig_tls_client(cases[i].version);
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT);
        SSL_CTX_sess_set_new_cb(context, keep_session);
        if (!cases[i].tickets) {
            SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
        }
        /* On another loop; not where clients are asked for more, nor with other certificates. */
        SSL_SESSION *session = first_visit(&rig, context);
        assert_true(is_resumed(&second, context, session));
        assert_int_equal(counted(&net_loop_counters(second.loop)->tls_resumed), 1);
        assert_false(is_resumed(&asking, context, session));
        assert_false(is_resumed(&renewed, context, session));
        SSL_SESSION_free(session);
        SSL_SESSION_free(newest);
        newest = NULL;
        SSL_CTX_free(context);
        rig_stop(&rig);
        rig_stop(&second);
        rig_stop(&asking);
        rig_stop(&renewed);
        net_tls_put(&tls);
        net_tls_put(&fresh);
    }
}

/* Clients that connect and say nothing are closed in time; others do not notice them. */
static void test_stalled(void **state)
{
    enum { STALLED = 200 };
    const struct net_tls_config config = rig_tls_config();
    struct net_tls *tls = rig_tls_create(&config);
    struct rig rig;
    start(&rig, state, (struct rig_plan){.handshake_timeout_ms = 500}, tls);
    SSL_CTX *context = rig_tls_client(0);
    SSL *early = shake(&rig, context, NULL);
    assert_non_null(early);
    int fds[STALLED];
    for (unsigned i = 0; i < STALLED; i++) {
        fds[i] = rig_connect_tcp(&rig);
        if (i % 2 == 0) {
            rig_send(fds[i], "\x16\x03\x01\x02\x00\x01\x00\x01", 8);
        }
    }
    SSL *late = shake(&rig, context, NULL);
    assert_non_null(late);
    assert_true(talks(late) && talks(early));
    rig_wait(&rig.close_reasons[NET_CLOSE_TLS], STALLED);
    assert_int_equal(counted(&net_loop_counters(rig.loop)->tls_handshake_timeouts), STALLED);
    assert_true(talks(late) && talks(early)); /* no limit for who has shaken hands */
    for (unsigned i = 0; i < STALLED; i++) {
        close(fds[i]);
    }
    leave(&late);
    leave(&early);
    rig_stop(&rig);
    assert_string_equal(seen.error, "the hand-shake took too long");
    SSL_CTX_free(context);
    net_tls_put(&tls);
}

/* More than may be under way: those that had their second go, one for one, the oldest first. */
static void test_bound(void **state)
{
    enum { BOUND = 10, MORE = 5 };
    const struct net_tls_config config = rig_tls_config();
    struct net_tls *tls = rig_tls_create(&config);
    struct rig rig;
    start(&rig, state, (struct rig_plan){.handshake_max = BOUND}, tls);
    int fds[BOUND + MORE + MORE];
    for (unsigned i = 0; i < BOUND + MORE; i++) {
        fds[i] = rig_connect_tcp(&rig);
    }
    rig_wait(&rig.opened, BOUND + MORE);
    assert_int_equal(rig.closed, 0); /* all are young */
    rig_sleep_ms(1100);
    for (unsigned i = 0; i < MORE; i++) {
        fds[BOUND + MORE + i] = rig_connect_tcp(&rig);
    }
    rig_wait(&rig.close_reasons[NET_CLOSE_TLS], MORE);
    for (unsigned i = 0; i < MORE; i++) {
        assert_true(rig_is_ended(fds[i])); /* the oldest */
    }
    assert_int_equal(rig.closed, MORE);
    assert_int_equal(counted(&net_loop_counters(rig.loop)->tls_handshake_evictions), MORE);
    for (unsigned i = 0; i < BOUND + MORE + MORE; i++) {
        close(fds[i]);
    }
    rig_wait(&rig.closed, BOUND + MORE + MORE);
    rig_stop(&rig);
    net_tls_put(&tls);
}

/*
 * A client that asks for key updates and reads nothing: their answers fill its socket. The server
 * then waits for room, and not in circles.
 */
static void test_key_updates_unread(void **state)
{
    const struct net_tls_config config = rig_tls_config();
    struct net_tls *tls = rig_tls_create(&config);
    struct rig rig;
    start(&rig, state, (struct rig_plan){0}, tls);
    SSL_CTX *context = rig_tls_client(TLS1_3_VERSION);
    SSL *client = shake(&rig, context, NULL);
    assert_non_null(client);
    assert_true(talks(client));
    int fd = SSL_get_fd(client);
    assert_int_equal(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK), 0);
    bool blocked = false;
    for (unsigned i = 0; i < 1000000 && !blocked; i++) {
        (void)SSL_key_update(client, SSL_KEY_UPDATE_REQUESTED);
        if (SSL_do_handshake(client) != 1) {
            ERR_clear_error();
            struct pollfd room = {.fd = fd, .events = POLLOUT};
            blocked = poll(&room, 1, 500) == 0;
        }
    }
    assert_true(blocked); /* the server has stopped reading */
    unsigned turns = rig.before_waits;
    rig_sleep_ms(300);
    assert_true(rig.before_waits < turns + 20);
    assert_int_equal(rig.closed, 0);
    leave(&client);
    rig_wait(&rig.closed, 1);
    rig_stop(&rig);
    SSL_CTX_free(context);
    net_tls_put(&tls);
}

/* The stream of a loop that ends in the middle of hand-shakes. */
static void test_stop_while_shaking(void **state)
{
    const struct net_tls_config config = rig_tls_config();
    struct net_tls *tls = rig_tls_create(&config);
    struct rig rig;
    start(&rig, state, (struct rig_plan){0}, tls);
    int fds[20];
    for (unsigned i = 0; i < 20; i++) {
        fds[i] = rig_connect_tcp(&rig);
    }
    rig_wait(&rig.opened, 20);
    net_tls_put(&tls); /* the streams need it no more */
    rig_stop(&rig);
    for (unsigned i = 0; i < 20; i++) {
        close(fds[i]);
    }
}

int main(int argc, char **argv)
{
    enum net_loop_kind kind = rig_kind(argc, argv);
    rig_tls_prepare();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_versions, &kind),
        cmocka_unit_test_prestate(test_version_too_old, &kind),
        cmocka_unit_test_prestate(test_garbage, &kind),
        cmocka_unit_test_prestate(test_client_certificates, &kind),
        cmocka_unit_test_prestate(test_resumption, &kind),
        cmocka_unit_test_prestate(test_stalled, &kind),
        cmocka_unit_test_prestate(test_bound, &kind),
        cmocka_unit_test_prestate(test_key_updates_unread, &kind),
        cmocka_unit_test_prestate(test_stop_while_shaking, &kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* See rig_tls.h. */
#include "rig_tls.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

enum { FDS_MAX = 4096 };

static char folder[64];
static pid_t owner;
static struct net_tls *usual;
static SSL_CTX *usual_client;
/* By descriptor. A test that closes one leaves its session here for the next that has the number. */
static SSL *sessions[FDS_MAX];
static size_t offered[FDS_MAX]; /* in a send that was not taken: no less may be offered again */

static void run(const char *words)
{
    char command[512];
    snprintf(command, sizeof(command), "%s '%s'", words, folder);
    if (system(command) != 0) {
        fprintf(stderr, "failed: %s\n", command);
        exit(1);
    }
}

static void clean(void)
{
    for (int fd = 0; fd < FDS_MAX; fd++) {
        SSL_free(sessions[fd]);
    }
    SSL_CTX_free(usual_client);
    net_tls_put(&usual);
    if (owner == getpid()) {
        run("rm -rf");
    }
}

void rig_tls_prepare(void)
{
    const char *maker = getenv("MAKE_CERTIFICATES");
    if (owner != 0) {
        return;
    }
    if (maker == NULL) {
        fprintf(stderr, "MAKE_CERTIFICATES is to name test/lib/make-certificates\n");
        exit(2);
    }
    (void)signal(SIGPIPE, SIG_IGN);
    snprintf(folder, sizeof(folder), "/tmp/larder-tls-test-XXXXXX");
    if (mkdtemp(folder) == NULL) {
        perror(folder);
        exit(1);
    }
    owner = getpid();
    (void)atexit(clean);
    run(maker);
}

const char *rig_tls_path(const char *name)
{
    static char paths[32][128];
    static unsigned next;
    char *path = paths[next++ % 32];
    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

struct net_tls_config rig_tls_config(void)
{
    return (struct net_tls_config){
        .chain_path = rig_tls_path("server.pem"),
        .key_path = rig_tls_path("server.key"),
        .ca_path = rig_tls_path("ca.pem"),
        .version_min = NET_TLS_1_2,
        .record_size = NET_TLS_RECORD_MAX,
    };
}

struct net_tls *rig_tls_create(const struct net_tls_config *config)
{
    struct net_tls *tls = NULL;
    char why[NET_TLS_WHY_MAX] = "";
    if (net_tls_create(config, &tls, why) != 0) {
        fail_msg("%s", why);
    }
    return tls;
}

SSL_CTX *rig_tls_client(int version)
{
    SSL_CTX *client = SSL_CTX_new(TLS_client_method());
    assert_non_null(client);
    assert_int_equal(SSL_CTX_load_verify_file(client, rig_tls_path("ca.pem")), 1);
    SSL_CTX_set_verify(client, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(client, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_options(client, SSL_OP_IGNORE_UNEXPECTED_EOF);
    assert_int_equal(SSL_CTX_set_max_proto_version(client, version), 1);
    return client;
}

/* ---- for tests that do not know ---- */

const struct net_tls *rig_tls_usual(void)
{
    return usual;
}

void rig_tls_use(void)
{
    rig_tls_prepare();
    const struct net_tls_config config = rig_tls_config();
    usual = rig_tls_create(&config);
    usual_client = rig_tls_client(0);
}

void rig_tls_connected(int fd)
{
    assert_true(fd < FDS_MAX);
    SSL_free(sessions[fd]);
    offered[fd] = 0;
    sessions[fd] = SSL_new(usual_client);
    assert_non_null(sessions[fd]);
    assert_int_equal(SSL_set_fd(sessions[fd], fd), 1);
    SSL_set_connect_state(sessions[fd]); /* shakes hands with the first byte either way */
}

static void set_waiting(int fd, bool wait)
{
    int flags = fcntl(fd, F_GETFL);
    int wanted = wait ? flags & ~O_NONBLOCK : flags | O_NONBLOCK;
    if (flags != wanted) {
        assert_int_equal(fcntl(fd, F_SETFL, wanted), 0);
    }
}

/* What a system call would have returned. */
static ssize_t outcome(int fd, int result, size_t size)
{
    int saved = errno;
    int kind = SSL_get_error(sessions[fd], result);
    ERR_clear_error();
    if (result == 1) {
        return (ssize_t)size;
    }
    if (kind == SSL_ERROR_ZERO_RETURN) {
        return 0;
    }
    bool waits = kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE;
    errno = waits                                     ? (saved == EINTR ? EINTR : EAGAIN)
            : kind == SSL_ERROR_SYSCALL && saved != 0 ? saved
                                                      : ECONNRESET;
    return -1;
}

ssize_t rig_tls_send(int fd, const void *data, size_t size, bool wait)
{
    size_t sent = 0;
    set_waiting(fd, wait);
    ERR_clear_error();
    size = size < offered[fd] ? offered[fd] : size;
    const int rc = SSL_write_ex(sessions[fd], data, size, &sent);
    ssize_t result = outcome(fd, rc, sent);
    offered[fd] = result < 0 && errno == EAGAIN ? size : 0;
    return result;
}

ssize_t rig_tls_recv(int fd, void *data, size_t size, bool wait)
{
    size_t received = 0;
    set_waiting(fd, wait);
    ERR_clear_error();
    const int rc = SSL_read_ex(sessions[fd], data, size, &received);
    return outcome(fd, rc, received);
}

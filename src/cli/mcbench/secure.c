/* SPDX-License-Identifier: BSD-3-Clause */
/* TLS of a client: see secure.h. */
#include "cli/mcbench/secure.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_SIZE = 256, ERROR_MAX = 512, COMPLAINT_MAX = 4096 };

struct bench_secure {
    SSL_CTX *ssl;
};

struct bench_session {
    SSL *ssl;
    char error[ERROR_MAX];
};

/* "HOST:PORT", "[V6]:PORT" to the host alone; a path has none. */
static bool host_of(const char *address, char host[static NAME_MAX_SIZE])
{
    const char *colon = strrchr(address, ':');
    const bool is_bracketed = address[0] == '[' && colon != NULL && colon > address + 1;
    const char *start = is_bracketed ? address + 1 : address;
    const size_t size = colon == NULL ? 0 : (size_t)(colon - start) - (is_bracketed ? 1 : 0);

    if (strchr(address, '/') != NULL || size == 0 || size >= NAME_MAX_SIZE) {
        return false;
    }
    memcpy(host, start, size);
    host[size] = '\0';
    return true;
}

static bool set_trust(SSL_CTX *ssl, const char *ca_path, bool is_trusting, const char *address)
{
    X509_VERIFY_PARAM *rules = SSL_CTX_get0_param(ssl);
    char host[NAME_MAX_SIZE];

    if (is_trusting) {
        return true;
    }
    SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, NULL);
    if (host_of(address, host) && X509_VERIFY_PARAM_set1_ip_asc(rules, host) != 1 &&
        X509_VERIFY_PARAM_set1_host(rules, host, 0) != 1) {
        return false;
    }
    return (ca_path == NULL ? SSL_CTX_set_default_verify_paths(ssl)
                            : SSL_CTX_load_verify_file(ssl, ca_path)) == 1;
}

int bench_secure_create(const char *ca_path, bool is_trusting, const char *address,
                        struct bench_secure **ret_secure, char complaint[static COMPLAINT_MAX])
{
    struct bench_secure *secure = calloc(1, sizeof(*secure));

    if (secure == NULL || (secure->ssl = SSL_CTX_new(TLS_client_method())) == NULL) {
        free(secure);
        (void)snprintf(complaint, COMPLAINT_MAX, "no memory for TLS");
        return -ENOMEM;
    }
    if (!set_trust(secure->ssl, ca_path, is_trusting, address)) {
        char words[256];

        ERR_error_string_n(ERR_peek_error(), words, sizeof(words));
        (void)snprintf(complaint, COMPLAINT_MAX, "--tls-ca %s: %s",
                       ca_path == NULL ? "(the system's)" : ca_path, words);
        ERR_clear_error();
        bench_secure_destroy(&secure);
        return -EINVAL;
    }
    SSL_CTX_set_mode(secure->ssl,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_options(secure->ssl, SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_session_cache_mode(secure->ssl, SSL_SESS_CACHE_OFF);
    (void)signal(SIGPIPE, SIG_IGN); /* OpenSSL sends with write(2) */
    *ret_secure = secure;
    return 0;
}

void bench_secure_destroy(struct bench_secure **secure)
{
    if (*secure != NULL) {
        SSL_CTX_free((*secure)->ssl);
        free(*secure);
        *secure = NULL;
    }
}

void bench_secure_close(struct bench_session **session)
{
    if (*session != NULL) {
        SSL_free((*session)->ssl);
        free(*session);
        *session = NULL;
    }
}

struct bench_session *bench_secure_open(struct bench_secure *secure, int fd)
{
    struct bench_session *session = calloc(1, sizeof(*session));

    if (session == NULL) {
        return NULL;
    }
    session->ssl = SSL_new(secure->ssl);
    if (session->ssl == NULL || SSL_set_fd(session->ssl, fd) != 1) {
        ERR_clear_error();
        bench_secure_close(&session);
        return NULL;
    }
    SSL_set_connect_state(session->ssl);
    return session;
}

/* What the system call would have said. result: not 1. */
static ssize_t refusal(struct bench_session *session, int result)
{
    const int saved = errno;
    const int kind = SSL_get_error(session->ssl, result);
    const unsigned long error = ERR_peek_error();
    const long verified = SSL_get_verify_result(session->ssl);

    ERR_clear_error();
    if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE) {
        errno = EAGAIN;
        return -1;
    }
    if (kind == SSL_ERROR_ZERO_RETURN) {
        return 0;
    }
    if (error == 0) {
        (void)snprintf(session->error, ERROR_MAX, "the connection ended");
        errno = saved == 0 ? ECONNRESET : saved;
        return -1;
    }
    ERR_error_string_n(error, session->error, ERROR_MAX / 2);
    if (verified != X509_V_OK) {
        const size_t used = strlen(session->error);

        (void)snprintf(session->error + used, ERROR_MAX - used, ": %s",
                       X509_verify_cert_error_string(verified));
    }
    errno = EPROTO;
    return -1;
}

ssize_t bench_secure_send(struct bench_session *session, const char *data, size_t size)
{
    size_t sent = 0;
    int result;

    errno = 0;
    result = SSL_write_ex(session->ssl, data, size, &sent);
    return result == 1 ? (ssize_t)sent : refusal(session, result);
}

ssize_t bench_secure_recv(struct bench_session *session, char *to, size_t room)
{
    size_t total = 0;

    while (total < room) {
        size_t part = 0;
        int result;

        errno = 0;
        result = SSL_read_ex(session->ssl, to + total, room - total, &part);
        if (result != 1) {
            const ssize_t refused = refusal(session, result);

            return total > 0 ? (ssize_t)total : refused;
        }
        total += part;
        if (SSL_pending(session->ssl) == 0) {
            break; /* epoll knows of the rest */
        }
    }
    return (ssize_t)total;
}

bool bench_secure_holds(const struct bench_session *session)
{
    return SSL_pending(session->ssl) > 0;
}

const char *bench_secure_error(const struct bench_session *session)
{
    return session->error;
}

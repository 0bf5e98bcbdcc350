/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A stream that speaks TLS: its hand-shake, and reading and writing in place of recv() and send().
 *
 *      socket -> OpenSSL's buffer -> the loop's buffer, or the target of net_stream_receive()
 *      blocks and lent pieces -> one record's worth together -> OpenSSL's buffer -> socket
 *
 * Everything around it (on_data(), blocks, lent pieces, back-pressure) is as without TLS. Three
 * things are different, because OpenSSL has buffers of its own:
 *   STREAM_TLS_MORE     it may hold bytes that no readiness will announce: the stream is serviced
 *                       again in the next turn, without being asked for
 *   STREAM_TLS_BLOCKED  it has to write before it can read on: nothing is read until the socket
 *                       takes bytes again
 *   a write that the socket did not take is made; it has to be offered again with the same bytes,
 *   at least as many, wherever they are by then. net_tls_flush() always offers as much as there is
 *   of the head of the output, up to a record, and the head stays until it is sent: that is so.
 *
 * Hand-shakes are the dear part. A loop makes at most HANDSHAKE_TURN_MAX steps of them in a turn, so
 * that a thousand clients that come at once do not stop those that are there; the time limit and
 * the bound on hand-shakes under way (net_loop_config) take care of those that never end.
 */
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "net/tls_priv.h"

enum {
    HANDSHAKE_TURN_MAX = 8,    /* steps, of half a millisecond at worst */
    HANDSHAKE_GRACE_MS = 1000, /* that every hand-shake has, however many there are */
    SUBJECT_MAX = 1024,        /* bytes of a subject that is remembered */
};

static uint64_t now_ms(void)
{
    struct timespec now;
    CHECK(clock_gettime(CLOCK_MONOTONIC_COARSE, &now) == 0);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- hand-shakes under way, oldest first ---- */

static void handshake_link(struct net_tls_session *session)
{
    struct net_tls_loop *loop = &session->stream->loop->tls;
    session->handshaking = true;
    session->began_ms = now_ms();
    session->older = loop->newest;
    if (loop->newest != NULL) {
        loop->newest->newer = session;
    } else {
        loop->oldest = session;
    }
    loop->newest = session;
    loop->handshake_count++;
}

static void handshake_unlink(struct net_tls_session *session)
{
    struct net_tls_loop *loop = &session->stream->loop->tls;
    if (!session->handshaking) {
        return;
    }
    session->handshaking = false;
    if (session->older != NULL) {
        session->older->newer = session->newer;
    } else {
        loop->oldest = session->newer;
    }
    if (session->newer != NULL) {
        session->newer->older = session->older;
    } else {
        loop->newest = session->older;
    }
    loop->handshake_count--;
}

static void give_up(struct net_tls_session *session, const char *reason)
{
    handshake_unlink(session);
    session->reason = reason;
    session->broken = true;
    net_stream_fail(session->stream, NET_CLOSE_TLS, 0);
}

void net_tls_tick(struct net_loop *loop)
{
    const uint64_t now = now_ms();
    struct net_tls_session *oldest;
    while (loop->config.handshake_timeout_ms > 0 && (oldest = loop->tls.oldest) != NULL &&
           now - oldest->began_ms >= loop->config.handshake_timeout_ms) {
        net_count(&loop->counters.tls_handshake_timeouts, 1);
        give_up(oldest, "the hand-shake took too long");
    }
}

/* More than there may be: the oldest goes, if it had time enough. */
static void bound_handshakes(struct net_loop *loop)
{
    struct net_tls_session *oldest = loop->tls.oldest;
    if (loop->config.handshake_max > 0 && loop->tls.handshake_count > loop->config.handshake_max &&
        now_ms() - oldest->began_ms >= HANDSHAKE_GRACE_MS) {
        net_count(&loop->counters.tls_handshake_evictions, 1);
        give_up(oldest, "too many hand-shakes, and this one was the oldest");
    }
}

/* ---- life ---- */

static void session_free(struct net_tls_session *session)
{
    SSL_free(session->ssl);
    free(session->name);
    free(session->subject);
    free(session);
}

static int session_create(struct net_stream *stream, int fd, const struct net_tls *tls,
                          enum net_tls_verify verify, struct net_tls_session **ret_session)
{
    static const int modes[] = {SSL_VERIFY_NONE, SSL_VERIFY_PEER,
                                SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT};
    /* A session that began without a certificate is not to be resumed where one is asked for. */
    const unsigned char scope[] = {'l', 'a', 'r', 'd', 'e', 'r', (unsigned char)('0' + verify)};
    if (stream->loop->tls.gathered == NULL) {
        stream->loop->tls.gathered = malloc(NET_TLS_RECORD_MAX);
    }
    struct net_tls_session *session = calloc(1, sizeof(*session));
    if (session == NULL || stream->loop->tls.gathered == NULL) {
        free(session);
        return -ENOMEM;
    }
    session->stream = stream;
    session->record_size = tls->record_size;
    session->ssl = SSL_new(tls->ssl);
    if (session->ssl == NULL || SSL_set_fd(session->ssl, fd) != 1 ||
        SSL_set_session_id_context(session->ssl, scope, sizeof(scope)) != 1) {
        ERR_clear_error();
        session_free(session);
        return -ENOMEM;
    }
    SSL_set_verify(session->ssl, modes[verify], NULL);
    SSL_set_accept_state(session->ssl);
    *ret_session = session;
    return 0;
}

int net_stream_open_tls(struct net_loop *loop, struct net_stream *stream, int fd,
                        const struct net_stream_handler *handler, const struct net_tls *tls,
                        enum net_tls_verify verify)
{
    CHECK_OBJ(tls, NET_TLS_MAGIC);
    struct net_tls_session *session = NULL;
    *stream = (struct net_stream){.loop = loop};
    int rc = session_create(stream, fd, tls, verify, &session);
    if (rc != 0) {
        return rc;
    }
    rc = net_stream_open_with(loop, stream, fd, handler, session);
    if (rc != 0) {
        session_free(session);
        return rc;
    }
    handshake_link(session);
    bound_handshakes(loop);
    return 0;
}

void net_tls_goodbye(struct net_stream *stream)
{
    struct net_tls_session *session = stream->tls;
    if (session->closing) {
        return;
    }
    session->closing = true;
    /* Not after an error; and not in the middle of an answer, which has to look cut off. */
    if (!session->broken && !session->handshaking && stream->out_size == 0) {
        ERR_clear_error();
        (void)SSL_shutdown(session->ssl);
    } else if (!session->broken) {
        SSL_set_shutdown(session->ssl, SSL_SENT_SHUTDOWN); /* or its session could not be resumed */
    }
    handshake_unlink(session);
}

void net_tls_end(struct net_tls_session *session)
{
    session_free(session);
}

/* ---- failure ---- */

/*
 * What OpenSSL wants before it can go on, when that is no error. `writing`: in the middle of a write
 * it may not want to read: that takes half of a key update, which no client sends.
 */
static bool waits(struct net_stream *stream, int result, bool writing)
{
    switch (SSL_get_error(stream->tls->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return !writing;
    case SSL_ERROR_WANT_WRITE:
        stream->state |= STREAM_WAIT_OUT;
        if (!writing) {
            stream->state |= STREAM_TLS_BLOCKED | STREAM_TLS_MORE;
        }
        return true;
    default:
        return false;
    }
}

/* result: of the call that failed, errno still its own. */
static void session_failed(struct net_stream *stream, int result, int saved_errno)
{
    struct net_tls_session *session = stream->tls;
    const int kind = SSL_get_error(session->ssl, result);
    session->error = ERR_peek_error();
    session->verify_error = SSL_get_verify_result(session->ssl);
    session->broken = true;
    ERR_clear_error();
    if (session->handshaking) {
        net_count(&stream->loop->counters.tls_handshake_errors, 1);
        handshake_unlink(session);
        if (session->error == 0) {
            session->reason = saved_errno == 0 ? "the client hung up in the hand-shake"
                                               : strerrordesc_np(saved_errno);
        }
        net_stream_fail(stream, NET_CLOSE_TLS, 0);
    } else if (kind == SSL_ERROR_SYSCALL && session->error == 0) {
        net_stream_fail(stream, NET_CLOSE_ERROR, saved_errno == 0 ? ECONNRESET : saved_errno);
    } else {
        net_count(&stream->loop->counters.tls_errors, 1);
        if (session->error == 0) {
            session->reason = "a message was cut off";
        }
        net_stream_fail(stream, NET_CLOSE_TLS, 0);
    }
}

size_t net_stream_tls_error(const struct net_stream *stream, char out[NET_TLS_WHY_MAX])
{
    const struct net_tls_session *session = stream->tls;
    char words[256];
    if (session == NULL) {
        out[0] = '\0';
        return 0;
    }
    if (session->reason != NULL) {
        (void)snprintf(words, sizeof(words), "%s", session->reason);
    } else {
        ERR_error_string_n(session->error, words, sizeof(words));
    }
    const bool unverified = session->verify_error != X509_V_OK;
    int size = snprintf(out, NET_TLS_WHY_MAX, "%s%s%s", words, unverified ? ": " : "",
                        unverified ? X509_verify_cert_error_string(session->verify_error) : "");
    return (size_t)size;
}

/* ---- the hand-shake ---- */

/* The name in a subject, as text without a NUL inside; NULL when there is none. Given. */
static char *common_name(X509_NAME *subject)
{
    const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0) {
        return NULL;
    }
    unsigned char *utf8 = NULL;
    const int size =
        ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    if (size < 0) {
        ERR_clear_error();
        return NULL;
    }
    /* "admin\0.example.org" is not admin. */
    char *name =
        memchr(utf8, '\0', (size_t)size) == NULL ? strndup((char *)utf8, (size_t)size) : NULL;
    OPENSSL_free(utf8);
    return name;
}

static char *whole_subject(X509_NAME *subject)
{
    char text[SUBJECT_MAX];
    BIO *memory = BIO_new(BIO_s_mem());
    int size = -1;
    if (memory != NULL && X509_NAME_print_ex(memory, subject, 0, XN_FLAG_RFC2253) >= 0) {
        size = BIO_read(memory, text, sizeof(text));
    }
    BIO_free(memory);
    ERR_clear_error();
    return size < 0 ? NULL : strndup(text, (size_t)size);
}

static void note_client(struct net_tls_session *session)
{
    const X509 *certificate = SSL_get0_peer_certificate(session->ssl);
    if (certificate != NULL) {
        session->name = common_name(X509_get_subject_name(certificate));
        session->subject = whole_subject(X509_get_subject_name(certificate));
    }
}

const char *net_stream_tls_name(const struct net_stream *stream)
{
    return stream->tls == NULL ? NULL : stream->tls->name;
}

const char *net_stream_tls_subject(const struct net_stream *stream)
{
    return stream->tls == NULL ? NULL : stream->tls->subject;
}

const char *net_stream_tls_version(const struct net_stream *stream)
{
    const struct net_tls_session *session = stream->tls;
    return session == NULL || session->handshaking ? NULL : SSL_get_version(session->ssl);
}

/* One step. True when it is over, and well. */
static bool handshake(struct net_stream *stream)
{
    struct net_tls_session *session = stream->tls;
    struct net_loop *loop = stream->loop;
    if (loop->tls.step_count >= HANDSHAKE_TURN_MAX) {
        stream->state |= STREAM_TLS_MORE; /* in the next turn */
        return false;
    }
    loop->tls.step_count++;
    ERR_clear_error();
    errno = 0;
    const int result = SSL_do_handshake(session->ssl);
    const int saved_errno = errno;
    if (result != 1) {
        if (!waits(stream, result, false)) {
            session_failed(stream, result, saved_errno);
        }
        return false;
    }
    handshake_unlink(session);
    note_client(session);
    net_count(&loop->counters.tls_handshakes, 1);
    net_count(&loop->counters.tls_resumed, SSL_session_reused(session->ssl) == 1 ? 1 : 0);
    net_count(&loop->counters.tls_kernel, BIO_get_ktls_send(SSL_get_wbio(session->ssl)) ? 1 : 0);
    if (stream->handler->on_secured != NULL) {
        stream->handler->on_secured(stream);
    }
    return !net_stream_is(stream, STREAM_CLOSING);
}

/* ---- bytes ---- */

/* Some bytes, or none; *ret_more: there may be more of them now. */
static size_t read_some(struct net_stream *stream, char *to, size_t size)
{
    struct net_tls_session *session = stream->tls;
    /* A value is read to its end or to the socket's; requests are answered first. */
    const bool all = stream->receive_to != NULL;
    size_t total = 0;
    while (total < size) {
        size_t part = 0;
        ERR_clear_error();
        errno = 0;
        const int result = SSL_read_ex(session->ssl, to + total, size - total, &part);
        const int saved_errno = errno;
        if (result != 1) {
            if (SSL_get_error(session->ssl, result) == SSL_ERROR_ZERO_RETURN) {
                stream->state |= STREAM_ENDED;
            } else if (!waits(stream, result, false)) {
                session_failed(stream, result, saved_errno);
            }
            return total;
        }
        total += part;
        if (!all && SSL_has_pending(session->ssl) == 0) {
            return total; /* what is in the socket is announced */
        }
    }
    stream->state |= STREAM_TLS_MORE;
    return total;
}

bool net_tls_receive(struct net_stream *stream, char *to, size_t size, size_t *ret_received)
{
    stream->state &= ~(uint32_t)STREAM_TLS_MORE;
    if (stream->tls->broken || (stream->tls->handshaking && !handshake(stream))) {
        return false;
    }
    const size_t received = read_some(stream, to, size);
    net_count(&stream->loop->counters.receives, 1);
    net_count(&stream->loop->counters.bytes_in, received);
    *ret_received = received;
    return received > 0;
}

/* The first `size` bytes of the pieces, in one. */
static const void *together(struct net_loop *loop, const struct iovec *pieces, size_t size)
{
    if (pieces[0].iov_len >= size) {
        return pieces[0].iov_base;
    }
    for (size_t done = 0; done < size; pieces++) {
        const size_t part = pieces->iov_len < size - done ? pieces->iov_len : size - done;
        memcpy(loop->tls.gathered + done, pieces->iov_base, part);
        done += part;
    }
    return loop->tls.gathered;
}

void net_tls_flush(struct net_stream *stream)
{
    struct net_tls_session *session = stream->tls;
    while (stream->out_size > 0 && !session->handshaking && !session->broken &&
           !net_stream_is(stream, STREAM_WAIT_OUT | STREAM_CLOSING)) {
        struct iovec pieces[NET_IOVEC_MAX];
        size_t size = 0;
        size_t sent = 0;
        (void)net_output_pieces(stream, pieces, &size);
        size = size < session->record_size ? size : session->record_size;
        const void *data = together(stream->loop, pieces, size);
        ERR_clear_error();
        errno = 0;
        const int result = SSL_write_ex(session->ssl, data, size, &sent);
        const int saved_errno = errno;
        net_count(&stream->loop->counters.sends, 1);
        if (result == 1) {
            net_output_sent(stream, sent);
        } else if (!waits(stream, result, true)) {
            session_failed(stream, result, saved_errno);
        }
    }
}

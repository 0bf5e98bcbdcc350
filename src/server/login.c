/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The text protocol's log-in, as memcached has it: the first thing to send is a set of any key whose
 * value is "user password". Everything else is answered "unauthenticated", line by line.
 *
 * The value may come in pieces. What is there of it is copied into memory of its own and wiped where
 * it was, so that nobody's password lies about in a buffer.
 */
#include "base/num.h"
#include "proto/text.h"
#include "server/auth.h"
#include "server/command.h"

#include <stdlib.h>
#include <string.h>

enum {
    LINE_MAX_SIZE = 2048,   /* bytes without a newline: nothing we want to read, says memcached */
    TOKEN_MAX_SIZE = 16384, /* bytes of a log-in's value, memcached's bound since 1.6.45 */
    END_SIZE = 2,           /* bytes of \r\n */
};

/* One answer. Returns the bytes consumed: all of them when the connection goes. */
static size_t say(struct server_conn *conn, enum proto_error error, size_t used, size_t size)
{
    if (server_reply_bad_line(conn, error) == SERVER_DONE) {
        return used;
    }
    conn->state = SERVER_CONN_CLOSING;
    net_stream_close(&conn->stream, true);
    return size;
}

static size_t cut_off(struct server_conn *conn, size_t size)
{
    SERVER_COUNT(conn->worker, conn_cut_line);
    conn->cut_off = true;
    conn->state = SERVER_CONN_CLOSING;
    net_stream_close(&conn->stream, true);
    return size;
}

/* "set <key> <flags> <exptime> <bytes>", and what may follow. Returns whether it is one. */
static bool parse_line(struct base_slice line, uint32_t *ret_size)
{
    struct base_slice words[5];
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (!proto_text_next_token(&line, &words[i])) {
            return false;
        }
    }
    return base_slice_equal(words[0], BASE_SLICE("set")) && base_num_parse_u32(words[4], ret_size);
}

/* "user password", without its end. */
static size_t check(struct server_conn *conn, struct base_slice token, size_t used, size_t size)
{
    struct server_auth *auth = conn->worker->server->auth;
    struct base_slice user;
    struct base_slice password;
    if (!proto_text_next_token(&token, &user) || !proto_text_next_token(&token, &password)) {
        return say(conn, PROTO_ERROR_AUTH_FORMAT, used, size);
    }
    if (!server_auth_may_try(conn)) {
        return say(conn, PROTO_ERROR_AUTH_LIMITED, used, size);
    }
    struct server_users *users = server_auth_get_users(auth);
    if (users->passwords == NULL || !server_secrets_match(users->passwords, user, password)) {
        server_auth_put_users(&users);
        server_auth_failed(conn, user);
        return say(conn, PROTO_ERROR_AUTH_FAILED, used, size);
    }
    if (!server_auth_log_in(conn, users, user, password)) {
        return say(conn, PROTO_ERROR_NO_MEMORY_REQUEST, used, size);
    }
    return net_stream_write(&conn->stream, "STORED\r\n", 8) ? used : size;
}

/* The whole value, its end included. */
static size_t run(struct server_conn *conn, const char *value, size_t used, size_t size)
{
    struct server_access *access = conn->access;
    const size_t token_size = access->token_size - END_SIZE;
    access->token_wanted = false;
    if (memcmp(value + token_size, "\r\n", END_SIZE) != 0) {
        return say(conn, PROTO_ERROR_AUTH_TERMINATION, used, size);
    }
    return check(conn, (struct base_slice){value, token_size}, used, size);
}

/* Bytes of the value. */
static size_t take_token(struct server_conn *conn, char *data, size_t size)
{
    struct server_access *access = conn->access;
    size_t taken = access->token_size - access->token_have;
    size_t used;
    if (access->token == NULL && size >= taken) {
        used = run(conn, data, taken, size);
        explicit_bzero(data, taken);
        return used;
    }
    if (access->token == NULL) {
        access->token = malloc(access->token_size);
        if (access->token == NULL) {
            SERVER_COUNT(conn->worker, conn_no_memory);
            return cut_off(conn, size);
        }
    }
    if (taken > size) {
        taken = size;
    }
    memcpy(access->token + access->token_have, data, taken);
    explicit_bzero(data, taken);
    access->token_have += taken;
    if (access->token_have < access->token_size) {
        return taken;
    }
    used = run(conn, access->token, taken, size);
    server_auth_drop_token(access);
    return used;
}

static size_t take_line(struct server_conn *conn, const char *data, size_t size)
{
    struct server_access *access = conn->access;
    const char *newline = memchr(data, '\n', size);
    uint32_t value_size;
    if (newline == NULL) {
        return size > LINE_MAX_SIZE ? cut_off(conn, size) : 0;
    }
    const size_t used = (size_t)(newline - data) + 1;
    size_t line_size = used - 1;
    if (line_size > 0 && data[line_size - 1] == '\r') {
        line_size--;
    }
    if (!parse_line((struct base_slice){data, line_size}, &value_size)) {
        return say(conn, PROTO_ERROR_UNAUTHENTICATED, used, size);
    }
    if (value_size > TOKEN_MAX_SIZE) {
        conn->swallow_size = (uint64_t)value_size + END_SIZE;
        conn->state = SERVER_CONN_SWALLOW; /* and back to a log-in */
        return say(conn, PROTO_ERROR_AUTH_TOO_LONG, used, size);
    }
    access->token_wanted = true;
    access->token_size = (size_t)value_size + END_SIZE;
    access->token_have = 0;
    return used;
}

bool server_auth_speaks_text(struct server_conn *conn, char first)
{
    if (conn->protocol == SERVER_PROTOCOL_AUTO) {
        conn->protocol = (unsigned char)first == PROTO_BINARY_REQUEST_MAGIC ? SERVER_PROTOCOL_BINARY
                                                                            : SERVER_PROTOCOL_ASCII;
    }
    return conn->protocol == SERVER_PROTOCOL_ASCII;
}

size_t server_auth_input(struct server_conn *conn, char *data, size_t size)
{
    return conn->access->token_wanted ? take_token(conn, data, size) : take_line(conn, data, size);
}

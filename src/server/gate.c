/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The gate in front of every handler, for the connections that may not do everything.
 *
 * Nobody comes here without users, nor once logged in with every right: conn->limited is false then.
 * Requests that arrive together are run one by one while it is true.
 */
#include "base/text.h"
#include "proto/text.h"
#include "server/auth.h"
#include "server/command.h"

#include <stdio.h>

bool server_auth_is_stranger(const struct server_conn *conn)
{
    return conn->access != NULL && conn->access->users == NULL;
}

/* A value that is received in place is not wanted. */
static void drop_room(struct server_call *call)
{
    if (call->room != NULL) {
        server_ops(call->worker)->abandon(call->worker->engine_thread, call->room);
        call->room = NULL;
    }
}

static bool refuse(struct server_call *call, enum proto_error error, enum server_done *ret_done)
{
    SERVER_COUNT(call->worker, auth_forbidden);
    drop_room(call);
    /* Of a line that goes on, the rest is skipped. */
    call->request->keys_refused = call->request->keys_continue;
    *ret_done = server_reply_error(call, error);
    return false;
}

/* In text the answer says which key: a line may have many. */
static bool refuse_key(struct server_call *call, struct base_slice key, enum server_done *ret_done)
{
    static const struct base_slice end = {"\r\n", 2};
    const struct base_slice words = proto_error_line(PROTO_ERROR_FORBIDDEN_KEY);
    char line[256 + BASE_KEY_SIZE_MAX * BASE_TEXT_URI_GROWTH];
    size_t size;
    if (call->request->dialect == PROTO_BINARY || call->request->noreply) {
        return refuse(call, PROTO_ERROR_FORBIDDEN_KEY, ret_done);
    }
    SERVER_COUNT(call->worker, auth_forbidden);
    SERVER_COUNT(call->worker, errors_client);
    drop_room(call);
    call->request->keys_refused = call->request->keys_continue;
    size = (size_t)snprintf(line, sizeof(line), "%.*s: ", (int)(words.size - end.size), words.data);
    if ((call->request->flags & PROTO_FLAG_BASE64) != 0) {
        size += base_text_uri_encode(line + size, sizeof(line) - size - end.size, key);
    } else { /* as it was sent */
        memcpy(line + size, key.data, key.size);
        size += key.size;
    }
    memcpy(line + size, end.data, end.size);
    *ret_done = server_reply_text(call, (struct base_slice){line, size + end.size});
    return false;
}

static bool allows_keys(struct server_call *call, const struct server_rights *rights,
                        enum server_done *ret_done)
{
    const struct proto_request *request = call->request;
    struct base_slice keys = request->keys;
    struct base_slice key;
    if (request->op != PROTO_OP_GET || request->dialect != PROTO_TEXT) {
        return server_rights_allow_key(rights, request->key) ||
               refuse_key(call, request->key, ret_done);
    }
    while (proto_text_next_key(&keys, &key)) {
        if (!server_rights_allow_key(rights, key)) {
            return refuse_key(call, key, ret_done);
        }
    }
    return true;
}

/* Before the log-in. */
static bool allows_stranger(struct server_call *call, enum server_done *ret_done)
{
    struct server_conn *conn = call->conn;
    if (call->request->dialect == PROTO_BINARY) {
        switch ((int)call->request->op) {
        case PROTO_OP_SASL_LIST:
        case PROTO_OP_SASL_AUTH:
        case PROTO_OP_SASL_STEP:
        case PROTO_OP_VERSION:
            return true;
        default:
            break;
        }
    }
    drop_room(call);
    call->request->keys_refused = call->request->keys_continue;
    *ret_done = server_reply_error(call, PROTO_ERROR_UNAUTHENTICATED);
    if (call->request->dialect == PROTO_BINARY) {
        *ret_done = SERVER_HANGUP; /* as memcached does */
    } else if (conn->state == SERVER_CONN_COMMAND && !call->request->keys_continue) {
        conn->state = server_auth_between(conn); /* its user has gone from the file */
    }
    return false;
}

bool server_auth_allows(struct server_call *call, enum server_done *ret_done)
{
    const struct server_access *access = call->conn->access;
    if (access->users == NULL) {
        return allows_stranger(call, ret_done);
    }
    const struct server_rights *rights = access->rights;
    const uint32_t missing = server_rights_needed(call->request) & ~rights->commands;
    if ((missing & SERVER_RIGHT_ADMIN) != 0) {
        return refuse(call, PROTO_ERROR_FORBIDDEN_ADMIN, ret_done);
    }
    if ((missing & SERVER_RIGHT_WRITE) != 0) {
        return refuse(call, PROTO_ERROR_FORBIDDEN_WRITE, ret_done);
    }
    if ((missing & SERVER_RIGHT_READ) != 0) {
        return refuse(call, PROTO_ERROR_FORBIDDEN_READ, ret_done);
    }
    return !server_rights_has_keys(call->request) || rights->prefix_count == 0 ||
           allows_keys(call, rights, ret_done);
}

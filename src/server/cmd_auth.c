/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The binary protocol's log-in: which mechanisms there are, the first step of one, and the others.
 *
 * A step is made by another thread (sasl.h), so a request comes here twice: to ask, and, when its
 * bytes are run again, for the answer.
 */
#include "proto/binary.h"
#include "server/auth.h"
#include "server/command.h"
#include "server/sasl.h"

static const struct base_slice SUCCESS = {"Authenticated", 13};

static void wipe_data(struct server_call *call)
{
    for (uint32_t i = 0; i < call->piece_count; i++) {
        void *data = (void *)(uintptr_t)call->pieces[i].data; /* NOLINT: the input is our own */
        explicit_bzero(data, call->pieces[i].size);
    }
}

/* Have the step made. */
static enum server_done ask(struct server_call *call, struct base_slice mechanism)
{
    CHECK(call->piece_count == 1); /* so short that it waits in the buffer */
    const struct base_slice data = {call->pieces[0].data, call->pieces[0].size};
    const bool asked = server_sasl_step(call->conn, mechanism, data);
    wipe_data(call); /* the second time it is not looked at */
    return asked ? SERVER_PARK : server_reply_error(call, PROTO_ERROR_NO_MEMORY);
}

static enum server_done fail(struct server_call *call, struct base_slice name)
{
    server_auth_failed(call->conn, name);
    return server_reply_error(call, PROTO_ERROR_AUTH_FAILED);
}

static enum server_done log_in(struct server_call *call, struct base_slice name)
{
    struct server_conn *conn = call->conn;
    struct server_users *users = server_auth_get_users(conn->worker->server->auth);
    if (!server_auth_log_in(conn, users, name, (struct base_slice){0})) {
        return server_reply_error(call, PROTO_ERROR_NO_MEMORY);
    }
    (void)server_sasl_close(&conn->access->session);
    return server_reply_packet(call, PROTO_BINARY_STATUS_OK, SUCCESS);
}

/* What comes from its address is not looked at now. */
static enum server_done limit(struct server_call *call)
{
    struct server_access *access = call->conn->access;
    if (access->session != NULL) {
        (void)server_sasl_close(&access->session);
    }
    return server_reply_error(call, PROTO_ERROR_AUTH_LIMITED);
}

/*
 * The step is made. Whoever begins on many connections while the address may still try gets no more
 * guesses by it: of the steps that are made at once, those beyond the limit are not told how they went.
 */
static enum server_done finish(struct server_call *call, const struct server_sasl_answer *answer)
{
    if (answer->outcome != SERVER_SASL_CONTINUE && !server_auth_may_try(call->conn)) {
        return limit(call);
    }
    switch (answer->outcome) {
    case SERVER_SASL_DONE:
        return log_in(call, answer->name);
    case SERVER_SASL_CONTINUE:
        return server_reply_packet(call, PROTO_BINARY_STATUS_AUTH_CONTINUE, answer->challenge);
    case SERVER_SASL_FAILED:
        break;
    }
    return fail(call, BASE_SLICE(""));
}

/* Without -S, and at the administrator's socket, there is nothing of the kind. */
static bool has_sasl(const struct server_call *call)
{
    return call->conn->access != NULL && server_auth_sasl(call->worker->server->auth) != NULL;
}

enum server_done server_cmd_sasl_list(struct server_call *call)
{
    if (!has_sasl(call)) {
        return server_reply_error(call, PROTO_ERROR_UNKNOWN);
    }
    return server_reply_packet(
        call, PROTO_BINARY_STATUS_OK,
        server_sasl_mechanisms(server_auth_sasl(call->worker->server->auth)));
}

enum server_done server_cmd_sasl_auth(struct server_call *call)
{
    struct server_conn *conn = call->conn;
    struct server_sasl_answer answer;
    if (!has_sasl(call)) {
        return server_reply_error(call, PROTO_ERROR_UNKNOWN);
    }
    if (server_sasl_take(conn->access, &answer)) {
        return finish(call, &answer);
    }
    if (call->request->key.size > SERVER_SASL_MECHANISM_MAX) {
        return server_reply_error(call, PROTO_ERROR_AUTH_MECHANISM);
    }
    if (server_sasl_is_under_way(conn->access) && server_sasl_close(&conn->access->session)) {
        server_auth_failed(conn, BASE_SLICE("")); /* it begins anew, as a guesser would */
    }
    if (!server_auth_may_try(conn)) {
        wipe_data(call);
        return limit(call);
    }
    server_auth_log_out(conn);
    return ask(call, call->request->key);
}

enum server_done server_cmd_sasl_step(struct server_call *call)
{
    struct server_conn *conn = call->conn;
    struct server_sasl_answer answer;
    if (!has_sasl(call)) {
        return server_reply_error(call, PROTO_ERROR_UNKNOWN);
    }
    if (server_sasl_take(conn->access, &answer)) {
        return finish(call, &answer);
    }
    if (!server_sasl_is_under_way(conn->access)) {
        return server_auth_may_try(conn) ? fail(call, BASE_SLICE("")) : limit(call);
    }
    return ask(call, (struct base_slice){0});
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* touch: a new expiry time, nothing else. */
#include "server/command.h"
#include "server/conn.h"

enum larder_result server_touch(struct server_call *call, const struct larder_key *key,
                                uint32_t expires_at_s)
{
    struct server_worker *worker = call->worker;
    for (;;) {
        enum larder_result result =
            server_ops(worker)->touch(worker->engine_thread, key, expires_at_s);
        if (result != LARDER_BUSY) {
            return result;
        }
        if (!server_busy_again(call)) {
            return LARDER_NO_SPACE;
        }
    }
}

enum server_done server_cmd_touch(struct server_call *call)
{
    struct server_worker *worker = call->worker;
    uint32_t expires_at_s = base_clock_expiry(&worker->server->clock, call->request->exptime);
    struct larder_ref ref;
    /* A touch is a read, too; and binary is answered what text is not. */
    const bool with_cas = (call->request->flags & PROTO_FLAG_CAS_RETURN) != 0;
    enum larder_result found = server_find(call, with_cas ? LARDER_GET_CAS : 0, &ref);
    if (found == LARDER_PENDING) {
        return SERVER_PARK;
    }
    struct proto_reply reply = {.status = PROTO_STATUS_TOUCHED};
    if (found == LARDER_OK) {
        reply.client_flags = ref.client_flags;
        reply.cas = with_cas ? server_shown_cas(worker, ref.cas) : 0;
        server_release(worker, &ref);
    }
    SERVER_COUNT(worker, cmd_touch);
    if (found == LARDER_OK && server_touch(call, &call->key, expires_at_s) == LARDER_OK) {
        SERVER_COUNT(worker, touch_hits);
        return server_reply(call, &reply);
    }
    SERVER_COUNT(worker, touch_misses);
    return server_reply_status(call, PROTO_STATUS_MISS);
}

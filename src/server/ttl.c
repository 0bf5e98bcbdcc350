/* SPDX-License-Identifier: BSD-3-Clause */
/* See ttl.h. */
#include "server/ttl.h"

static bool has(const struct server_call *call, enum proto_flag flag)
{
    return (call->request->flags & (uint32_t)flag) != 0;
}

int64_t server_ttl_s(const struct server_worker *worker, uint32_t expires_at_s)
{
    uint32_t now_s = server_now_s(worker);
    if (expires_at_s == 0) {
        return -1;
    }
    return expires_at_s > now_s ? (int64_t)expires_at_s - now_s : 0;
}

uint32_t server_ttl_changed(const struct server_call *call, uint32_t expires_at_s,
                            int64_t *ret_shown_s)
{
    *ret_shown_s = server_ttl_s(call->worker, expires_at_s);
    if (!has(call, PROTO_FLAG_TTL_SET)) {
        return expires_at_s;
    }
    expires_at_s = base_clock_expiry(&call->worker->server->clock, call->request->exptime);
    if (!has(call, PROTO_FLAG_TTL_BEFORE_SET)) {
        *ret_shown_s = server_ttl_s(call->worker, expires_at_s);
    }
    return expires_at_s;
}

uint32_t server_ttl_created(const struct server_call *call, int64_t *ret_shown_s)
{
    const struct base_clock *clock = &call->worker->server->clock;
    uint32_t by_n_s = base_clock_expiry(clock, call->request->vivify_exptime);
    uint32_t by_t_s = base_clock_expiry(clock, call->request->exptime);
    bool t_set = has(call, PROTO_FLAG_TTL_SET);
    bool t_last = t_set && !has(call, PROTO_FLAG_SET_BEFORE_VIVIFY);
    bool saw_n = !has(call, PROTO_FLAG_TTL_BEFORE_VIVIFY);
    bool saw_t = t_set && !has(call, PROTO_FLAG_TTL_BEFORE_SET);

    *ret_shown_s = -1; /* as long as neither has been obeyed the item has no time */
    if (saw_t && (!saw_n || t_last)) {
        *ret_shown_s = server_ttl_s(call->worker, by_t_s);
    } else if (saw_n) {
        *ret_shown_s = server_ttl_s(call->worker, by_n_s);
    }
    return t_last ? by_t_s : by_n_s;
}

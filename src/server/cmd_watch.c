/* SPDX-License-Identifier: BSD-3-Clause */
/* watch: from a client to a watcher. */
#include "proto/text.h"
#include "server/command.h"

struct name {
    struct base_slice word;
    uint32_t kind;
};

#define NAME(literal, bit)                                                                         \
    {                                                                                              \
        {literal, sizeof(literal) - 1}, bit                                                        \
    }

static const struct name names[] = {
    NAME("fetchers", SERVER_WATCH_FETCHERS),   NAME("mutations", SERVER_WATCH_MUTATIONS),
    NAME("evictions", SERVER_WATCH_EVICTIONS), NAME("connevents", SERVER_WATCH_CONNEVENTS),
    NAME("deletions", SERVER_WATCH_DELETIONS), NAME("sysevents", SERVER_WATCH_NOTHING),
    NAME("rawcmds", SERVER_WATCH_NOTHING),     NAME("proxyreqs", SERVER_WATCH_NOTHING),
    NAME("proxyevents", SERVER_WATCH_NOTHING), NAME("proxyuser", SERVER_WATCH_NOTHING),
};

static uint32_t kind_of(struct base_slice word)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (base_slice_equal(names[i].word, word)) {
            return names[i].kind;
        }
    }
    return 0;
}

enum server_done server_cmd_watch(struct server_call *call)
{
    struct base_slice rest = call->request->arguments;
    struct base_slice word;
    uint32_t kinds = 0;
    if (!call->worker->server->config->watch_enabled) {
        return server_reply_error(call, PROTO_ERROR_WATCH_DISABLED);
    }
    if (call->conn->detached) {
        return server_reply_error(call, PROTO_ERROR_UDP_NEVER);
    }
    while (proto_text_next_token(&rest, &word)) {
        uint32_t kind = kind_of(word);
        if (kind == 0) {
            return server_reply_error(call, PROTO_ERROR_UNKNOWN);
        }
        kinds |= kind;
    }
    switch (server_watch_add(call->conn, kinds != 0 ? kinds : SERVER_WATCH_FETCHERS)) {
    case SERVER_WATCH_ADDED:
        return server_reply_status(call, PROTO_STATUS_OK);
    case SERVER_WATCH_TOO_MANY:
        return server_reply_error(call, PROTO_ERROR_WATCH_TOO_MANY);
    case SERVER_WATCH_FAILED:
        break;
    }
    return server_reply_error(call, PROTO_ERROR_WATCH_FAILED);
}

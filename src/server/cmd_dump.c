/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The lru_crawler family, and the lists of items: metadump, mgdump, `stats cachedump`.
 *
 * There is no crawler thread to steer: upkeep removes what has expired all the time, with or
 * without being asked. So `crawl` and `enable` are true already and answer OK; the knobs are
 * checked as memcached checks them and have no effect. The dumps walk the engine in slices.
 */
#include "server/cmd_dump.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/num.h"
#include "base/text.h"
#include "proto/base64.h"
#include "proto/text.h"
#include "server/command.h"
#include "server/dump.h"
#include "server/upkeep.h"

enum {
    SLICE_ITEMS = 256,    /* items of one slice */
    LINE_MAX_SIZE = 1536, /* a URI-encoded key of 750 bytes and the numbers */
    CLASS_MAX = 64,       /* memcached's MAX_NUMBER_OF_SLAB_CLASSES */
    CRAWLER_SLEEP_MAX_US = 1000000
};

enum form { FORM_METADUMP, FORM_MGDUMP, FORM_CACHEDUMP };

struct item_dump {
    struct server_dump dump; /* first */
    enum form form;
    uint64_t cursor;
    uint64_t limit; /* items left to show; CACHEDUMP */
    bool begun;
    bool failed;              /* the output could not be written */
    struct server_conn *conn; /* during a step */
};

/* ---- lines ---- */

static int64_t unix_time(const struct item_dump *dump, uint32_t at_s)
{
    return base_clock_started_real_s(&dump->conn->worker->server->clock) + at_s;
}

static size_t write_metadump(const struct item_dump *dump, const struct larder_ref *item, char *out)
{
    struct base_slice key = {item->key, item->key_size};
    size_t size = 4;
    memcpy(out, "key=", 4);
    size += base_text_uri_encode(out + size, LINE_MAX_SIZE - size, key);
    int rest =
        snprintf(out + size, LINE_MAX_SIZE - size,
                 " exp=%lld la=%lld cas=%llu fetch=%s cls=1 size=%llu flags=%u\n",
                 item->expires_at_s == 0 ? -1 : (long long)unix_time(dump, item->expires_at_s),
                 (long long)unix_time(dump, item->last_access_s), (unsigned long long)item->cas,
                 (item->marks & LARDER_MARK_FETCHED) != 0 ? "yes" : "no",
                 (unsigned long long)(item->value_size + item->key_size), item->client_flags);
    return size + (size_t)rest;
}

/* Whether the key can stand in a line as it is. */
static bool is_printable(const struct larder_ref *item)
{
    for (uint32_t i = 0; i < item->key_size; i++) {
        if ((unsigned char)item->key[i] <= ' ' || item->key[i] == 0x7f) {
            return false;
        }
    }
    return true;
}

static size_t write_mgdump(const struct larder_ref *item, char *out)
{
    const bool encoded = !is_printable(item);
    size_t size = 3;
    memcpy(out, "mg ", 3);
    if (encoded) {
        size += proto_base64_write(out + size, (struct base_slice){item->key, item->key_size});
        memcpy(out + size, " b", 2);
        size += 2;
    } else {
        memcpy(out + size, item->key, item->key_size);
        size += item->key_size;
    }
    memcpy(out + size, "\r\n", 2);
    return size + 2;
}

static size_t write_cachedump(const struct item_dump *dump, const struct larder_ref *item,
                              char *out)
{
    int size =
        snprintf(out, LINE_MAX_SIZE, "ITEM %.*s [%llu b; %lld s]\r\n", (int)item->key_size,
                 item->key, (unsigned long long)item->value_size,
                 item->expires_at_s == 0 ? 0 : (long long)unix_time(dump, item->expires_at_s));
    return (size_t)size;
}

static bool on_item(void *arg, const struct larder_ref *item)
{
    struct item_dump *dump = arg;
    if (dump->form == FORM_CACHEDUMP && !is_printable(item)) {
        return true; /* would break the line */
    }
    char *out = net_stream_room(&dump->conn->stream, LINE_MAX_SIZE);
    if (out == NULL) {
        dump->failed = true;
        return false;
    }
    size_t size = 0;
    switch (dump->form) {
    case FORM_METADUMP:
        size = write_metadump(dump, item, out);
        break;
    case FORM_MGDUMP:
        size = write_mgdump(item, out);
        break;
    case FORM_CACHEDUMP:
        size = write_cachedump(dump, item, out);
        dump->limit--;
        break;
    }
    net_stream_wrote(&dump->conn->stream, size);
    return dump->form != FORM_CACHEDUMP || dump->limit > 0;
}

/* ---- the walk ---- */

static bool step(struct server_conn *conn, struct server_dump *base)
{
    struct item_dump *dump = (struct item_dump *)base;
    struct server *server = conn->worker->server;
    dump->conn = conn;
    server->engine_ops->scan(server->engine, server_now_s(conn->worker), &dump->cursor, SLICE_ITEMS,
                             on_item, dump);
    if (dump->failed) {
        return false;
    }
    bool over = dump->cursor == 0 || dump->limit == 0;
    if (over) {
        struct base_slice end =
            dump->form == FORM_MGDUMP ? BASE_SLICE("EN\r\n") : BASE_SLICE("END\r\n");
        (void)net_stream_write(&conn->stream, end.data, end.size);
    }
    return !over;
}

static void drop(struct server_dump *base)
{
    free(base);
}

static enum server_done start(struct server_call *call, enum form form, uint64_t limit)
{
    if ((server_ops(call->worker)->capabilities & LARDER_CAP_SCAN) == 0) {
        return server_reply_error(call, PROTO_ERROR_CRAWLER_UNKNOWN);
    }
    if (call->conn->detached) {
        return server_reply_error(call, PROTO_ERROR_UDP_NEVER);
    }
    struct item_dump *dump = calloc(1, sizeof(*dump));
    if (dump == NULL) {
        return server_reply_error(call, PROTO_ERROR_NO_MEMORY_STATS);
    }
    dump->dump.step = step;
    dump->dump.drop = drop;
    dump->form = form;
    dump->limit = limit;
    server_dump_start(call->conn, &dump->dump);
    return SERVER_DONE;
}

enum server_done server_cmd_cachedump(struct server_call *call, struct base_slice rest)
{
    struct base_slice words[2];
    uint32_t class_id;
    uint32_t limit;
    if (!call->worker->server->config->dump_enabled) {
        return server_reply_error(call, PROTO_ERROR_STATS_CACHEDUMP_DISABLED);
    }
    if (!proto_text_next_token(&rest, &words[0]) || !proto_text_next_token(&rest, &words[1])) {
        return server_reply_error(call, PROTO_ERROR_STATS_USAGE);
    }
    if (!base_num_parse_u32(words[0], &class_id) || !base_num_parse_u32(words[1], &limit)) {
        return server_reply_error(call, PROTO_ERROR_BAD_FORMAT);
    }
    if (class_id >= CLASS_MAX) {
        return server_reply_error(call, PROTO_ERROR_STATS_SLAB_ID);
    }
    if (class_id != 1) {
        return server_reply_text(call, BASE_SLICE("END\r\n")); /* all items are in one class */
    }
    return start(call, FORM_CACHEDUMP, limit == 0 ? UINT64_MAX : limit);
}

/* ---- lru_crawler ---- */

/* "all", "hash", or class numbers separated by commas. Ours are all in class 1. */
static enum proto_error check_classes(struct base_slice word)
{
    if (base_slice_equal(word, BASE_SLICE("all")) || base_slice_equal(word, BASE_SLICE("hash"))) {
        return PROTO_ERROR_NONE;
    }
    while (word.size > 0) {
        const char *comma = memchr(word.data, ',', word.size);
        size_t size = comma == NULL ? word.size : (size_t)(comma - word.data);
        uint32_t class_id;
        if (!base_num_parse_u32((struct base_slice){word.data, size}, &class_id) || class_id < 1 ||
            class_id >= CLASS_MAX) {
            return PROTO_ERROR_CRAWLER_CLASS;
        }
        word.data += size + (comma != NULL ? 1 : 0);
        word.size -= size + (comma != NULL ? 1 : 0);
    }
    return PROTO_ERROR_NONE;
}

static enum server_done crawl(struct server_call *call, struct base_slice classes, enum form form,
                              enum proto_error disabled)
{
    const struct server_config *config = call->worker->server->config;
    if (!config->crawler) {
        return server_reply_error(call, PROTO_ERROR_CRAWLER_DISABLED);
    }
    if (!config->dump_enabled) {
        return server_reply_error(call, disabled);
    }
    enum proto_error error = check_classes(classes);
    if (error != PROTO_ERROR_NONE) {
        return server_reply_error(call, error);
    }
    return start(call, form, UINT64_MAX);
}

static enum server_done set_knob(struct server_call *call, struct base_slice value, bool is_sleep)
{
    uint32_t number;
    if (!base_num_parse_u32(value, &number)) {
        return server_reply_error(call, PROTO_ERROR_BAD_FORMAT);
    }
    if (is_sleep && number > CRAWLER_SLEEP_MAX_US) {
        return server_reply_error(call, PROTO_ERROR_CRAWLER_SLEEP);
    }
    return server_reply_status(call, PROTO_STATUS_OK);
}

static enum server_done crawl_expired(struct server_call *call, struct base_slice classes)
{
    if (!call->worker->server->config->crawler) {
        return server_reply_error(call, PROTO_ERROR_CRAWLER_DISABLED);
    }
    enum proto_error error = check_classes(classes);
    if (error != PROTO_ERROR_NONE) {
        return server_reply_error(call, error);
    }
    server_upkeep_wake(call->worker->server);
    return server_reply_status(call, PROTO_STATUS_OK);
}

enum server_done server_cmd_lru_crawler(struct server_call *call)
{
    struct base_slice rest = call->request->arguments;
    struct base_slice words[3];
    uint32_t count = 0;
    while (count < 3 && proto_text_next_token(&rest, &words[count])) {
        count++;
    }
    if (count == 1 && (base_slice_equal(words[0], BASE_SLICE("enable")) ||
                       base_slice_equal(words[0], BASE_SLICE("disable")))) {
        return server_reply_status(call, PROTO_STATUS_OK);
    }
    if (count != 2) {
        return server_reply_error(call, PROTO_ERROR_UNKNOWN);
    }
    if (base_slice_equal(words[0], BASE_SLICE("crawl"))) {
        return crawl_expired(call, words[1]);
    }
    if (base_slice_equal(words[0], BASE_SLICE("metadump"))) {
        return crawl(call, words[1], FORM_METADUMP, PROTO_ERROR_METADUMP_DISABLED);
    }
    if (base_slice_equal(words[0], BASE_SLICE("mgdump"))) {
        return crawl(call, words[1], FORM_MGDUMP, PROTO_ERROR_MGDUMP_DISABLED);
    }
    if (base_slice_equal(words[0], BASE_SLICE("tocrawl"))) {
        return set_knob(call, words[1], false);
    }
    if (base_slice_equal(words[0], BASE_SLICE("sleep"))) {
        return set_knob(call, words[1], true);
    }
    return server_reply_error(call, PROTO_ERROR_UNKNOWN);
}

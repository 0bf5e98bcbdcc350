/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `stats conns`: every connection of every worker.
 *
 * A connection is only ever touched by its worker, so the question goes from worker to worker:
 * each writes down its own, the last one sends the list home, where it is ordered by descriptor, as
 * memcached's is. The asking connection waits like any dump; nobody else does.
 */
#include "server/conns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "server/command.h"
#include "server/conn.h"
#include "server/dump.h"
#include "server/udp.h"

enum {
    LINES_MAX = 4 * NET_ADDRESS_TEXT_MAX + 256, /* bytes about one socket */
    ENTRIES_FIRST = 64,
};

/* What is said about one socket: a piece of the survey's text. */
struct entry {
    int fd;
    uint32_t size;
    size_t at;
};

struct survey {
    struct server_dump dump; /* first */
    struct server *server;
    struct server_worker *home;
    uint32_t next_worker;
    char *text; /* given, like entries */
    size_t size, room;
    struct entry *entries;
    size_t entry_count, entry_room;
    bool failed; /* out of memory on the way */
};

/* Room for one more socket. Returns false, and remembers, when there is no memory. */
static bool make_room(struct survey *survey)
{
    if (survey->room - survey->size < LINES_MAX) {
        size_t room = survey->room * 2 + LINES_MAX;
        char *text = realloc(survey->text, room);
        if (text == NULL) {
            survey->failed = true;
            return false;
        }
        survey->text = text;
        survey->room = room;
    }
    if (survey->entry_count == survey->entry_room) {
        size_t room = survey->entry_room * 2 + ENTRIES_FIRST;
        struct entry *entries = realloc(survey->entries, room * sizeof(*entries));
        if (entries == NULL) {
            survey->failed = true;
            return false;
        }
        survey->entries = entries;
        survey->entry_room = room;
    }
    return true;
}

/* size bytes about fd have been written behind the survey's text. */
static void add_entry(struct survey *survey, int fd, int size)
{
    CHECK(size > 0 && size < LINES_MAX);
    survey->entries[survey->entry_count++] =
        (struct entry){.fd = fd, .size = (uint32_t)size, .at = survey->size};
    survey->size += (size_t)size;
}

static int by_descriptor(const void *a, const void *b)
{
    const struct entry *left = a;
    const struct entry *right = b;
    return (left->fd > right->fd) - (left->fd < right->fd);
}

static void note_listeners(struct survey *survey)
{
    for (uint32_t i = 0; i < survey->server->listener_count && make_room(survey); i++) {
        int fd = survey->server->listeners[i].fd;
        struct net_address address;
        char text[NET_ADDRESS_TEXT_MAX];
        if (net_sock_name(fd, &address) != 0) {
            continue;
        }
        net_address_write(&address, text);
        int size = snprintf(
            survey->text + survey->size, LINES_MAX,
            "STAT %d:addr %s\r\nSTAT %d:state conn_listening\r\nSTAT %d:secs_since_last_cmd %u\r\n",
            fd, text, fd, fd, base_clock_now_s(&survey->server->clock));
        add_entry(survey, fd, size);
    }
}

/* In memcached's words for a socket that waits: its own address, and no other. */
static void note_udp(struct survey *survey)
{
    const struct server *server = survey->server;
    uint32_t last_s = 0;
    for (uint32_t i = 0; i < server->worker_count; i++) {
        const uint32_t worker_last_s = server_udp_last_s(&server->workers[i]);
        last_s = worker_last_s > last_s ? worker_last_s : last_s;
    }
    for (uint32_t i = 0; i < server->udp_count && make_room(survey); i++) {
        int fd = server->udp[i].fd;
        struct net_address address;
        char text[NET_ADDRESS_TEXT_MAX];
        if (net_sock_name(fd, &address) != 0) {
            continue;
        }
        net_address_write(&address, text);
        memcpy(text, "udp", 3); /* instead of tcp */
        int size = snprintf(survey->text + survey->size, LINES_MAX,
                            "STAT %d:UDP UDP\r\nSTAT %d:addr %s\r\nSTAT %d:state conn_read\r\n"
                            "STAT %d:secs_since_last_cmd %u\r\n",
                            fd, fd, text, fd, fd, base_clock_now_s(&server->clock) - last_s);
        add_entry(survey, fd, size);
    }
}

static void note_conn(struct survey *survey, const struct server_conn *conn)
{
    char peer[NET_ADDRESS_TEXT_MAX];
    char local[NET_ADDRESS_TEXT_MAX] = "unknown";
    struct net_address address;
    int fd = conn->stream.fd;
    /* The one that asks is in the middle of its command. */
    const char *state =
        conn->dump == &survey->dump ? "conn_parse_cmd" : server_conn_state_name(conn);
    if (!make_room(survey)) {
        return;
    }
    if (net_sock_name(fd, &address) == 0) {
        net_address_write(&address, local);
    }
    net_address_write(&conn->peer, peer);
    int size = snprintf(survey->text + survey->size, LINES_MAX,
                        "STAT %d:addr %s\r\nSTAT %d:listen_addr %s\r\nSTAT %d:state %s\r\n"
                        "STAT %d:secs_since_last_cmd %u\r\n",
                        fd, peer, fd, local, fd, state, fd,
                        server_now_s(conn->worker) - conn->last_command_s);
    add_entry(survey, fd, size);
}

static void go_home(void *arg)
{
    server_dump_wake(arg);
}

static void visit(void *arg);

/* From worker `here` to the next, or home. */
static void travel(struct survey *survey, const struct server_worker *here)
{
    bool over = survey->next_worker == survey->server->worker_count || survey->failed;
    struct server_worker *to = over ? survey->home : &survey->server->workers[survey->next_worker];
    if (over && (here == to || to->loop == NULL)) {
        server_dump_wake(&survey->dump); /* no loop: the server ends, and its client has gone */
        return;
    }
    if (net_loop_post(to->loop, over ? go_home : visit, survey) != 0) {
        base_log(BASE_LOG_NOTICE,
                 "no memory to list the connections"); /* its client waits in vain */
    }
}

/* On each worker in turn. */
static void visit(void *arg)
{
    struct survey *survey = arg;
    struct server_worker *worker = &survey->server->workers[survey->next_worker++];
    for (struct server_conn *conn = worker->conns; conn != NULL; conn = conn->next) {
        note_conn(survey, conn);
    }
    travel(survey, worker);
}

static bool step(struct server_conn *conn, struct server_dump *base)
{
    struct survey *survey = (struct survey *)base;
    if (survey->next_worker == 0) {
        base->waiting = true;
        note_listeners(survey);
        note_udp(survey);
        travel(survey, NULL);
        return true;
    }
    if (survey->failed) {
        struct base_slice line = proto_error_line(PROTO_ERROR_NO_MEMORY_STATS);
        (void)net_stream_write(&conn->stream, line.data, line.size);
        return false;
    }
    if (survey->entry_count > 0) {
        qsort(survey->entries, survey->entry_count, sizeof(*survey->entries), by_descriptor);
    }
    for (size_t i = 0; i < survey->entry_count; i++) {
        const struct entry *entry = &survey->entries[i];
        (void)net_stream_write(&conn->stream, survey->text + entry->at, entry->size);
    }
    (void)net_stream_write(&conn->stream, "END\r\n", 5);
    return false;
}

static void drop(struct server_dump *base)
{
    struct survey *survey = (struct survey *)base;
    free(survey->entries);
    free(survey->text);
    free(survey);
}

enum server_done server_cmd_conns(struct server_call *call)
{
    if (call->conn->detached) {
        return server_reply_error(call, PROTO_ERROR_UDP_NEVER);
    }
    struct survey *survey = calloc(1, sizeof(*survey));
    if (survey == NULL) {
        return server_reply_error(call, PROTO_ERROR_NO_MEMORY_STATS);
    }
    survey->dump.step = step;
    survey->dump.drop = drop;
    survey->server = call->worker->server;
    survey->home = call->worker;
    server_dump_start(call->conn, &survey->dump);
    return SERVER_DONE;
}

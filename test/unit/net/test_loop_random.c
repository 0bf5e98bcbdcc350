/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Many streams at once, every call at random, every byte checked.
 *
 * Each client sends frames of random size, cut at random places, and expects each frame back,
 * between a header and a trailer. How the server takes a frame (in on_data(), or with one or
 * several direct receives) and how it answers (copied, through room, lent, in parts) is random, and so is
 * when it pauses and who resumes it. Clients read at random speed.
 */
#include "rig.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

enum {
    CLIENTS = 48,
    FRAMES = 60,
    FRAME_MAX = 200 * 1000,
    HEAD_SIZE = 8, /* "F" and the size, seven digits */
    OUTPUT_MAX = 100 * 1000,
};

static uint32_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

/* ---- server ---- */

static void resume_one(void *arg)
{
    struct rig_conn *conn = arg;
    conn->calls--;
    net_stream_resume(&conn->stream);
}

/* With net_loop_post() so that it comes in a later turn. A paused stream does not end before it. */
static void pause_for_a_while(struct rig_conn *conn)
{
    if (conn->calls == 0) {
        conn->calls++;
        net_stream_pause(&conn->stream);
        assert_int_equal(net_loop_post(conn->rig->loop, resume_one, conn), 0);
    }
}

static void answer_part(struct rig_conn *conn, const char *data, size_t size)
{
    struct net_stream *stream = &conn->stream;
    uint32_t how = next_random(&conn->number) % 4;
    if (how == 0 && size <= BASE_BLOCK_ROOM) {
        char *room = net_stream_room(stream, BASE_BLOCK_ROOM);
        assert_non_null(room);
        memcpy(room, data, size);
        net_stream_wrote(stream, size);
    } else if (how <= 1) {
        assert_true(net_stream_write(stream, data, size));
    } else {
        rig_lend(conn, data, size);
    }
    if (next_random(&conn->number) % 20 == 0) {
        net_stream_settle(stream);
    }
}

/* `data` need not outlive the call: what is lent of it is settled. */
static void answer(struct rig_conn *conn, const char *data, size_t size)
{
    char head[HEAD_SIZE + 1];
    snprintf(head, sizeof(head), "A%07zu", size);
    assert_true(net_stream_write(&conn->stream, head, HEAD_SIZE));
    while (size > 0) {
        size_t part = 1 + next_random(&conn->number) % size;
        part = next_random(&conn->number) % 2 == 0 ? size : part;
        answer_part(conn, data, part);
        data += part;
        size -= part;
    }
    net_stream_settle(&conn->stream);
    assert_true(net_stream_write(&conn->stream, "Z", 1));
}

static void receive_more(struct rig_conn *conn)
{
    size_t left = conn->size - conn->total;
    size_t part =
        next_random(&conn->number) % 2 == 0 ? left : 1 + next_random(&conn->number) % left;
    conn->step = (uint32_t)part;
    net_stream_receive(&conn->stream, conn->memory + conn->total, part);
}

static void random_on_received(struct net_stream *stream)
{
    struct rig_conn *conn = rig_of(stream);
    conn->total += conn->step;
    if (next_random(&conn->number) % 10 == 0) {
        pause_for_a_while(conn);
    }
    if (conn->total < conn->size) {
        receive_more(conn);
    } else {
        answer(conn, conn->memory, conn->size);
    }
}

static size_t random_on_data(struct net_stream *stream, char *data, size_t size)
{
    struct rig_conn *conn = rig_of(stream);
    size_t used = 0;
    while (size - used >= HEAD_SIZE && !net_stream_is_full(stream)) {
        char head[HEAD_SIZE + 1] = "";
        memcpy(head, data + used, HEAD_SIZE);
        assert_int_equal(head[0], 'F');
        size_t frame = strtoul(head + 1, NULL, 10);
        assert_true(frame > 0 && frame <= FRAME_MAX);
        bool small = frame <= 8000 && next_random(&conn->number) % 4 != 0;
        if (!small) {
            conn->size = frame;
            conn->total = 0;
            receive_more(conn);
            return used + HEAD_SIZE;
        }
        if (size - used - HEAD_SIZE < frame) {
            return used;
        }
        answer(conn, data + used + HEAD_SIZE, frame);
        used += HEAD_SIZE + frame;
        if (next_random(&conn->number) % 10 == 0) {
            pause_for_a_while(conn);
            return used;
        }
    }
    return used;
}

static void random_on_open(struct rig_conn *conn)
{
    conn->memory = malloc(FRAME_MAX);
    assert_non_null(conn->memory);
    /* Small enough that every client is a slow reader at times. */
    int size = 16 * 1024;
    assert_int_equal(setsockopt(conn->stream.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
    conn->number = atomic_load(&conn->rig->opened) * 77u + 5;
}

/* ---- clients, all on the test's thread ---- */

struct client {
    int fd;
    uint64_t random;
    char *out; /* what is to be sent */
    size_t out_size, out_at;
    char *expected;
    size_t expected_size, expected_at;
};

static void client_open(struct client *client, struct rig *rig, unsigned number)
{
    *client = (struct client){.random = number * 31337u + 1};
    client->fd = number % 2 == 0 ? rig_connect_tcp(rig) : rig_connect_unix(rig);
    assert_int_equal(fcntl(client->fd, F_SETFL, O_NONBLOCK), 0);
    size_t sizes[FRAMES];
    size_t total = 0;
    for (unsigned i = 0; i < FRAMES; i++) {
        uint32_t kind = next_random(&client->random) % 16;
        size_t max = kind == 0 ? FRAME_MAX : kind < 4 ? 20000 : 1000;
        sizes[i] = 1 + next_random(&client->random) % max;
        total += sizes[i];
    }
    client->out = malloc(total + FRAMES * (HEAD_SIZE + 1));
    client->expected = malloc(total + FRAMES * (HEAD_SIZE + 2));
    assert_non_null(client->out);
    assert_non_null(client->expected);
    for (unsigned i = 0; i < FRAMES; i++) {
        char *body = client->out + client->out_size + HEAD_SIZE;
        rig_fill(body, sizes[i], number * FRAMES + i);
        snprintf(client->expected + client->expected_size, HEAD_SIZE + 1, "A%07zu", sizes[i]);
        memcpy(client->expected + client->expected_size + HEAD_SIZE, body, sizes[i]);
        client->expected_size += HEAD_SIZE + sizes[i];
        client->expected[client->expected_size++] = 'Z';
        char head[HEAD_SIZE + 1];
        snprintf(head, sizeof(head), "F%07zu", sizes[i]);
        memcpy(client->out + client->out_size, head, HEAD_SIZE);
        client->out_size += HEAD_SIZE + sizes[i];
    }
}

/* Send a random piece, read a random piece; true when all came back. */
static bool client_step(struct client *client)
{
    if (client->out_at < client->out_size) {
        size_t left = client->out_size - client->out_at;
        size_t max = next_random(&client->random) % 3 == 0 ? 10 : 100000;
        size_t part = 1 + next_random(&client->random) % max;
        ssize_t sent =
            rig_try_send(client->fd, client->out + client->out_at, part < left ? part : left);
        assert_true(sent > 0 || errno == EAGAIN || errno == EINTR);
        client->out_at += sent > 0 ? (size_t)sent : 0;
    }
    if (next_random(&client->random) % 3 == 0) {
        return false; /* slow */
    }
    static char in[150000];
    size_t part = 1 + next_random(&client->random) % sizeof(in);
    ssize_t received = rig_try_recv(client->fd, in, part);
    assert_true(received > 0 || (received < 0 && (errno == EAGAIN || errno == EINTR)));
    if (received > 0) {
        assert_true((size_t)received <= client->expected_size - client->expected_at);
        assert_memory_equal(in, client->expected + client->expected_at, (size_t)received);
        client->expected_at += (size_t)received;
    }
    return client->expected_at == client->expected_size;
}

static void no_blocks_used(void *arg)
{
    struct rig *rig = arg;
    assert_int_equal(net_loop_pool(rig->loop)->used_count, 0);
}

static void test_random(void **state)
{
    static const struct net_stream_handler handler = {
        .on_data = random_on_data, .on_received = random_on_received, .on_close = rig_closed};
    struct rig rig;
    rig_start(&rig, (struct rig_plan){.kind = rig_kind_of(state),
                                      .output_max = OUTPUT_MAX,
                                      .handler = &handler,
                                      .on_open = random_on_open});
    static struct client clients[CLIENTS];
    for (unsigned i = 0; i < CLIENTS; i++) {
        client_open(&clients[i], &rig, i);
        rig_wait(&rig.opened, i + 1);
    }
    unsigned open = CLIENTS, idle = 0;
    while (open > 0) {
        size_t before = 0, after = 0;
        for (unsigned i = 0; i < CLIENTS; i++) {
            struct client *client = &clients[i];
            if (client->expected_at < client->expected_size) {
                before += client->expected_at + client->out_at;
                open -= client_step(client) ? 1 : 0;
                after += client->expected_at + client->out_at;
            }
        }
        idle = before == after ? idle + 1 : 0;
        if (idle > 20) {
            rig_sleep_ms(1);
        }
        if (idle > 20000) {
            fail_msg("%u clients are stuck", open);
        }
    }
    rig_call(&rig, no_blocks_used, &rig);
    const struct net_loop_counters *counters = net_loop_counters(rig.loop);
    assert_true(counters->paused > 0 && counters->lent_copied > 0);
    for (unsigned i = 0; i < CLIENTS; i++) {
        close(clients[i].fd);
        free(clients[i].out);
        free(clients[i].expected);
    }
    rig_wait(&rig.closed, CLIENTS);
    rig_stop(&rig);
}

int main(int argc, char **argv)
{
    enum net_loop_kind kind = rig_kind(argc, argv);
    const struct CMUnitTest tests[] = {cmocka_unit_test_prestate(test_random, &kind)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

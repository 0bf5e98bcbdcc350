/* SPDX-License-Identifier: BSD-3-Clause */
/* Datagram sockets and detached streams, on either loop. */
#include "net/datagram.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "rig.h"

enum { PACKET_SIZE = 100, HEAD_SIZE = 4, LONG_SIZE = 50000 };

/* A datagram socket on a rig's loop, and what answers. */
struct post {
    struct rig *rig;
    int fd; /* bound; borrowed from the test */
    struct net_datagram *datagram;
    struct net_stream stream;
    void (*answer)(struct post *post, const char *data, size_t size);
    bool to_nowhere;
    char value[LONG_SIZE];
    atomic_uint received, sent, lost, lent;
};

static void write_head(void *arg, uint32_t index, char *out)
{
    (void)arg;
    memcpy(out, &index, HEAD_SIZE);
}

static const struct net_datagram_head HEAD = {.size = HEAD_SIZE, .write = write_head};

static void on_datagram(void *arg, struct net_datagram *datagram, char *data, size_t size,
                        const struct net_address *from)
{
    struct post *post = arg;
    struct net_address to = *from;
    atomic_fetch_add(&post->received, 1);
    if (post->to_nowhere) {
        to.in.sin_port = 0;
    }
    post->answer(post, data, size);
    if (post->datagram != NULL) {
        net_datagram_send(datagram, &post->stream, &to, &HEAD);
        assert_int_equal(net_stream_unsent(&post->stream), 0);
        net_stream_renew(&post->stream);
    }
}

static void on_sent(void *arg, uint32_t sent_count, uint32_t lost_count)
{
    struct post *post = arg;
    atomic_fetch_add(&post->sent, sent_count);
    atomic_fetch_add(&post->lost, lost_count);
}

static const struct net_datagram_handler HANDLER = {.on_datagram = on_datagram, .on_sent = on_sent};

static void open_post(void *arg)
{
    struct post *post = arg;
    net_stream_open_detached(post->rig->loop, &post->stream);
    assert_int_equal(
        net_datagram_open(post->rig->loop, post->fd, PACKET_SIZE, &HANDLER, post, &post->datagram),
        0);
}

static void close_post(void *arg)
{
    struct post *post = arg;
    net_datagram_close(&post->datagram);
    net_stream_renew(&post->stream);
}

static int bind_udp(uint16_t *ret_port)
{
    struct net_address address;
    const char *what = NULL;
    int fd = -1;
    assert_int_equal(net_sock_bind_udp("127.0.0.1", 0, &fd, 1, &what), 1);
    assert_int_equal(net_sock_name(fd, &address), 0);
    *ret_port = ntohs(address.in.sin_port);
    return fd;
}

static int client_of(uint16_t port)
{
    const struct sockaddr_in in = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct timeval patience = {.tv_sec = 60};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&in, sizeof(in)), 0);
    return fd;
}

static void send_one(int fd, const void *data, size_t size)
{
    assert_int_equal(send(fd, data, size, 0), size);
}

/* The next packet's number and content; returns the content's size. */
static size_t receive_one(int fd, uint32_t *ret_index, char *out)
{
    char packet[PACKET_SIZE + 1];
    ssize_t size;
    do {
        size = recv(fd, packet, sizeof(packet), 0);
    } while (size < 0 && errno == EINTR);
    assert_true(size >= HEAD_SIZE && size <= PACKET_SIZE);
    memcpy(ret_index, packet, HEAD_SIZE);
    memcpy(out, packet + HEAD_SIZE, (size_t)size - HEAD_SIZE);
    return (size_t)size - HEAD_SIZE;
}

static void echo(struct post *post, const char *data, size_t size)
{
    assert_true(net_stream_write(&post->stream, "got ", 4));
    assert_true(net_stream_write(&post->stream, data, size));
}

/* A post on a rig of its own, and a client. */
struct scene {
    struct rig rig;
    struct post post;
    int client;
};

static struct scene *scene_start(void **state, void (*answer)(struct post *, const char *, size_t))
{
    struct scene *scene = calloc(1, sizeof(*scene));
    uint16_t port;
    assert_non_null(scene);
    rig_start(&scene->rig, (struct rig_plan){.kind = rig_kind_of(state)});
    scene->post = (struct post){.rig = &scene->rig, .fd = bind_udp(&port), .answer = answer};
    rig_fill(scene->post.value, LONG_SIZE, 7);
    rig_call(&scene->rig, open_post, &scene->post);
    scene->client = client_of(port);
    return scene;
}

static void scene_stop(struct scene *scene)
{
    rig_call(&scene->rig, close_post, &scene->post);
    rig_stop(&scene->rig);
    assert_int_equal(atomic_load(&scene->post.lent), 0);
    close(scene->post.fd);
    close(scene->client);
    free(scene);
}

static void check_echo(int client, const char *text)
{
    char out[PACKET_SIZE];
    char wanted[PACKET_SIZE] = "got ";
    uint32_t index = 99;
    send_one(client, text, strlen(text));
    strcat(wanted, text);
    assert_int_equal(receive_one(client, &index, out), strlen(wanted));
    assert_memory_equal(out, wanted, strlen(wanted));
    assert_int_equal(index, 0);
}

static void a_datagram_is_answered(void **state)
{
    struct scene *scene = scene_start(state, echo);
    check_echo(scene->client, "one");
    check_echo(scene->client, "");
    check_echo(scene->client, "another");
    assert_int_equal(atomic_load(&scene->post.received), 3);
    rig_wait(&scene->post.sent, 3);
    assert_int_equal(atomic_load(&scene->post.lost), 0);
    scene_stop(scene);
}

static void given_back(void *arg, uint64_t number)
{
    struct post *post = arg;
    assert_int_equal(number, 5);
    atomic_fetch_sub(&post->lent, 1);
}

static void lend(struct post *post, const char *data, size_t size)
{
    atomic_fetch_add(&post->lent, 1);
    assert_true(net_stream_lend(&post->stream, data, size, given_back, post, 5));
}

/* Bytes that are written, lent, written: in the order of the value. */
static void answer_long(struct post *post, const char *data, size_t size)
{
    size_t total;
    assert_int_equal(size, sizeof(total));
    memcpy(&total, data, sizeof(total));
    const size_t third = total / 3;
    assert_true(net_stream_write(&post->stream, post->value, third));
    lend(post, post->value + third, third);
    lend(post, post->value + 2 * third, total - 2 * third);
    assert_int_equal(net_stream_unsent(&post->stream), total);
}

static void a_long_answer_is_cut(void **state)
{
    static const size_t sizes[] = {1, 2, 3, 95, 96, 97, 191, 192, 193, 6144, 6145, 12000};
    struct scene *scene = scene_start(state, answer_long);
    char *got = calloc(1, LONG_SIZE);
    assert_non_null(got);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        const size_t room = PACKET_SIZE - HEAD_SIZE;
        size_t at = 0;
        uint32_t index;
        send_one(scene->client, &sizes[i], sizeof(sizes[i]));
        for (uint32_t packet = 0; at < sizes[i]; packet++) {
            const size_t left = sizes[i] - at;
            const size_t size = receive_one(scene->client, &index, got + at);
            assert_int_equal(index, packet);
            assert_int_equal(size, left < room ? left : room); /* as few as hold it */
            at += size;
        }
        assert_memory_equal(got, scene->post.value, sizes[i]);
    }
    free(got);
    scene_stop(scene);
}

static void many_datagrams_are_answered(void **state)
{
    enum { ROUNDS = 20, TOGETHER = 50 };
    struct scene *scene = scene_start(state, echo);
    for (unsigned round = 0; round < ROUNDS; round++) {
        bool seen[TOGETHER] = {false};
        for (unsigned i = 0; i < TOGETHER; i++) {
            send_one(scene->client, &i, sizeof(i));
        }
        for (unsigned i = 0; i < TOGETHER; i++) {
            char out[PACKET_SIZE];
            uint32_t index;
            unsigned which;
            assert_int_equal(receive_one(scene->client, &index, out), 4 + sizeof(which));
            memcpy(&which, out + 4, sizeof(which));
            assert_true(which < TOGETHER && !seen[which]);
            seen[which] = true;
        }
    }
    assert_int_equal(atomic_load(&scene->post.received), ROUNDS * TOGETHER);
    rig_wait(&scene->post.sent, ROUNDS * TOGETHER);
    scene_stop(scene);
}

/* What a stream knows of closing, memory and waiting is gone after net_stream_renew(). */
static void answer_nothing(struct post *post, const char *data, size_t size)
{
    (void)data;
    lend(post, post->value, LONG_SIZE);
    assert_true(net_stream_write(&post->stream, post->value, 1000));
    net_stream_settle(&post->stream); /* copies, sends nothing */
    assert_int_equal(atomic_load(&post->lent), 0);
    assert_int_equal(net_stream_unsent(&post->stream), LONG_SIZE + 1000);
    lend(post, post->value, LONG_SIZE);
    net_stream_pause(&post->stream);
    net_stream_resume(&post->stream);
    net_stream_close(&post->stream, true);
    assert_false(net_stream_has_failed(&post->stream));
    assert_false(net_stream_write(&post->stream, "x", 1)); /* closing */
    net_stream_renew(&post->stream);
    assert_int_equal(atomic_load(&post->lent), 0);
    assert_int_equal(net_stream_unsent(&post->stream), 0);
    if (size > 0) {
        assert_true(net_stream_write(&post->stream, "new", 3));
    }
}

static void a_renewed_stream_is_new(void **state)
{
    struct scene *scene = scene_start(state, answer_nothing);
    char out[PACKET_SIZE];
    uint32_t index;
    send_one(scene->client, "", 0); /* no answer */
    send_one(scene->client, "x", 1);
    assert_int_equal(receive_one(scene->client, &index, out), 3);
    assert_memory_equal(out, "new", 3);
    assert_int_equal(atomic_load(&scene->post.received), 2);
    rig_wait(&scene->post.sent, 1);
    assert_int_equal(atomic_load(&scene->post.sent), 1);
    scene_stop(scene);
}

static void turn_away(void *arg)
{
    struct post *post = arg;
    post->to_nowhere = true;
}

static void what_cannot_be_sent_is_lost(void **state)
{
    struct scene *scene = scene_start(state, echo);
    rig_call(&scene->rig, turn_away, &scene->post);
    send_one(scene->client, "a", 1);
    send_one(scene->client, "b", 1);
    rig_wait(&scene->post.lost, 2);
    assert_int_equal(atomic_load(&scene->post.sent), 0);
    rig_call(&scene->rig, close_post, &scene->post);
    scene->post.to_nowhere = false;
    rig_call(&scene->rig, open_post, &scene->post); /* and the socket still works */
    check_echo(scene->client, "c");
    scene_stop(scene);
}

static void close_at_once(struct post *post, const char *data, size_t size)
{
    (void)data;
    (void)size;
    net_datagram_close(&post->datagram);
}

static void look_away(void *arg)
{
    (void)arg;
}

static void nothing_comes_after_close(void **state)
{
    struct scene *scene = scene_start(state, close_at_once);
    for (unsigned i = 0; i < 40; i++) {
        send_one(scene->client, "x", 1);
    }
    rig_wait(&scene->post.received, 1);
    rig_call(&scene->rig, look_away, NULL); /* the loop goes on */
    rig_call(&scene->rig, look_away, NULL);
    assert_int_equal(atomic_load(&scene->post.received), 1);
    scene->post.answer = echo;
    rig_call(&scene->rig, open_post, &scene->post);
    send_one(scene->client, "y", 1);
    rig_wait(&scene->post.received, 2);
    scene_stop(scene);
}

static void count_only(struct post *post, const char *data, size_t size)
{
    (void)post;
    (void)data;
    (void)size;
}

/* Two loops have one socket: whatever comes is taken once. */
static void loops_share_a_socket(void **state)
{
    enum { COUNT = 2000 };
    struct scene *scene = scene_start(state, count_only);
    struct rig other_rig;
    struct post *other = calloc(1, sizeof(*other));
    assert_non_null(other);
    rig_start(&other_rig, (struct rig_plan){.kind = rig_kind_of(state)});
    *other = (struct post){.rig = &other_rig, .fd = scene->post.fd, .answer = count_only};
    rig_call(&other_rig, open_post, other);
    for (unsigned i = 0; i < COUNT; i++) {
        send_one(scene->client, &i, sizeof(i));
        while (i + 1 > 100 + atomic_load(&scene->post.received) + atomic_load(&other->received)) {
            rig_sleep_ms(1); /* the socket's buffer has its limit */
        }
    }
    while (atomic_load(&scene->post.received) + atomic_load(&other->received) < COUNT) {
        rig_sleep_ms(1); /* the program's time limit ends it */
    }
    assert_int_equal(atomic_load(&scene->post.received) + atomic_load(&other->received), COUNT);
    rig_call(&other_rig, close_post, other); /* the one that stays gets them all */
    const unsigned before = atomic_load(&scene->post.received);
    while (atomic_load(&scene->post.received) < before + 10) {
        send_one(scene->client, "x", 1); /* one may have woken the loop that has gone */
        rig_sleep_ms(1);
    }
    rig_stop(&other_rig);
    free(other);
    scene_stop(scene);
}

/* Whoever closes the loop need not close its sockets first. */
static void a_loop_ends_with_its_sockets(void **state)
{
    struct scene *scene = scene_start(state, echo);
    check_echo(scene->client, "x");
    rig_stop(&scene->rig);
    close(scene->post.fd);
    close(scene->client);
    free(scene);
}

static void stop_loop(struct post *post, const char *data, size_t size)
{
    echo(post, data, size);
    net_loop_stop(post->rig->loop);
}

static void *return_at_once(void *arg)
{
    return arg;
}

/* The thread has gone, the loop is still there: whoever comes next may have the port. */
static void a_loop_that_ended_lets_go(void **state)
{
    struct scene *scene = scene_start(state, stop_loop);
    struct net_address address;
    const char *what = NULL;
    check_echo(scene->client, "last");
    assert_int_equal(pthread_join(scene->rig.thread, NULL), 0);
    assert_int_equal(net_sock_name(scene->post.fd, &address), 0);
    close(scene->post.fd);
    assert_int_equal(
        net_sock_bind_udp("127.0.0.1", ntohs(address.in.sin_port), &scene->post.fd, 1, &what), 1);
    /* As rig_stop(), whose thread has ended already. */
    close_post(&scene->post);
    assert_int_equal(pthread_create(&scene->rig.thread, NULL, return_at_once, NULL), 0);
    rig_stop(&scene->rig);
    close(scene->post.fd);
    close(scene->client);
    free(scene);
}

static void a_taken_port_is_refused(void **state)
{
    uint16_t port;
    const char *what = NULL;
    int fds[2];
    int fd = bind_udp(&port);
    (void)state;
    assert_int_equal(net_sock_bind_udp("127.0.0.1", port, fds, 2, &what), -EADDRINUSE);
    assert_string_equal(what, "bind");
    close(fd);
    assert_int_equal(net_sock_bind_udp("127.0.0.1", port, fds, 2, &what), 1);
    close(fds[0]);
}

int main(int argc, char **argv)
{
    enum net_loop_kind kind = rig_kind(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(a_datagram_is_answered, &kind),
        cmocka_unit_test_prestate(a_long_answer_is_cut, &kind),
        cmocka_unit_test_prestate(many_datagrams_are_answered, &kind),
        cmocka_unit_test_prestate(a_renewed_stream_is_new, &kind),
        cmocka_unit_test_prestate(what_cannot_be_sent_is_lost, &kind),
        cmocka_unit_test_prestate(nothing_comes_after_close, &kind),
        cmocka_unit_test_prestate(loops_share_a_socket, &kind),
        cmocka_unit_test_prestate(a_loop_ends_with_its_sockets, &kind),
        cmocka_unit_test_prestate(a_loop_that_ended_lets_go, &kind),
        cmocka_unit_test_prestate(a_taken_port_is_refused, &kind),
    };
    return cmocka_run_group_tests_name("net-datagram", tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The contract of net/loop.h about beginnings and ends, the same cases on both kinds of loop:
 * close in every callback, resets, accepting and its limits, posted functions, stop, idle cost.
 */
#include "rig.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>

static const char GREETING[] = "hello";

enum { FLOOD_MAX = 16 << 20 }; /* more than the sockets take */

/* ---- close in every callback ---- */

static size_t echo_on_data(struct net_stream *stream, char *data, size_t size)
{
    net_stream_write(stream, data, size);
    return size;
}

static const struct net_stream_handler ECHO = {.on_data = echo_on_data, .on_close = rig_closed};

static size_t close_on_data(struct net_stream *stream, char *data, size_t size)
{
    (void)data;
    assert_int_equal(rig_of(stream)->calls++, 0); /* none after the close */
    net_stream_write(stream, GREETING, 5);
    rig_lend(rig_of(stream), GREETING, 5);
    net_stream_close(stream, true);
    net_stream_close(stream, false);
    /* All harmless now. */
    net_stream_pause(stream);
    net_stream_resume(stream);
    assert_false(net_stream_write(stream, GREETING, 5));
    assert_null(net_stream_room(stream, 5));
    rig_lend(rig_of(stream), GREETING, 5);
    net_stream_settle(stream);
    return size / 2;
}

static size_t drop_on_data(struct net_stream *stream, char *data, size_t size)
{
    (void)data;
    net_stream_write(stream, GREETING, 5);
    rig_lend(rig_of(stream), GREETING, 5);
    net_stream_close(stream, false);
    return size;
}

static size_t receive_on_data(struct net_stream *stream, char *data, size_t size)
{
    (void)data;
    struct rig_conn *conn = rig_of(stream);
    conn->memory = malloc(100);
    assert_non_null(conn->memory);
    net_stream_receive(stream, conn->memory, 100);
    return size < 1 ? size : 1;
}

static void close_on_received(struct net_stream *stream)
{
    net_stream_write(stream, GREETING, 5);
    net_stream_close(stream, true);
}

static size_t flood_on_data(struct net_stream *stream, char *data, size_t size)
{
    static const char zeros[100000];
    (void)data;
    while (!net_stream_is_full(stream)) {
        net_stream_write(stream, zeros, sizeof(zeros));
    }
    return size;
}

static void close_on_drained(struct net_stream *stream)
{
    net_stream_write(stream, GREETING, 5);
    rig_lend(rig_of(stream), GREETING, 5);
    net_stream_close(stream, false);
}

static void close_on_open(struct rig_conn *conn)
{
    net_stream_write(&conn->stream, GREETING, 5);
    net_stream_close(&conn->stream, true);
}

struct close_case {
    struct net_stream_handler handler;
    void (*on_open)(struct rig_conn *conn);
    const char *answer; /* NULL: any */
};

static void drain(int fd)
{
    char in[65536];
    while (rig_wait_recv(fd, in, sizeof(in)) > 0 || errno == EINTR) {
        errno = 0;
    }
}

static void close_round(const struct close_case *test, int fd)
{
    char out[200] = {0}, in[16];
    if (test->on_open == NULL) {
        rig_send(fd, out, test->handler.on_received != NULL ? 101 : sizeof(out));
    }
    if (test->answer != NULL) {
        rig_recv(fd, in, strlen(test->answer));
        assert_memory_equal(in, test->answer, strlen(test->answer));
    } else {
        drain(fd);
    }
    assert_true(rig_is_ended(fd));
    close(fd);
}

static void test_close_in_callbacks(void **state)
{
    const struct close_case cases[] = {
        {.handler = {.on_data = close_on_data}, .answer = "hellohello"},
        {.handler = {.on_data = drop_on_data}},
        {.handler = {.on_data = receive_on_data, .on_received = close_on_received},
         .answer = "hello"},
        {.handler = {.on_data = flood_on_data, .on_drained = close_on_drained}},
        {.handler = {.on_data = echo_on_data}, .on_open = close_on_open, .answer = "hello"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct close_case test = cases[i];
        test.handler.on_close = rig_closed;
        struct rig rig;
        rig_start(&rig, (struct rig_plan){.kind = rig_kind_of(state),
                                          .output_max = FLOOD_MAX,
                                          .handler = &test.handler,
                                          .on_open = test.on_open});
        for (unsigned n = 0; n < 10; n++) {
            close_round(&test, n % 2 == 0 ? rig_connect_tcp(&rig) : rig_connect_unix(&rig));
        }
        rig_wait(&rig.closed, 10);
        assert_int_equal(rig.close_reasons[NET_CLOSE_LOCAL], 10);
        rig_stop(&rig);
    }
}

/* ---- one stream closes another, from outside and from within ---- */

static void close_last(void *arg)
{
    struct rig *rig = arg;
    assert_non_null(rig->last);
    net_stream_write(&rig->last->stream, GREETING, 5);
    net_stream_close(&rig->last->stream, true);
}

static size_t close_other_on_data(struct net_stream *stream, char *data, size_t size)
{
    (void)data;
    struct rig *rig = rig_of(stream)->rig;
    if (rig->last != NULL) {
        close_last(rig);
    }
    return size;
}

static void test_close_another(void **state)
{
    static const struct net_stream_handler handler = {.on_data = close_other_on_data,
                                                      .on_close = rig_closed};
    struct rig rig;
    rig_start(&rig, (struct rig_plan){.kind = rig_kind_of(state), .handler = &handler});
    int first = rig_connect_unix(&rig);
    for (unsigned i = 0; i < 50; i++) {
        int second = rig_connect_unix(&rig);
        rig_wait(&rig.opened, i + 2);
        if (i % 2 == 0) {
            rig_call(&rig, close_last, &rig);
        } else {
            (void)rig_wait_send(second, "x", 1); /* both ready in one turn, likely */
            rig_send(first, "x", 1);
        }
        rig_wait(&rig.closed, i + 1);
        drain(second);
        close(second);
    }
    close(first);
    rig_stop(&rig);
}

/* ---- the peer's ends ---- */

static void reset(int fd)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
    close(fd);
}

static void pause_on_open(struct rig_conn *conn)
{
    net_stream_pause(&conn->stream);
}

static void resume_last(void *arg)
{
    struct rig *rig = arg;
    assert_non_null(rig->last);
    net_stream_resume(&rig->last->stream);
}

static void test_peer_reset(void **state)
{
    static const struct net_stream_handler flood = {.on_data = flood_on_data,
                                                    .on_close = rig_closed};
    struct rig rig;
    rig_start(&rig, (struct rig_plan){
                        .kind = rig_kind_of(state), .output_max = FLOOD_MAX, .handler = &flood});
    int idle = rig_connect_tcp(&rig);
    rig_wait(&rig.opened, 1);
    reset(idle);
    rig_wait(&rig.closed, 1);
    assert_int_equal(rig.close_reasons[NET_CLOSE_ERROR], 1);
    assert_int_equal(rig.close_error, ECONNRESET);
    int blocked = rig_connect_tcp(&rig);
    rig_send(blocked, "x", 1);
    rig_wait(&rig.opened, 2);
    rig_sleep_ms(20);
    assert_int_equal(rig.closed, 1);
    reset(blocked);
    rig_wait(&rig.closed, 2);
    assert_int_equal(rig.close_reasons[NET_CLOSE_ERROR], 2);
    int gone = rig_connect_unix(&rig);
    rig_send(gone, "x", 1);
    rig_wait(&rig.opened, 3);
    rig_sleep_ms(20);
    close(gone);
    rig_wait(&rig.closed, 3);
    rig_stop(&rig);
}

/* A paused stream of a dead peer costs no turns, and ends when it is resumed. */
static void test_peer_reset_while_paused(void **state)
{
    struct rig rig;
    rig_start(&rig, (struct rig_plan){
                        .kind = rig_kind_of(state), .handler = &ECHO, .on_open = pause_on_open});
    for (unsigned i = 0; i < 3; i++) {
        int fd = i < 2 ? rig_connect_tcp(&rig) : rig_connect_unix(&rig);
        rig_send(fd, "x", 1);
        rig_wait(&rig.opened, i + 1);
        if (i == 0) {
            reset(fd);
        } else {
            close(fd);
        }
        rig_sleep_ms(20);
        unsigned turns = rig.before_waits;
        rig_sleep_ms(100);
        assert_true(rig.before_waits - turns < 5);
        if (rig.closed < i + 1) {
            rig_call(&rig, resume_last, &rig);
        }
        rig_wait(&rig.closed, i + 1);
    }
    rig_stop(&rig);
}

/* ---- posts and stop ---- */

enum { POSTERS = 4, POSTS = 10000 };

struct poster {
    struct rig *rig;
    pthread_t thread;
    unsigned next; /* the loop's thread */
};

struct numbered {
    struct poster *poster;
    unsigned number;
};

static void count_post(void *arg)
{
    struct numbered *numbered = arg;
    assert_int_equal(numbered->number, numbered->poster->next);
    numbered->poster->next++;
    free(numbered);
}

static void *post_all(void *arg)
{
    struct poster *poster = arg;
    for (unsigned i = 0; i < POSTS; i++) {
        struct numbered *numbered = malloc(sizeof(*numbered));
        assert_non_null(numbered);
        *numbered = (struct numbered){.poster = poster, .number = i};
        assert_int_equal(net_loop_post(poster->rig->loop, count_post, numbered), 0);
    }
    return NULL;
}

static void nothing(void *arg)
{
    (void)arg;
}

static void test_posts(void **state)
{
    struct rig rig;
    rig_start(&rig, (struct rig_plan){.kind = rig_kind_of(state), .handler = &ECHO});
    struct poster posters[POSTERS];
    for (unsigned i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){.rig = &rig};
        assert_int_equal(pthread_create(&posters[i].thread, NULL, post_all, &posters[i]), 0);
    }
    for (unsigned i = 0; i < POSTERS; i++) {
        pthread_join(posters[i].thread, NULL);
    }
    rig_call(&rig, nothing, NULL);
    for (unsigned i = 0; i < POSTERS; i++) {
        assert_int_equal(posters[i].next, POSTS);
    }
    rig_stop(&rig);
}

static void stop_own(void *arg)
{
    net_loop_stop(arg);
}

static void flag(void *arg)
{
    *(bool *)arg = true;
}

static void test_stop(void **state)
{
    struct net_loop_config config = {.kind = rig_kind_of(state), .output_max = 1000};
    struct net_loop *loop = NULL;
    assert_int_equal(net_loop_create(&config, &loop), 0);
    net_loop_stop(loop); /* before it runs */
    net_loop_run(loop);
    bool ran = false;
    assert_int_equal(net_loop_post(loop, flag, &ran), 0);
    assert_int_equal(net_loop_post(loop, stop_own, loop), 0);
    net_loop_run(loop);
    assert_true(ran);
    ran = false;
    assert_int_equal(net_loop_post(loop, flag, &ran), 0);
    net_loop_destroy(&loop);
    assert_true(ran); /* nothing posted is lost */
    net_loop_destroy(&loop);
}

static void test_tick(void **state)
{
    struct rig rig;
    rig_start(&rig, (struct rig_plan){.kind = rig_kind_of(state), .handler = &ECHO});
    rig_wait(&rig.ticks, 2);
    assert_true(rig.before_waits < 50);
    rig_stop(&rig);
}

/* ---- accepting ---- */

static void pause_listeners(void *arg)
{
    struct rig *rig = arg;
    for (unsigned i = 0; i < 2; i++) {
        net_listener_pause(rig->tcp_listener);
        net_listener_pause(rig->unix_listener);
    }
}

static void resume_listeners(void *arg)
{
    struct rig *rig = arg;
    for (unsigned i = 0; i < 2; i++) {
        net_listener_resume(rig->tcp_listener);
        net_listener_resume(rig->unix_listener);
    }
}

static void close_unix_listener(void *arg)
{
    struct rig *rig = arg;
    net_listener_close(&rig->unix_listener);
}

static void test_listener(void **state)
{
    struct rig rig;
    rig_start(&rig, (struct rig_plan){.kind = rig_kind_of(state), .handler = &ECHO});
    for (unsigned i = 0; i < 5; i++) {
        rig_call(&rig, pause_listeners, &rig);
        int tcp = rig_connect_tcp(&rig);
        int local = rig_connect_unix(&rig);
        rig_sleep_ms(20);
        assert_int_equal(rig.opened, 2 * i);
        rig_call(&rig, resume_listeners, &rig);
        rig_wait(&rig.opened, 2 * i + 2);
        char in[5];
        rig_send(tcp, GREETING, 5);
        rig_recv(tcp, in, 5);
        close(tcp);
        close(local);
    }
    rig_call(&rig, close_unix_listener, &rig);
    assert_null(rig.unix_listener);
    int waiting = rig_connect_unix(&rig); /* to the backlog; the descriptor is ours */
    rig_sleep_ms(20);
    assert_int_equal(rig.opened, 10);
    close(waiting);
    rig_stop(&rig);
}

static void test_out_of_descriptors(void **state)
{
    enum { LIMIT = 256 };
    struct rlimit limit, low;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = limit;
    low.rlim_cur = LIMIT;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    struct rig rig;
    rig_start(&rig, (struct rig_plan){.kind = rig_kind_of(state), .handler = &ECHO});
    int before = rig_connect_tcp(&rig);
    rig_wait(&rig.opened, 1);
    int taken[LIMIT];
    unsigned count = 0;
    while ((taken[count] = dup(before)) >= 0) {
        count++;
    }
    assert_int_equal(errno, EMFILE);
    close(taken[--count]);
    int fd = rig_connect_unix(&rig); /* takes the last number that is free */
    rig_wait(&rig.ticks, rig.ticks + 2);
    assert_int_equal(rig.opened, 1);
    uint64_t failures = net_loop_counters(rig.loop)->accept_failures;
    assert_true(failures > 0 && failures < 20);
    char in[5];
    rig_send(before, GREETING, 5); /* the others are served */
    rig_recv(before, in, 5);
    while (count > 0) {
        close(taken[--count]);
    }
    rig_wait(&rig.opened, 2);
    rig_send(fd, GREETING, 5);
    rig_recv(fd, in, 5);
    close(fd);
    close(before);
    rig_stop(&rig);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void open_block_count(void *arg)
{
    struct rig *rig = arg;
    assert_int_equal(net_loop_pool(rig->loop)->used_count, 0);
}

static void test_many_connections(void **state)
{
    enum { COUNT = 2000 };
    static int fds[COUNT];
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max < 10000 ? limit.rlim_max : 10000;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur < 2 * COUNT + 50) {
        return; /* too few descriptors; cmocka's skip() is a failure in TAP */
    }
    struct rig rig;
    rig_start(&rig, (struct rig_plan){.kind = rig_kind_of(state), .handler = &ECHO});
    for (unsigned i = 0; i < COUNT; i++) {
        fds[i] = rig_connect_tcp(&rig);
    }
    rig_wait(&rig.opened, COUNT);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < COUNT; i++) {
            rig_send(fds[i], &i, sizeof(i));
        }
        for (unsigned i = 0; i < COUNT; i++) {
            unsigned in;
            rig_recv(fds[i], &in, sizeof(in));
            assert_int_equal(in, i);
        }
    }
    /* An idle stream is its structure and nothing else. */
    rig_call(&rig, open_block_count, &rig);
    assert_true(sizeof(struct net_stream) <= 144);
    for (unsigned i = 0; i < COUNT; i++) {
        close(fds[i]);
    }
    rig_wait(&rig.closed, COUNT);
    rig_stop(&rig);
}

/* Two loops on one descriptor: every connection comes to one of them. */
static void test_two_loops(void **state)
{
    enum { COUNT = 400 };
    struct rig rig, other;
    rig_start(&rig, (struct rig_plan){.kind = rig_kind_of(state), .handler = &ECHO});
    rig_start(&other,
              (struct rig_plan){.kind = rig_kind_of(state), .handler = &ECHO, .accept_from = &rig});
    static int fds[COUNT];
    for (unsigned i = 0; i < COUNT; i++) {
        fds[i] = rig_connect_tcp(&rig);
        char in[5];
        rig_send(fds[i], GREETING, 5);
        rig_recv(fds[i], in, 5);
        assert_memory_equal(in, GREETING, 5);
    }
    assert_int_equal(rig.opened + other.opened, COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        close(fds[i]);
    }
    rig_stop(&other);
    rig_stop(&rig);
}

static void hold_up(void *arg)
{
    atomic_uint *step = arg;
    atomic_store(step, 1);
    rig_wait(step, 2);
}

/* A loop that is busy may keep one new client waiting, not all of them. */
static void test_busy_loop(void **state)
{
    enum { COUNT = 6 };
    struct rig rigs[2];
    atomic_uint steps[2] = {0, 0};
    struct rig_plan plan = {.kind = rig_kind_of(state), .handler = &ECHO};
    rig_start(&rigs[0], plan);
    plan.accept_from = &rigs[0];
    rig_start(&rigs[1], plan);
    for (unsigned busy = 0; busy < 2; busy++) {
        struct rig *idle = &rigs[1 - busy];
        assert_int_equal(net_loop_post(rigs[busy].loop, hold_up, &steps[busy]), 0);
        rig_wait(&steps[busy], 1);
        unsigned before = idle->opened;
        int fds[COUNT];
        for (unsigned i = 0; i < COUNT; i++) {
            fds[i] = rig_connect_tcp(&rigs[0]);
        }
        rig_wait(&idle->opened, before + COUNT - 1);
        atomic_store(&steps[busy], 2);
        for (unsigned i = 0; i < COUNT; i++) {
            char in[5];
            rig_send(fds[i], GREETING, 5);
            rig_recv(fds[i], in, 5);
            close(fds[i]);
        }
    }
    rig_stop(&rigs[1]);
    rig_stop(&rigs[0]);
}

int main(int argc, char **argv)
{
    enum net_loop_kind kind = rig_kind(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_close_in_callbacks, &kind),
        cmocka_unit_test_prestate(test_close_another, &kind),
        cmocka_unit_test_prestate(test_peer_reset, &kind),
        cmocka_unit_test_prestate(test_peer_reset_while_paused, &kind),
        cmocka_unit_test_prestate(test_posts, &kind),
        cmocka_unit_test_prestate(test_stop, &kind),
        cmocka_unit_test_prestate(test_tick, &kind),
        cmocka_unit_test_prestate(test_listener, &kind),
        cmocka_unit_test_prestate(test_out_of_descriptors, &kind),
        cmocka_unit_test_prestate(test_many_connections, &kind),
        cmocka_unit_test_prestate(test_two_loops, &kind),
        cmocka_unit_test_prestate(test_busy_loop, &kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

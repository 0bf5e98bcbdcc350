/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the system can refuse: io_uring as a whole, and memory for blocks.
 */
#include "rig.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* ---- io_uring forbidden, as in many containers ---- */

static int forbid_io_uring(void)
{
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof(rules) / sizeof(rules[0]), .filter = rules};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return -1;
    }
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* In a child, because there is no way back. Returns the number of the step that failed. */
static int try_without_io_uring(void)
{
    struct net_loop *loop = NULL;
    if (forbid_io_uring() != 0) {
        return 1;
    }
    struct net_loop_config config = {.kind = NET_LOOP_URING, .output_max = 1};
    if (net_loop_create(&config, &loop) != -EPERM || loop != NULL) {
        return 2;
    }
    config.kind = NET_LOOP_AUTO;
    if (net_loop_create(&config, &loop) != 0 || strcmp(net_loop_name(loop), "epoll") != 0) {
        return 3;
    }
    net_loop_stop(loop);
    net_loop_run(loop);
    net_loop_destroy(&loop);
    return 0;
}

static void test_io_uring_forbidden(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        _exit(try_without_io_uring());
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- no memory for the n-th block ---- */

static atomic_int blocks_left; /* that can still be had; negative: any number */

struct base_block *__real_base_block_take(struct base_block_pool *pool);
struct base_block *__wrap_base_block_take(struct base_block_pool *pool);

struct base_block *__wrap_base_block_take(struct base_block_pool *pool)
{
    int left = atomic_load(&blocks_left);
    if (left == 0) {
        return NULL;
    }
    if (left > 0) {
        atomic_store(&blocks_left, left - 1);
    }
    return __real_base_block_take(pool);
}

static char big[8 * 1024 * 1024];

/* Needs blocks for what it leaves, writes, takes room for, and lends more than the socket takes. */
static size_t hungry_on_data(struct net_stream *stream, char *data, size_t size)
{
    if (data[size - 1] != '\n') {
        return 0;
    }
    struct rig_conn *conn = rig_of(stream);
    net_stream_write(stream, big, 20000);
    char *room = net_stream_room(stream, 5000);
    if (room != NULL) {
        memcpy(room, big, 5000);
        net_stream_wrote(stream, 5000);
    }
    rig_lend(conn, big, sizeof(big));
    net_stream_write(stream, big, 20000);
    rig_lend(conn, big, 100000);
    return size;
}

static void test_out_of_memory(void **state)
{
    static const struct net_stream_handler handler = {.on_data = hungry_on_data,
                                                      .on_close = rig_closed};
    struct rig rig;
    rig_start(&rig, (struct rig_plan){.kind = rig_kind_of(state), .handler = &handler});
    char *in = malloc(1 << 20);
    assert_non_null(in);
    unsigned survived = 0;
    for (int blocks = 0; survived < 2; blocks += blocks < 10 ? 1 : 100) {
        unsigned closed = rig.closed;
        int fd = rig_connect_unix(&rig);
        atomic_store(&blocks_left, blocks);
        (void)rig_wait_send(fd, "start ", 6);
        rig_sleep_ms(5); /* as two receives */
        (void)rig_wait_send(fd, "end\n", 4);
        size_t size = 20000 + 5000 + sizeof(big) + 20000 + 100000;
        ssize_t received = 1;
        while (size > 0 && received > 0) {
            received = rig_wait_recv(fd, in, size < 1 << 20 ? size : 1 << 20);
            assert_true(received >= 0 || errno == ECONNRESET || errno == EINTR);
            size -= received > 0 ? (size_t)received : 0;
            received = received < 0 && errno == EINTR ? 1 : received;
        }
        atomic_store(&blocks_left, -1);
        survived += size == 0 ? 1 : 0;
        close(fd);
        rig_wait(&rig.closed, closed + 1);
    }
    free(in);
    assert_true(rig.close_reasons[NET_CLOSE_NO_MEMORY] > 5);
    assert_int_equal(rig.close_reasons[NET_CLOSE_PEER], 2);
    assert_true(net_loop_counters(rig.loop)->buffer_oom >= rig.close_reasons[NET_CLOSE_NO_MEMORY]);
    rig_stop(&rig); /* all that was lent is back, every block too */
}

int main(int argc, char **argv)
{
    enum net_loop_kind kind = rig_kind(argc, argv);
    atomic_store(&blocks_left, -1);
    rig_fill(big, sizeof(big), 3);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_io_uring_forbidden, &kind),
        cmocka_unit_test_prestate(test_out_of_memory, &kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

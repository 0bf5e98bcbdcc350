/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What can be asked of a loop's ring by code that got into the process: no more than the loop asks
 * itself. In a process of its own: the loop's ring is spoilt by others who use it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "rig.h"

enum { NO_RING = 99, NOT_MAPPED = 98, NO_ANSWER = 97 };

typedef void (*ask_fn)(struct io_uring_sqe *sqe);

static ask_fn ask;

/* The descriptor of the process' only ring, or -1. */
static int ring_of_this_process(void)
{
    int found = -1;
    DIR *folder = opendir("/proc/self/fd");
    const struct dirent *entry;
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        char target[64] = "";
        if (readlinkat(dirfd(folder), entry->d_name, target, sizeof target - 1) > 0 &&
            strcmp(target, "anon_inode:[io_uring]") == 0) {
            found = (int)strtol(entry->d_name, NULL, 10);
        }
    }
    if (folder != NULL) {
        (void)closedir(folder);
    }
    return found;
}

/* On the loop's thread, which owns the ring. Ends the process with what became of the request: 0 or an errno. */
static void intrude(void *arg)
{
    struct io_uring_params params = {.flags = IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED,
                                     .cq_entries = 8192};
    struct io_uring other, ring;
    struct io_uring_cqe *cqe = NULL;
    const int fd = ring_of_this_process();
    (void)arg;
    if (fd < 0) {
        _exit(NO_RING);
    }
    if (ask == NULL) {
        _exit(syscall(SYS_io_uring_register, fd, IORING_REGISTER_FILES, &fd, 1) < 0 ? errno : 0);
    }
    /* One of the same size tells where everything lies. */
    if (io_uring_queue_init_params(1024, &other, &params) != 0 ||
        io_uring_queue_mmap(fd, &params, &ring) != 0) {
        _exit(NOT_MAPPED);
    }
    ring.sq.sqe_head = ring.sq.sqe_tail = *ring.sq.ktail;
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
    if (sqe == NULL) {
        _exit(NO_ANSWER);
    }
    ask(sqe);
    io_uring_sqe_set_data64(sqe, 0xabcdef);
    (void)io_uring_submit_and_get_events(&ring);
    while (io_uring_peek_cqe(&ring, &cqe) == 0) {
        if (cqe->user_data == 0xabcdef) {
            _exit(cqe->res < 0 ? -cqe->res : 0);
        }
        io_uring_cqe_seen(&ring, cqe);
    }
    _exit(NO_ANSWER);
}

/* 0, or the errno, of what a request in a process of its own brought. */
static int error_of(ask_fn request)
{
    const struct net_loop_config config = {.kind = NET_LOOP_URING, .output_max = 1 << 20};
    int status = 0;
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct net_loop *loop = NULL;
        ask = request;
        if (net_loop_create(&config, &loop) != 0 || net_loop_post(loop, intrude, NULL) != 0) {
            _exit(NO_RING);
        }
        net_loop_run(loop);
        _exit(NO_ANSWER);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == NO_RING) {
        skip(); /* a machine without io_uring */
    }
    return WEXITSTATUS(status);
}

static void ask_nothing(struct io_uring_sqe *sqe)
{
    io_uring_prep_cancel64(sqe, 0x123456, 0);
}

static void ask_to_open(struct io_uring_sqe *sqe)
{
    io_uring_prep_openat(sqe, AT_FDCWD, "/tmp/larder-intruder", O_WRONLY | O_CREAT, 0600);
}

static void ask_to_connect(struct io_uring_sqe *sqe)
{
    static const struct sockaddr_in any = {.sin_family = AF_INET};
    io_uring_prep_connect(sqe, 0, (const struct sockaddr *)&any, sizeof any);
}

static void ask_to_rename(struct io_uring_sqe *sqe)
{
    io_uring_prep_renameat(sqe, AT_FDCWD, "/tmp/larder-intruder", AT_FDCWD, "/tmp/larder-2", 0);
}

static void ask_by_a_thread(struct io_uring_sqe *sqe)
{
    ask_nothing(sqe);
    io_uring_sqe_set_flags(sqe, IOSQE_ASYNC);
}

static void the_ring_takes_only_what_the_loop_asks(void **state)
{
    (void)state;
    assert_int_equal(error_of(ask_nothing), ENOENT); /* allowed: there is no such request */
    assert_int_equal(error_of(ask_to_open), EACCES);
    assert_int_equal(error_of(ask_to_connect), EACCES);
    assert_int_equal(error_of(ask_to_rename), EACCES);
    assert_int_equal(error_of(ask_by_a_thread), EACCES);
    assert_int_equal(error_of(NULL), EACCES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_ring_takes_only_what_the_loop_asks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

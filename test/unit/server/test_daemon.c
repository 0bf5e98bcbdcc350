/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the caller of a daemon sees, the pid file, and the limits: in child processes, which end
 * with _exit() so that the test's own reporting is not done twice.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/daemon.h"
#include "server/privilege.h"

static int status_of(pid_t child)
{
    int status = 0;

    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void temporary_path(char *path, size_t size)
{
    (void)snprintf(path, size, "/tmp/larder-test-pid.%ld", (long)getpid());
}

/* 0 when there is none. */
static long read_pid(const char *path)
{
    FILE *file = fopen(path, "re");
    char text[32] = "";

    if (file != NULL) {
        (void)!fgets(text, sizeof text, file);
        (void)fclose(file);
    }
    return strtol(text, NULL, 10);
}

static void a_ready_daemon_lets_its_caller_go(void **state)
{
    char path[64];
    struct server_config config = {.daemon = true, .pid_path = path};
    pid_t caller;
    long daemon_pid;

    (void)state;
    temporary_path(path, sizeof path);
    caller = fork();
    if (caller == 0) {
        struct server_daemon daemon = SERVER_DAEMON_NONE;

        if (server_daemon_detach(&config, &daemon) != 0) {
            _exit(99);
        }
        server_daemon_ready(&config, &daemon);
        pause();
        _exit(0);
    }
    assert_int_equal(status_of(caller), 0);
    /* The caller is back, so everything is there already. */
    daemon_pid = read_pid(path);
    assert_true(daemon_pid > 0 && daemon_pid != caller && daemon_pid != getpid());
    assert_int_equal(getsid((pid_t)daemon_pid), daemon_pid);
    assert_int_equal(kill((pid_t)daemon_pid, SIGKILL), 0);
    assert_int_equal(unlink(path), 0);
}

static void a_failed_daemon_gives_its_exit_code(void **state)
{
    static const struct {
        int end;      /* exit code; -1: a signal */
        int expected; /* what the caller sees */
    } cases[] = {{EX_OSERR, EX_OSERR}, {0, EXIT_FAILURE}, {-1, EXIT_FAILURE}};
    struct server_config config = {.daemon = true};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const pid_t caller = fork();

        if (caller == 0) {
            struct server_daemon daemon = SERVER_DAEMON_NONE;

            if (server_daemon_detach(&config, &daemon) != 0) {
                _exit(99);
            }
            if (cases[i].end < 0) {
                (void)kill(getpid(), SIGKILL);
            }
            _exit(cases[i].end);
        }
        assert_int_equal(status_of(caller), cases[i].expected);
    }
}

static void a_server_in_front_does_not_fork(void **state)
{
    struct server_config config = {.daemon = false};
    struct server_daemon daemon = SERVER_DAEMON_NONE;
    const pid_t before = getpid();

    (void)state;
    assert_int_equal(server_daemon_detach(&config, &daemon), 0);
    assert_int_equal(getpid(), before);
    server_daemon_ready(&config, &daemon);
    server_daemon_end(&config, &daemon);
}

static void the_pid_file_comes_and_goes(void **state)
{
    char path[64], draft[72];
    struct server_config config = {.pid_path = path};
    struct server_daemon daemon = SERVER_DAEMON_NONE;

    (void)state;
    temporary_path(path, sizeof path);
    (void)snprintf(draft, sizeof draft, "%s.tmp", path);
    server_daemon_ready(&config, &daemon);
    assert_int_equal(read_pid(path), getpid());
    assert_int_equal(access(draft, F_OK), -1);
    /* A second server says that the first runs, and goes on. */
    server_daemon_ready(&config, &daemon);
    assert_int_equal(read_pid(path), getpid());
    server_daemon_end(&config, &daemon);
    assert_int_equal(access(path, F_OK), -1);

    config.pid_path = "/nonexistent/pid";
    server_daemon_ready(&config, &daemon);
    assert_false(daemon.has_pid_file);
    server_daemon_end(&config, &daemon);
}

/* ---- privileges ---- */

static int prepare_in_child(const struct server_config *config, rlim_t files_max)
{
    const pid_t child = fork();

    if (child == 0) {
        struct rlimit limit = {.rlim_cur = files_max, .rlim_max = files_max};
        struct server_identity identity;
        int status;

        if (files_max != 0 && setrlimit(RLIMIT_NOFILE, &limit) != 0) {
            _exit(99);
        }
        (void)umask(0027);
        status = server_privilege_prepare(config, &identity);
        if (status == 0 && (getrlimit(RLIMIT_NOFILE, &limit) != 0 ||
                            limit.rlim_cur < config->connections_max || umask(0) != 0027)) {
            _exit(98);
        }
        _exit(status);
    }
    return status_of(child);
}

static void limits_follow_the_connections(void **state)
{
    struct server_config config = {.connections_max = 5000, .worker_count = 4, .user = "root"};

    (void)state;
    assert_int_equal(prepare_in_child(&config, 0), 0);
    /* At the hard limit and not above: tight, but it works. Root may raise it, so it does not fail. */
    assert_int_equal(prepare_in_child(&config, 5000), 0);
    if (geteuid() != 0) {
        assert_int_equal(prepare_in_child(&config, 4999), EX_OSERR);
    }
}

static void root_has_to_name_a_user(void **state)
{
    struct server_config config = {.connections_max = 10, .worker_count = 1};

    (void)state;
    if (geteuid() != 0) {
        return; /* cmocka's skip() is a failure in TAP */
    }
    assert_int_equal(prepare_in_child(&config, 0), EX_USAGE);
    config.user = "";
    assert_int_equal(prepare_in_child(&config, 0), EX_USAGE);
    config.user = "no-such-user";
    assert_int_equal(prepare_in_child(&config, 0), EX_NOUSER);
}

static void root_becomes_the_user(void **state)
{
    struct server_config config = {.connections_max = 10, .worker_count = 1, .user = "nobody"};
    pid_t child;

    (void)state;
    if (geteuid() != 0) {
        return; /* cmocka's skip() is a failure in TAP */
    }
    child = fork();
    if (child == 0) {
        struct server_identity identity;

        if (server_privilege_prepare(&config, &identity) != 0 || !identity.change ||
            server_privilege_drop(&config, &identity) != 0) {
            _exit(99);
        }
        _exit(getuid() == 0 || getgid() == 0 || getgroups(0, NULL) != 0 || setuid(0) == 0);
    }
    assert_int_equal(status_of(child), 0);
}

/* Locked or not, the engine must be able to reserve address space afterwards. */
static void locking_memory_leaves_room(void **state)
{
    const struct server_config config = {.lock_memory = true};
    const pid_t child = fork();

    (void)state;
    if (child == 0) {
        const struct rlimit limit = {.rlim_cur = 64u << 20, .rlim_max = 64u << 20};
        const size_t size = (size_t)1 << 36;

        (void)setrlimit(RLIMIT_MEMLOCK, &limit);
        if (geteuid() == 0 && setuid(65534) != 0) {
            _exit(99); /* with the capabilities of root no limit would count */
        }
        server_privilege_lock_memory(&config);
        _exit(mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) ==
              MAP_FAILED);
    }
    assert_int_equal(status_of(child), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ready_daemon_lets_its_caller_go),
        cmocka_unit_test(a_failed_daemon_gives_its_exit_code),
        cmocka_unit_test(a_server_in_front_does_not_fork),
        cmocka_unit_test(the_pid_file_comes_and_goes),
        cmocka_unit_test(limits_follow_the_connections),
        cmocka_unit_test(root_has_to_name_a_user),
        cmocka_unit_test(root_becomes_the_user),
        cmocka_unit_test(locking_memory_leaves_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

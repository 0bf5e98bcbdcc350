/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Addresses as text, listening on TCP and UNIX sockets, stale and live ones, systemd's hand-over.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/sock.h"

static void expect_text(const struct net_address *address, const char *text)
{
    char out[NET_ADDRESS_TEXT_MAX];
    assert_int_equal(net_address_write(address, out), strlen(text));
    assert_string_equal(out, text);
}

static void test_address_text(void **state)
{
    (void)state;
    struct net_address address = {.size = sizeof(struct sockaddr_in)};
    address.in.sin_family = AF_INET;
    address.in.sin_port = htons(11211);
    assert_int_equal(inet_pton(AF_INET, "192.0.2.1", &address.in.sin_addr), 1);
    expect_text(&address, "tcp:192.0.2.1:11211");

    address = (struct net_address){.size = sizeof(struct sockaddr_in6)};
    address.in6.sin6_family = AF_INET6;
    address.in6.sin6_port = htons(5);
    assert_int_equal(inet_pton(AF_INET6, "2001:db8::1", &address.in6.sin6_addr), 1);
    expect_text(&address, "tcp6:[2001:db8::1]:5");

    address = (struct net_address){.size = sizeof(struct sockaddr_un)};
    address.local.sun_family = AF_UNIX;
    strcpy(address.local.sun_path, "/run/x.sock");
    expect_text(&address, "unix:/run/x.sock");
    memset(address.local.sun_path, 'p', sizeof(address.local.sun_path)); /* no NUL: allowed */
    char out[NET_ADDRESS_TEXT_MAX];
    assert_int_equal(net_address_write(&address, out), 5 + sizeof(address.local.sun_path));

    address = (struct net_address){.size = sizeof(sa_family_t)};
    address.local.sun_family = AF_UNIX;
    expect_text(&address, "unix:<AF 1>");
    expect_text(&(struct net_address){0}, "<AF 0>");
}

static void expect_descriptor_flags(int fd)
{
    assert_true((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
}

static void test_listen(void **state)
{
    (void)state;
    int fds[8];
    const char *what = NULL;
    assert_int_equal(net_sock_listen("127.0.0.1", 0, 16, fds, 8, &what), 1);
    expect_descriptor_flags(fds[0]);
    struct net_address address;
    assert_int_equal(net_sock_name(fds[0], &address), 0);
    uint16_t port = ntohs(address.in.sin_port);
    assert_int_not_equal(port, 0);
    char text[64];
    snprintf(text, sizeof(text), "tcp:127.0.0.1:%u", port);
    expect_text(&address, text);

    int other[8];
    assert_int_equal(net_sock_listen("127.0.0.1", port, 16, other, 8, &what), -EADDRINUSE);
    assert_string_equal(what, "bind");
    assert_int_equal(net_sock_listen("256.0.0.1", port, 16, other, 8, &what), EAI_NONAME);
    assert_string_equal(what, "getaddrinfo");
    close(fds[0]);
    assert_int_equal(net_sock_listen("127.0.0.1", port, 16, fds, 8, &what), 1); /* again, at once */
    close(fds[0]);
    assert_int_equal(net_sock_name(fds[0], &address), -EBADF);
}

/* All interfaces: one descriptor for each family the machine has. */
static void test_listen_everywhere(void **state)
{
    (void)state;
    int fds[8];
    const char *what = NULL;
    int count = net_sock_listen(NULL, 0, 16, fds, 8, &what);
    assert_true(count >= 1);
    bool ipv4 = false;
    for (int i = 0; i < count; i++) {
        struct net_address address;
        assert_int_equal(net_sock_name(fds[i], &address), 0);
        ipv4 |= address.any.sa_family == AF_INET;
        close(fds[i]);
    }
    assert_true(ipv4);
    assert_int_equal(net_sock_listen(NULL, 0, 16, fds, 1, &what), 1); /* no more than asked for */
    close(fds[0]);
}

static void test_unix(void **state)
{
    (void)state;
    char path[64];
    snprintf(path, sizeof(path), "/tmp/larder-sock-test-%d", (int)getpid());
    const char *what = NULL;
    int fd = -1, second = -1;
    assert_int_equal(net_sock_listen_unix(path, 16, 0640, &fd, &what), 0);
    expect_descriptor_flags(fd);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0640);
    /* Somebody answers: it stays his. */
    assert_int_equal(net_sock_listen_unix(path, 16, 0600, &second, &what), -EADDRINUSE);
    assert_string_equal(what, "bind");
    /* Nobody does: removed. */
    close(fd);
    assert_int_equal(net_sock_listen_unix(path, 16, 0600, &fd, &what), 0);
    close(fd);
    unlink(path);
    /* Never a file that is no socket. */
    int file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    close(file);
    assert_int_equal(net_sock_listen_unix(path, 16, 0600, &fd, &what), -EADDRINUSE);
    assert_int_equal(stat(path, &status), 0);
    unlink(path);
    char longest[200];
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    assert_int_equal(net_sock_listen_unix(longest, 16, 0600, &fd, &what), -ENAMETOOLONG);
    assert_int_equal(net_sock_listen_unix("", 16, 0600, &fd, &what), -ENAMETOOLONG);
    assert_int_equal(net_sock_listen_unix("/nowhere/at/all", 16, 0600, &fd, &what), -ENOENT);
}

/* Connections are taken for a while yet, and then dropped: the last of a server that was killed. */
static void test_unix_of_one_that_dies(void **state)
{
    (void)state;
    char path[64];
    snprintf(path, sizeof(path), "/tmp/larder-sock-test-dying-%d", (int)getpid());
    const char *what = NULL;
    int fd = -1;
    assert_int_equal(net_sock_listen_unix(path, 16, 0600, &fd, &what), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        usleep(20000);
        _exit(0);
    }
    close(fd);
    assert_int_equal(net_sock_listen_unix(path, 16, 0600, &fd, &what), 0);
    close(fd);
    unlink(path);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

/* The child of a fork is the only place where descriptor 3 is ours to give. */
static int activated_in_child(const char *count, bool own_pid)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0 || dup2(pair[0], 3) != 3 ||
            dup2(pair[0], 4) != 4) {
            _exit(100);
        }
        char pid[16];
        snprintf(pid, sizeof(pid), "%d", own_pid ? (int)getpid() : 1);
        setenv("LISTEN_FDS", count, 1);
        setenv("LISTEN_PID", pid, 1);
        int fds[2];
        int found = net_sock_activated(fds, 2);
        for (int i = 0; i < found; i++) {
            if (fds[i] != 3 + i || (fcntl(fds[i], F_GETFL) & O_NONBLOCK) == 0 ||
                (fcntl(fds[i], F_GETFD) & FD_CLOEXEC) == 0) {
                _exit(101);
            }
        }
        if (found > 0 && getenv("LISTEN_FDS") != NULL) {
            _exit(102);
        }
        _exit(found);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_activated(void **state)
{
    (void)state;
    assert_int_equal(activated_in_child("2", true), 2);
    assert_int_equal(activated_in_child("1", true), 1);
    assert_int_equal(activated_in_child("9", true), 2); /* no more than asked for */
    assert_int_equal(activated_in_child("0", true), 0);
    assert_int_equal(activated_in_child("x", true), 0);
    assert_int_equal(activated_in_child("-1", true), 0);
    assert_int_equal(activated_in_child("", true), 0);
    assert_int_equal(activated_in_child("2", false), 0);
}

static void test_tune(void **state)
{
    (void)state;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    net_sock_tune(fd);
    int value = 0;
    socklen_t size = sizeof(value);
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &size), 0);
    assert_int_not_equal(value, 0);
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, &size), 0);
    assert_int_not_equal(value, 0);
    expect_descriptor_flags(fd);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_address_text),
        cmocka_unit_test(test_listen),
        cmocka_unit_test(test_listen_everywhere),
        cmocka_unit_test(test_unix),
        cmocka_unit_test(test_unix_of_one_that_dies),
        cmocka_unit_test(test_activated),
        cmocka_unit_test(test_tune),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

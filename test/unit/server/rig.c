/* SPDX-License-Identifier: BSD-3-Clause */
/* See rig.h. */
#include "rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#include "base/log.h"
#include "net/sock.h"
#include "server/listener.h"

enum { PATIENCE_MS = 60000, SILENCE_MS = 60, ARGUMENTS_MAX = 32, LINE_MAX_SIZE = 8192 };

void rig_sleep_ms(unsigned ms)
{
    struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&pause, NULL);
}

/* ---- the server ---- */

static void *run(void *arg)
{
    struct rig *rig = arg;
    rig->result = server_run(rig->server);
    return NULL;
}

static void parse_config(struct rig *rig, const char *arguments)
{
    static char text[1024];
    char program[] = "larderd", threads[] = "-t", two[] = "2", engine[] = "--engine";
    char loop[] = "--loop", epoll[] = "epoll";
    char group[] = "-o", open[] = "no_drop_privileges"; /* the sandbox would be the test's, too */
    char *kind = getenv("LARDER_TEST_LOOP");
    char *words[ARGUMENTS_MAX] = {
        program, threads, two, engine, rig->engine, loop, kind != NULL ? kind : epoll, group, open};
    int count = 9;
    int status = 0;
    char *rest = NULL;
    (void)snprintf(text, sizeof(text), "%s", arguments);
    for (char *word = strtok_r(text, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        assert_true(count < ARGUMENTS_MAX);
        words[count++] = word;
    }
    assert_int_equal(server_config_parse(&rig->config, count, words, stdout, stderr, &status),
                     SERVER_CONFIG_READY);
}

void rig_start(struct rig *rig, const char *engine, const char *arguments)
{
    struct sockaddr_in address;
    socklen_t size = sizeof(address);
    const char *what = NULL;
    int fd = -1;
    *rig = (struct rig){0};
    base_log_set_level(BASE_LOG_ERROR);
    (void)snprintf(rig->engine, sizeof(rig->engine), "%s", engine);
    parse_config(rig, arguments);
    assert_int_equal(server_create(&rig->config, &rig->server), 0);
    assert_int_equal(net_sock_listen("127.0.0.1", 0, 1024, &fd, 1, &what), 1);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    rig->port = ntohs(address.sin_port);
    assert_int_equal(server_listen(rig->server, &(struct server_listener){.fd = fd}), 0);
    assert_int_equal(pthread_create(&rig->thread, NULL, run, rig), 0);
}

static void end(struct rig *rig, bool graceful)
{
    server_stop(rig->server, graceful);
    assert_int_equal(pthread_join(rig->thread, NULL), 0);
    assert_int_equal(rig->result, 0);
    server_destroy(&rig->server);
    assert_null(rig->server);
    server_config_fini(&rig->config);
}

void rig_stop(struct rig *rig)
{
    end(rig, false);
}

void rig_stop_gracefully(struct rig *rig)
{
    end(rig, true);
}

/* ---- a client ---- */

/* io_uring's own work interrupts the calls of any thread that has made a ring. */
static ssize_t receive(int fd, void *to, size_t size, int flags)
{
    ssize_t received;
    do {
        received = recv(fd, to, size, flags);
    } while (received < 0 && errno == EINTR);
    return received;
}

static int connect_with(const struct rig *rig, int buffer_size)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(rig->port)};
    struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (buffer_size > 0) {
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer_size, sizeof(buffer_size)),
                         0);
    }
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)), 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        struct pollfd wait = {.fd = fd, .events = POLLOUT};
        assert_int_equal(errno, EINTR); /* goes on by itself */
        while (poll(&wait, 1, PATIENCE_MS) < 0 && errno == EINTR) {
        }
        assert_int_equal(wait.revents, POLLOUT);
    }
    return fd;
}

int rig_connect(const struct rig *rig)
{
    return connect_with(rig, 0);
}

int rig_connect_narrow(const struct rig *rig)
{
    return connect_with(rig, 4096);
}

void rig_send_bytes(int fd, const void *data, size_t size)
{
    for (const char *at = data; size > 0;) {
        ssize_t sent = send(fd, at, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        assert_true(sent > 0);
        at += sent;
        size -= (size_t)sent;
    }
}

void rig_send(int fd, const char *text)
{
    rig_send_bytes(fd, text, strlen(text));
}

void rig_expect_bytes(int fd, const void *data, size_t size)
{
    char got[65536];
    const char *expected = data;
    while (size > 0) {
        ssize_t received = receive(fd, got, size < sizeof(got) ? size : sizeof(got), 0);
        if (received <= 0) {
            fail_msg("%s, but expected: %.*s", received == 0 ? "end of file" : strerror(errno),
                     (int)(size < 200 ? size : 200), expected);
        }
        if (memcmp(got, expected, (size_t)received) != 0) {
            fail_msg("got: %.*s\nexpected: %.*s", (int)(received < 200 ? received : 200), got,
                     (int)(size < 200 ? size : 200), expected);
        }
        expected += received;
        size -= (size_t)received;
    }
}

void rig_expect(int fd, const char *text)
{
    rig_expect_bytes(fd, text, strlen(text));
}

void rig_ask(int fd, const char *text, const char *answer)
{
    rig_send(fd, text);
    rig_expect(fd, answer);
}

void rig_expect_end(int fd)
{
    char byte;
    ssize_t received = receive(fd, &byte, 1, 0);
    assert_true(received == 0 || (received < 0 && errno == ECONNRESET));
}

void rig_expect_silence(int fd)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    int ready;
    do {
        ready = poll(&wait, 1, SILENCE_MS);
    } while (ready < 0 && errno == EINTR);
    assert_int_equal(ready, 0);
}

const char *rig_line(int fd)
{
    static _Thread_local char line[LINE_MAX_SIZE];
    size_t size = 0;
    const char *end = NULL;
    while (end == NULL && size < sizeof(line)) {
        /* Look first, then take no more than the line. */
        ssize_t there = receive(fd, line + size, sizeof(line) - size, MSG_PEEK);
        if (there <= 0) {
            fail_msg("no line: %s", there == 0 ? "end of file" : strerror(errno));
        }
        end = memchr(line + size, '\n', (size_t)there);
        size_t part = end != NULL ? (size_t)(end - line) + 1 - size : (size_t)there;
        assert_int_equal(receive(fd, line + size, part, 0), part);
        size += part;
    }
    assert_non_null(end);
    line[size >= 2 && line[size - 2] == '\r' ? size - 2 : size - 1] = '\0';
    return line;
}

uint64_t rig_stat(int fd, const char *name)
{
    char start[128];
    uint64_t value = UINT64_MAX;
    size_t size = (size_t)snprintf(start, sizeof(start), "STAT %s ", name);
    rig_send(fd, "stats\r\n");
    for (const char *line = rig_line(fd); strcmp(line, "END") != 0; line = rig_line(fd)) {
        if (strncmp(line, start, size) == 0) {
            value = strtoull(line + size, NULL, 10);
        }
    }
    if (value == UINT64_MAX) {
        fail_msg("no statistic of the name %s", name);
    }
    return value;
}

void rig_wait_stat(int fd, const char *name, uint64_t value)
{
    for (unsigned ms = 0; rig_stat(fd, name) < value; ms += 2) {
        if (ms > PATIENCE_MS) {
            fail_msg("%s does not come to %llu", name, (unsigned long long)value);
        }
        rig_sleep_ms(2);
    }
}

/* ---- values ---- */

char *rig_value(size_t size, unsigned seed)
{
    char *value = malloc(size + 1);
    uint32_t x = seed * 2654435761u + 1;
    assert_non_null(value);
    for (size_t i = 0; i < size; i++) {
        x = x * 1664525u + 1013904223u;
        value[i] = (char)('a' + (x >> 24) % 26);
    }
    value[size] = '\0';
    return value;
}

void rig_store(int fd, const char *key, const char *value, size_t size)
{
    char line[512];
    (void)snprintf(line, sizeof(line), "set %s 0 0 %zu\r\n", key, size);
    rig_send(fd, line);
    rig_send_bytes(fd, value, size);
    rig_ask(fd, "\r\n", "STORED\r\n");
}

void rig_expect_value(int fd, const char *key, const char *value, size_t size)
{
    char line[512];
    (void)snprintf(line, sizeof(line), "VALUE %s 0 %zu\r\n", key, size);
    rig_expect(fd, line);
    rig_expect_bytes(fd, value, size);
    rig_expect(fd, "\r\n");
}

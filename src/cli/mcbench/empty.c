/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mcbench empty: the server that answers without doing anything. What it needs for a request is what the system takes from any
 * server of this design: level-triggered epoll, one receive, one send, one thread. It marks the limit.
 *
 * Its answers are canned.h's. It does not limit its clients: for the loopback and for benchmarks only.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/option.h"
#include "cli/mcbench/canned.h"
#include "cli/mcbench/command.h"

enum {
    EVENTS_MAX = 256, /* taken at once */
    BACKLOG = 4096,
    INPUT_ROOM = 2 * BENCH_CANNED_LINE_MAX, /* bytes */
    VALUE_MAX = 1 << 30,
};

static const char HELP[] =
    "usage: mcbench empty [options]\n"
    "\n"
    "A server that answers without doing anything: every key is there, with the same value; what\n"
    "is stored is forgotten. It marks the limit that no cache can pass. `mcbench run --trust`\n"
    "measures it; `mcbench suite` starts one by itself.\n"
    "\n"
    "  -l, --listen ADDRESS  an IPv4 address (default: 127.0.0.1)\n"
    "  -p, --port PORT       default: 11211\n"
    "  -s, --unix-socket PATH   a UNIX socket instead\n"
    "  --value-size BYTES    of every value (default: 100)\n"
    "  -h, --help            this text\n"
    "\n"
    "examples:\n"
    "  mcbench empty -p 22122 &\n"
    "  mcbench run --trust --pipeline 16 127.0.0.1:22122\n";

struct settings {
    const char *address, *path;
    uint32_t port, value_size, ignored;
};

#define FIELD(name)                                                                                \
    .stored = true, .offset = offsetof(struct settings, name),                                     \
    .size = sizeof(((struct settings *)NULL)->name)

static const struct base_option ROWS[] = {
    {.letter = 'l',
     .name = "listen",
     .kind = BASE_OPTION_TEXT,
     .preset = "127.0.0.1",
     FIELD(address)},
    {.letter = 'p',
     .name = "port",
     .kind = BASE_OPTION_NUMBER,
     .preset = "11211",
     .min = 1,
     .max = 65535,
     FIELD(port)},
    {.letter = 's', .name = "unix-socket", .kind = BASE_OPTION_TEXT, FIELD(path)},
    /* memcached's way to have no UDP: so that servers can be told alike where to listen. */
    {.letter = 'U', .name = "udp-port", .kind = BASE_OPTION_NUMBER, .max = 65535, FIELD(ignored)},
    {.name = "value-size",
     .kind = BASE_OPTION_NUMBER,
     .preset = "100",
     .max = VALUE_MAX,
     FIELD(value_size)},
    {.letter = 'h', .name = "help", .kind = BASE_OPTION_ACTION},
};

struct conn {
    struct conn *next, **link; /* in the server's list; *link is this */
    int fd;
    uint64_t skip; /* bytes of a data block that are still to come */
    char *rest;    /* owned: of a request that is not all there; NULL: none */
    size_t rest_size;
    char *
        unsent; /* owned: what the socket did not take; nothing is received meanwhile. NULL: none */
    size_t unsent_size, unsent_start;
};

struct server {
    struct bench_canned canned;
    struct bench_canned_out out;
    char *input; /* INPUT_ROOM bytes */
    char *value; /* canned.value, owned */
    struct conn *conns;
    int epoll, listener, signals;
};

/* ---- where it listens ---- */

static int listen_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (strlen(path) >= sizeof(address.sun_path)) {
        errno = ENAMETOOLONG;
    } else if (fd >= 0) {
        memcpy(address.sun_path, path, strlen(path));
        if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
            listen(fd, BACKLOG) == 0) {
            return fd;
        }
    }
    return -1;
}

static int listen_tcp(const char *host, uint32_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (inet_pton(AF_INET, host, &address.sin_addr) != 1) {
        errno = EINVAL;
    } else if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) == 0 &&
               bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
               listen(fd, BACKLOG) == 0) {
        return fd;
    }
    return -1;
}

/* ---- connections ---- */

static bool watch(const struct server *server, int operation, int fd, uint32_t events, void *owner)
{
    struct epoll_event event = {.events = events, .data.ptr = owner};

    return epoll_ctl(server->epoll, operation, fd, &event) == 0;
}

static void close_conn(struct conn *conn)
{
    *conn->link = conn->next;
    if (conn->next != NULL) {
        conn->next->link = conn->link;
    }
    (void)close(conn->fd); /* epoll forgets it, too */
    free(conn->rest);
    free(conn->unsent);
    free(conn);
}

static void accept_all(struct server *server, bool is_tcp)
{
    for (;;) {
        const int fd = accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        struct conn *conn;

        if (fd < 0) {
            return;
        }
        conn = calloc(1, sizeof(*conn));
        if (conn == NULL) {
            (void)close(fd);
            return;
        }
        conn->fd = fd;
        conn->next = server->conns;
        conn->link = &server->conns;
        if (conn->next != NULL) {
            conn->next->link = &conn->next;
        }
        server->conns = conn;
        if ((is_tcp && setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)) != 0) ||
            !watch(server, EPOLL_CTL_ADD, fd, EPOLLIN, conn)) {
            close_conn(conn);
        }
    }
}

/* Keeps what comes behind the first `sent` bytes of the answers until the socket takes it. */
static bool keep_unsent(struct server *server, struct conn *conn, size_t size, size_t sent)
{
    const struct bench_canned_out *out = &server->out;
    const struct iovec whole = {out->bytes, out->used};
    const struct iovec *pieces = out->piece_count > 0 ? out->pieces : &whole;
    const size_t piece_count = out->piece_count > 0 ? out->piece_count : 1;
    size_t skipped = sent;

    conn->unsent = malloc(size - sent);
    if (conn->unsent == NULL) {
        return false;
    }
    conn->unsent_size = 0;
    conn->unsent_start = 0;
    for (size_t i = 0; i < piece_count; i++) {
        const size_t start = skipped < pieces[i].iov_len ? skipped : pieces[i].iov_len;

        memcpy(conn->unsent + conn->unsent_size, (const char *)pieces[i].iov_base + start,
               pieces[i].iov_len - start);
        conn->unsent_size += pieces[i].iov_len - start;
        skipped -= start;
    }
    return watch(server, EPOLL_CTL_MOD, conn->fd, EPOLLOUT, conn);
}

/* Sends what was answered. False: the connection is lost. */
static bool send_answers(struct server *server, struct conn *conn)
{
    struct bench_canned_out *out = &server->out;
    const size_t size = bench_canned_close(out);
    bool is_fine = true;

    if (size > 0) {
        const struct msghdr message = {.msg_iov = out->pieces, .msg_iovlen = out->piece_count};
        const ssize_t sent = out->piece_count > 0 ? sendmsg(conn->fd, &message, MSG_NOSIGNAL)
                                                  : send(conn->fd, out->bytes, size, MSG_NOSIGNAL);

        if (sent < 0 && errno != EAGAIN) {
            is_fine = false;
        } else if (sent < (ssize_t)size) {
            is_fine = keep_unsent(server, conn, size, sent < 0 ? 0 : (size_t)sent);
        }
    }
    bench_canned_reset(out);
    return is_fine;
}

static bool keep_rest(struct conn *conn, const char *bytes, size_t size)
{
    char *rest = NULL;

    if (size > 0) {
        rest = malloc(size);
        if (rest == NULL) {
            return false;
        }
        memcpy(rest, bytes, size);
    }
    free(conn->rest);
    conn->rest = rest;
    conn->rest_size = size;
    return true;
}

/* Answers what is in the input; what is left is kept. */
static bool answer_input(struct server *server, struct conn *conn, size_t size)
{
    size_t at = 0;

    while (at < size && conn->unsent == NULL) {
        const struct base_slice input = {server->input + at, size - at};
        size_t consumed;
        const bool goes_on =
            bench_canned_answer(&server->canned, input, &conn->skip, &consumed, &server->out);

        if (!send_answers(server, conn) || !goes_on) {
            return false;
        }
        at += consumed;
        if (consumed == 0) {
            break;
        }
    }
    return keep_rest(conn, server->input + at, size - at);
}

static bool on_readable(struct server *server, struct conn *conn)
{
    ssize_t got;

    if (conn->rest_size > 0) {
        memcpy(server->input, conn->rest, conn->rest_size);
    }
    got = recv(conn->fd, server->input + conn->rest_size, INPUT_ROOM - conn->rest_size, 0);
    if (got <= 0) {
        return got < 0 && errno == EAGAIN;
    }
    return answer_input(server, conn, conn->rest_size + (size_t)got);
}

static bool on_writable(struct server *server, struct conn *conn)
{
    const size_t left = conn->unsent_size - conn->unsent_start;
    const ssize_t sent = send(conn->fd, conn->unsent + conn->unsent_start, left, MSG_NOSIGNAL);

    if (sent < 0) {
        return errno == EAGAIN;
    }
    conn->unsent_start += (size_t)sent;
    if (conn->unsent_start < conn->unsent_size) {
        return true;
    }
    free(conn->unsent);
    conn->unsent = NULL;
    if (!watch(server, EPOLL_CTL_MOD, conn->fd, EPOLLIN, conn)) {
        return false;
    }
    /* Requests that had no room wait in the rest: nothing more may come to wake us for them. */
    memcpy(server->input, conn->rest == NULL ? "" : conn->rest, conn->rest_size);
    return conn->rest_size == 0 || answer_input(server, conn, conn->rest_size);
}

/* ---- the server ---- */

static int serve(struct server *server, bool is_tcp)
{
    struct epoll_event events[EVENTS_MAX];

    for (;;) {
        const int count = epoll_wait(server->epoll, events, EVENTS_MAX, -1);

        if (count < 0 && errno != EINTR) {
            (void)fprintf(stderr, "mcbench empty: epoll: %s\n", strerrordesc_np(errno));
            return 1;
        }
        for (int i = 0; i < count; i++) {
            struct conn *conn = events[i].data.ptr;

            if (conn == (void *)&server->signals) {
                return 0;
            }
            if (conn == (void *)&server->listener) {
                accept_all(server, is_tcp);
            } else if (!((events[i].events & EPOLLOUT) != 0 ? on_writable(server, conn)
                                                            : on_readable(server, conn))) {
                close_conn(conn);
            }
        }
    }
}

/* False: no memory. */
static bool make_room(struct server *server, uint32_t value_size)
{
    server->canned.value_size = value_size;
    server->value = malloc((size_t)value_size + 2);
    server->input = malloc(INPUT_ROOM);
    /* What one request needs, and as much again for those that come with it. */
    server->out.room = 2 * bench_canned_room(&server->canned);
    server->out.bytes = malloc(server->out.room);
    if (server->value == NULL || server->input == NULL || server->out.bytes == NULL) {
        return false;
    }
    memset(server->value, 'e', value_size);
    memcpy(server->value + value_size, "\r\n", 2);
    server->canned.value = server->value;
    return true;
}

/* As many descriptors as are allowed: the benchmark says how many connections there are. */
static void raise_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int open_and_serve(struct server *server, const struct settings *settings)
{
    const bool is_tcp = settings->path == NULL;
    sigset_t ends;
    int status = 1;

    raise_limit();
    (void)sigemptyset(&ends);
    (void)sigaddset(&ends, SIGINT);
    (void)sigaddset(&ends, SIGTERM);
    server->listener =
        is_tcp ? listen_tcp(settings->address, settings->port) : listen_unix(settings->path);
    if (server->listener < 0) {
        (void)fprintf(stderr, "mcbench empty: cannot listen: %s\n", strerrordesc_np(errno));
        return 1;
    }
    server->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (pthread_sigmask(SIG_BLOCK, &ends, NULL) == 0) {
        server->signals = signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
    }
    if (!make_room(server, settings->value_size) || server->epoll < 0 || server->signals < 0 ||
        !watch(server, EPOLL_CTL_ADD, server->listener, EPOLLIN, &server->listener) ||
        !watch(server, EPOLL_CTL_ADD, server->signals, EPOLLIN, &server->signals)) {
        (void)fprintf(stderr, "mcbench empty: cannot start: %s\n", strerrordesc_np(errno));
    } else {
        status = serve(server, is_tcp);
    }
    if (!is_tcp) {
        (void)unlink(settings->path);
    }
    return status;
}

static void close_server(struct server *server)
{
    const int descriptors[] = {server->listener, server->epoll, server->signals};

    for (size_t i = 0; i < sizeof(descriptors) / sizeof(descriptors[0]); i++) {
        if (descriptors[i] >= 0) {
            (void)close(descriptors[i]);
        }
    }
    for (struct conn *conn = server->conns; conn != NULL;) {
        struct conn *const next = conn->next;

        close_conn(conn);
        conn = next;
    }
    free(server->value);
    free(server->input);
    free(server->out.bytes);
}

static int serve_as_told(void *settings, size_t operand_count, const char *const *operands)
{
    struct server server = {.epoll = -1, .listener = -1, .signals = -1};
    int status;

    (void)operand_count;
    (void)operands;
    status = open_and_serve(&server, settings);
    close_server(&server);
    return status;
}

int bench_command_empty(int argc, char *const *argv)
{
    static const struct bench_command_line line = {
        .name = "empty",
        .help = HELP,
        .row_count = sizeof(ROWS) / sizeof(ROWS[0]),
        .rows = ROWS,
        .run = serve_as_told,
    };
    struct settings settings = {0};

    return bench_command_do(&line, &settings, argc, argv);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sockets: addresses, listening, options.
 *
 * Start-up code for the most part: names are resolved with getaddrinfo() and may block. Errors go
 * back as numbers together with the name of the step that failed; the caller says them aloud.
 */
#include "net/sock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"

/* The first descriptor systemd passes; sd_listen_fds(3). */
enum { ACTIVATED_FD_FIRST = 3 };

/* How long a socket that takes a connection is given to hang up on it. */
enum { HANG_UP_MS = 500 };

/* Bytes asked for, of each buffer of a UDP socket; the kernel cuts it to what sysctl allows. */
enum { UDP_BUFFER_SIZE = 4 * 1024 * 1024 };

static size_t clamp_length(int written)
{
    CHECK(written >= 0);
    size_t length = (size_t)written;
    return length < NET_ADDRESS_TEXT_MAX ? length : NET_ADDRESS_TEXT_MAX - 1;
}

static size_t write_unix(const struct net_address *address, char out[NET_ADDRESS_TEXT_MAX])
{
    const struct sockaddr_un *name = &address->local;
    size_t path_offset = offsetof(struct sockaddr_un, sun_path);
    if (address->size <= path_offset || name->sun_path[0] == '\0') {
        /* A client's end has no name; memcached prints the family instead. */
        return clamp_length(snprintf(out, NET_ADDRESS_TEXT_MAX, "unix:<AF %d>", AF_UNIX));
    }
    size_t path_max = address->size - path_offset;
    path_max = path_max < sizeof(name->sun_path) ? path_max : sizeof(name->sun_path);
    return clamp_length(
        snprintf(out, NET_ADDRESS_TEXT_MAX, "unix:%.*s", (int)path_max, name->sun_path));
}

size_t net_address_write(const struct net_address *address, char out[NET_ADDRESS_TEXT_MAX])
{
    char text[INET6_ADDRSTRLEN] = "";
    int written = 0;
    switch (address->any.sa_family) {
    case AF_INET:
        inet_ntop(AF_INET, &address->in.sin_addr, text, sizeof(text));
        written =
            snprintf(out, NET_ADDRESS_TEXT_MAX, "tcp:%s:%u", text, ntohs(address->in.sin_port));
        break;
    case AF_INET6:
        inet_ntop(AF_INET6, &address->in6.sin6_addr, text, sizeof(text));
        written = snprintf(out, NET_ADDRESS_TEXT_MAX, "tcp6:[%s]:%u", text,
                           ntohs(address->in6.sin6_port));
        break;
    case AF_UNIX:
        return write_unix(address, out);
    default:
        written = snprintf(out, NET_ADDRESS_TEXT_MAX, "<AF %d>", address->any.sa_family);
        break;
    }
    return clamp_length(written);
}

static int set_flag(int fd, int level, int option)
{
    int one = 1;
    return setsockopt(fd, level, option, &one, sizeof(one));
}

static void close_quietly(int fd)
{
    int saved = errno;
    (void)close(fd);
    errno = saved;
}

/* What a socket needs to be told before it has an address. */
static int prepare(int fd, const struct addrinfo *info)
{
    if (info->ai_socktype == SOCK_DGRAM) {
        const int size = UDP_BUFFER_SIZE;
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    } else if (set_flag(fd, SOL_SOCKET, SO_REUSEADDR) != 0) {
        return -1;
    }
    return info->ai_family == AF_INET6 ? set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY) : 0;
}

/* Returns the descriptor or -errno. */
static int listen_on(const struct addrinfo *info, int backlog, const char **ret_what)
{
    *ret_what = "socket";
    int fd = socket(info->ai_family, info->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
                    info->ai_protocol);
    if (fd < 0) {
        return -errno;
    }
    *ret_what = "setsockopt";
    if (prepare(fd, info) != 0) {
        goto fail;
    }
    *ret_what = "bind";
    if (bind(fd, info->ai_addr, info->ai_addrlen) != 0) {
        goto fail;
    }
    *ret_what = "listen";
    if (info->ai_socktype == SOCK_STREAM && listen(fd, backlog) != 0) {
        goto fail;
    }
    return fd;
fail:
    close_quietly(fd);
    return -errno;
}

/* A host without IPv6 (or IPv4) still resolves to it: such an address is passed over, not fatal. */
static bool is_absent_family(int error)
{
    return error == -EAFNOSUPPORT || error == -EADDRNOTAVAIL;
}

static int listen_all(const char *host, uint16_t port, int kind, int backlog, int *ret_fds,
                      size_t fds_max, const char **ret_what)
{
    char service[8];
    (void)snprintf(service, sizeof(service), "%u", port);
    struct addrinfo hints = {
        .ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_family = AF_UNSPEC, .ai_socktype = kind};
    struct addrinfo *list = NULL;
    *ret_what = "getaddrinfo";
    int rc = getaddrinfo(host, service, &hints, &list);
    if (rc != 0) {
        return rc == EAI_SYSTEM ? -errno : rc;
    }
    size_t count = 0;
    int error = -EADDRNOTAVAIL;
    for (const struct addrinfo *info = list; info != NULL && count < fds_max;
         info = info->ai_next) {
        int fd = listen_on(info, backlog, ret_what);
        if (fd >= 0) {
            ret_fds[count++] = fd;
            continue;
        }
        error = fd;
        if (!is_absent_family(error)) {
            break;
        }
    }
    freeaddrinfo(list);
    if (count > 0 && (error == -EADDRNOTAVAIL || is_absent_family(error))) {
        return (int)count;
    }
    while (count > 0) {
        close_quietly(ret_fds[--count]);
    }
    return error;
}

int net_sock_listen(const char *host, uint16_t port, int backlog, int *ret_fds, size_t fds_max,
                    const char **ret_what)
{
    return listen_all(host, port, SOCK_STREAM, backlog, ret_fds, fds_max, ret_what);
}

int net_sock_bind_udp(const char *host, uint16_t port, int *ret_fds, size_t fds_max,
                      const char **ret_what)
{
    return listen_all(host, port, SOCK_DGRAM, 0, ret_fds, fds_max, ret_what);
}

static void unlink_quietly(const char *path)
{
    int saved = errno;
    (void)unlink(path);
    errno = saved;
}

/* 0 when somebody takes the connection, -errno otherwise. With a wait, also -ECONNRESET when it is hung up on meanwhile. */
static int try_connect(const struct sockaddr_un *name, int wait_ms)
{
    struct pollfd hung_up = {.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    if (hung_up.fd < 0) {
        return -errno;
    }
    int result = 0;
    if (connect(hung_up.fd, (const struct sockaddr *)name, sizeof(*name)) != 0) {
        result = -errno;
    } else if (poll(&hung_up, 1, wait_ms) > 0) {
        result = -ECONNRESET;
    }
    (void)close(hung_up.fd);
    return result;
}

/* True when the path is a socket that nobody answers on: left behind by a server that died. The kernel lets go of the sockets
 * of a killed io_uring process a little after the process is gone: until then they take connections, and then drop them. */
static bool is_stale_socket(const struct sockaddr_un *name)
{
    struct stat status;
    if (lstat(name->sun_path, &status) != 0 || !S_ISSOCK(status.st_mode)) {
        return false;
    }
    int result = try_connect(name, HANG_UP_MS);
    if (result == -ECONNRESET) {
        result = try_connect(name, 0);
    }
    return result == -ECONNREFUSED;
}

int net_sock_listen_unix(const char *path, int backlog, unsigned mode, int *ret_fd,
                         const char **ret_what)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    *ret_what = "path";
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof(name.sun_path)) {
        return -ENAMETOOLONG;
    }
    memcpy(name.sun_path, path, length + 1);
    if (is_stale_socket(&name) && unlink(path) != 0) {
        *ret_what = "unlink";
        return -errno;
    }
    *ret_what = "socket";
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -errno;
    }
    *ret_what = "bind";
    if (bind(fd, (const struct sockaddr *)&name, sizeof(name)) != 0) {
        goto fail;
    }
    /* Permissions before listen(): until then nobody can connect, so umask need not be touched. */
    *ret_what = "chmod";
    if (chmod(path, mode) != 0) {
        goto fail_bound;
    }
    *ret_what = "listen";
    if (listen(fd, backlog) != 0) {
        goto fail_bound;
    }
    *ret_fd = fd;
    return 0;
fail_bound:
    unlink_quietly(path);
fail:
    close_quietly(fd);
    return -errno;
}

/* The value of a decimal environment variable, or -1. */
static long environment_number(const char *name)
{
    const char *text = getenv(name);
    if (text == NULL || *text == '\0') {
        return -1;
    }
    char *end = NULL;
    errno = 0;
    long number = strtol(text, &end, 10);
    return errno == 0 && *end == '\0' ? number : -1;
}

int net_sock_activated(int *ret_fds, size_t fds_max)
{
    long count = environment_number("LISTEN_FDS");
    if (count <= 0 || environment_number("LISTEN_PID") != (long)getpid()) {
        return 0;
    }
    size_t kept = 0;
    for (long i = 0; i < count && kept < fds_max; i++) {
        int fd = ACTIVATED_FD_FIRST + (int)i;
        int flags = fcntl(fd, F_GETFL);
        if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
            fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
            continue;
        }
        ret_fds[kept++] = fd;
    }
    /* Not for our children. There is one thread yet: start-up. */
    (void)unsetenv("LISTEN_FDS"); /* NOLINT(concurrency-mt-unsafe) */
    (void)unsetenv("LISTEN_PID"); /* NOLINT(concurrency-mt-unsafe) */
    return (int)kept;
}

void net_sock_tune(int fd)
{
    /* A UNIX socket refuses the first two; nothing depends on them. */
    (void)set_flag(fd, IPPROTO_TCP, TCP_NODELAY);
    (void)set_flag(fd, SOL_SOCKET, SO_KEEPALIVE);
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0 && (flags & O_NONBLOCK) == 0) {
        (void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    }
}

int net_sock_name(int fd, struct net_address *ret_address)
{
    *ret_address = (struct net_address){.size = sizeof(ret_address->storage)};
    if (getsockname(fd, &ret_address->any, &ret_address->size) != 0) {
        return -errno;
    }
    return 0;
}

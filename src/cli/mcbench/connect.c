/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections to the server: see connect.h. */
#include "cli/mcbench/connect.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    COMPLAINT_MAX = 4096, /* bytes */
    HOST_MAX = 256,       /* bytes of a host name, its NUL included */
    CONNECT_TIMEOUT_S = 10,
    /* Connections that one source address is asked for: half of Linux's usual range of 28,232 ports, so that the search for a free
     * one stays short. */
    PORTS_PER_SOURCE = 14000,
};

/* One connection, waited for and closed again. */
static int try_connecting(const struct sockaddr *address, socklen_t size)
{
    const struct timeval limit = {.tv_sec = CONNECT_TIMEOUT_S};
    const int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int status = 0;

    if (fd < 0) {
        return -errno;
    }
    /* SO_SNDTIMEO also bounds connect(), which then says EINPROGRESS. */
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) != 0 ||
        connect(fd, address, size) != 0) {
        status = errno == EINPROGRESS || errno == EAGAIN ? -ETIMEDOUT : -errno;
    }
    (void)close(fd);
    return status;
}

static int resolve_unix(const char *path, struct bench_target *target)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof(address.sun_path)) {
        return -ENAMETOOLONG;
    }
    memcpy(address.sun_path, path, strlen(path));
    memcpy(&target->address, &address, sizeof(address));
    target->address_size = sizeof(address);
    return try_connecting((const struct sockaddr *)&address, sizeof(address));
}

static int resolve_tcp(const char *host, const char *port, struct bench_target *target,
                       char complaint[static COMPLAINT_MAX])
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *list;
    const int known = getaddrinfo(host, port, &hints, &list);
    int status = -EADDRNOTAVAIL;

    if (known != 0) {
        (void)snprintf(complaint, COMPLAINT_MAX, "'%s' port '%s' is no address: %s", host, port,
                       gai_strerror(known));
        return -EINVAL;
    }
    for (const struct addrinfo *at = list; at != NULL && status != 0; at = at->ai_next) {
        status = try_connecting(at->ai_addr, at->ai_addrlen);
        memcpy(&target->address, at->ai_addr, at->ai_addrlen);
        target->address_size = at->ai_addrlen;
    }
    freeaddrinfo(list);
    return status;
}

int bench_connect_resolve(const char *address, struct bench_target *ret_target,
                          char complaint[static COMPLAINT_MAX])
{
    struct bench_target target = {.source_count = 0};
    const char *colon = strrchr(address, ':');
    char host[HOST_MAX];
    int status;

    complaint[0] = '\0';
    if (strchr(address, '/') != NULL || colon == NULL) {
        status = resolve_unix(address, &target);
    } else {
        const bool is_bracketed = address[0] == '[' && colon > address + 1 && colon[-1] == ']';
        const char *start = is_bracketed ? address + 1 : address;
        const size_t size = (size_t)(colon - start) - (is_bracketed ? 1 : 0);

        if (size >= sizeof(host)) {
            status = -ENAMETOOLONG;
        } else {
            memcpy(host, start, size);
            host[size] = '\0';
            status = resolve_tcp(host, colon + 1, &target, complaint);
        }
    }
    if (status == 0) {
        *ret_target = target;
    } else if (complaint[0] == '\0') {
        (void)snprintf(complaint, COMPLAINT_MAX,
                       "cannot connect to %.200s: %s (an address is HOST:PORT, [V6]:PORT, or the "
                       "path of a UNIX socket)",
                       address, strerrordesc_np(-status));
    }
    return status;
}

static bool is_loopback4(const struct bench_target *target)
{
    struct sockaddr_in address;

    if (target->address.ss_family != AF_INET) {
        return false;
    }
    memcpy(&address, &target->address, sizeof(address));
    return ntohl(address.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

void bench_connect_spread(struct bench_target *target, uint32_t connection_count, bool is_churning)
{
    if (!is_loopback4(target)) {
        target->source_count = 0;
    } else if (is_churning) {
        target->source_count = BENCH_SOURCES_MAX;
    } else if (connection_count > PORTS_PER_SOURCE) {
        target->source_count = (connection_count - 1) / PORTS_PER_SOURCE + 1;
    }
}

int bench_connect_reserve(uint32_t descriptor_count, char complaint[static COMPLAINT_MAX])
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < descriptor_count) {
        const rlim_t allowed = limit.rlim_max;

        limit.rlim_cur = descriptor_count;
        if (limit.rlim_max < descriptor_count) {
            limit.rlim_max = descriptor_count; /* only the privileged may */
        }
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
            (void)snprintf(complaint, COMPLAINT_MAX,
                           "needs %u descriptors, and this process may have %llu: raise the limit "
                           "(ulimit -Hn)",
                           descriptor_count, (unsigned long long)allowed);
            return -EMFILE;
        }
    }
    return 0;
}

static int set_up(int fd, const struct bench_target *target, uint64_t serial)
{
    struct sockaddr_in source = {.sin_family = AF_INET};

    if (target->address.ss_family != AF_UNIX &&
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)) != 0) {
        return -errno;
    }
    if (target->source_count == 0) {
        return 0;
    }
    source.sin_addr.s_addr =
        htonl((IN_LOOPBACKNET << 24) + 2 + (uint32_t)(serial % target->source_count));
    /* The port is found by connect(), which knows the other end: then ports of other servers' connections are free, too. */
    if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){1}, sizeof(int)) != 0 ||
        bind(fd, (const struct sockaddr *)&source, sizeof(source)) != 0) {
        return -errno;
    }
    return 0;
}

int bench_connect_start(const struct bench_target *target, uint64_t serial)
{
    const int fd = socket(target->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int status;

    if (fd < 0) {
        return -errno;
    }
    status = set_up(fd, target, serial);
    if (status == 0 &&
        connect(fd, (const struct sockaddr *)&target->address, target->address_size) != 0 &&
        errno != EINPROGRESS) {
        status = -errno;
    }
    if (status != 0) {
        (void)close(fd);
        return status;
    }
    return fd;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Connecting and verifying: see connect.h. Everything here blocks; nothing here is timed. */
#include "connect.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    ANSWER_TIMEOUT_S = 10,
    SHOWN_SIZE = 60 /* bytes of a wrong answer that are shown */
};

static int open_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd;

    if (strlen(path) >= sizeof(address.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path));
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static int open_tcp(const char *host, const char *port)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *list;
    int fd = -1;

    errno = EINVAL;
    if (getaddrinfo(host, port, &hints, &list) != 0) {
        return -1;
    }
    for (const struct addrinfo *at = list; at != NULL && fd < 0; at = at->ai_next) {
        fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
        if (fd >= 0 && (connect(fd, at->ai_addr, at->ai_addrlen) != 0 ||
                        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)) != 0)) {
            (void)close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    return fd;
}

int load_connect_open(const char *address)
{
    const struct timeval limit = {.tv_sec = ANSWER_TIMEOUT_S};
    const char *colon = strrchr(address, ':');
    char host[256];
    int fd;

    if (strchr(address, '/') != NULL || colon == NULL) {
        fd = open_unix(address);
    } else {
        (void)snprintf(host, sizeof(host), "%.*s", (int)(colon - address), address);
        fd = open_tcp(host, colon + 1);
    }
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) != 0) {
        (void)fprintf(stderr, "larder-load: cannot connect to %s: %s\n", address,
                      strerrordesc_np(errno));
        if (fd >= 0) {
            (void)close(fd);
        }
        return -1;
    }
    return fd;
}

static bool send_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        const ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);

        if (sent <= 0) {
            return false;
        }
        data += sent;
        size -= (size_t)sent;
    }
    return true;
}

/* Prints a few bytes of an answer so that they stay on one line. */
static void show(const char *title, const char *data, size_t size)
{
    (void)fprintf(stderr, "  %s: \"", title);
    for (size_t i = 0; i < size && i < SHOWN_SIZE; i++) {
        const unsigned char byte = (unsigned char)data[i];

        (void)fprintf(stderr, byte >= ' ' && byte <= '~' ? "%c" : "\\x%02x", byte);
    }
    (void)fprintf(stderr, "\"\n");
}

bool load_connect_verify(int fd, const struct load_work *work, struct load_order *order,
                         char *batch, char *replies, size_t *ret_reply_size)
{
    struct load_order same_order = *order;
    const size_t batch_size = load_work_write_batch(work, order, batch);
    size_t reply_size;
    size_t received = 0;
    size_t equal = 0;

    if (!send_all(fd, batch, batch_size)) {
        (void)fprintf(stderr, "larder-load: cannot send: %s\n", strerrordesc_np(errno));
        return false;
    }
    reply_size = load_work_write_replies(work, &same_order, replies);
    /* The batch has been sent: its place takes the answer. Stops at the first wrong byte, so a
     * shorter answer is shown at once instead of being waited for. */
    while (received < reply_size) {
        const ssize_t got = recv(fd, batch + received, reply_size - received, 0);

        if (got <= 0) {
            (void)fprintf(stderr, "larder-load: %zu of %zu bytes of an answer, then: %s\n",
                          received, reply_size,
                          got == 0 ? "end of stream" : strerrordesc_np(errno));
            return false;
        }
        received += (size_t)got;
        while (equal < received && batch[equal] == replies[equal]) {
            equal++;
        }
        if (equal < received) {
            (void)fprintf(stderr, "larder-load: case %s: wrong answer at byte %zu\n",
                          work->load_case->name, equal);
            show("expected", replies + equal, reply_size - equal);
            show("received", batch + equal, received - equal);
            return false;
        }
    }
    *ret_reply_size = reply_size;
    return true;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sockets: addresses, listening, options. Blocking calls only at start-up.
 */
#ifndef LARDER_NET_SOCK_H
#define LARDER_NET_SOCK_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

struct net_address {
    socklen_t size; /* bytes of the union that hold; 0: unknown */
    union {
        struct sockaddr_storage storage;
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un local;
    };
};

enum { NET_ADDRESS_TEXT_MAX = 128 };

/* "tcp:1.2.3.4:5", "tcp6:[::1]:5", "unix:/path", as memcached writes them. Returns the length. */
size_t net_address_write(const struct net_address *address, char out[NET_ADDRESS_TEXT_MAX]);

/*
 * Bind and listen on every address that host and port resolve to (NULL host: all interfaces, both
 * families; IPv6 sockets are V6ONLY). port 0..65535; 0 = ephemeral. A family the machine does not
 * have is passed over. Descriptors are given, non-blocking, close-on-exec, at most fds_max.
 * Returns how many (>= 1), or -errno / a negative EAI_ code with *ret_what naming the step.
 */
int net_sock_listen(const char *host, uint16_t port, int backlog, int *ret_fds, size_t fds_max,
                    const char **ret_what);
/*
 * The same for UDP: bound, with the largest buffers that the system allows. An address that
 * somebody has is refused, although UDP sockets could share it: two servers would not know.
 */
int net_sock_bind_udp(const char *host, uint16_t port, int *ret_fds, size_t fds_max,
                      const char **ret_what);
/* A UNIX socket; a stale one (nobody answers) is removed first. mode: permissions, e.g. 0700. */
int net_sock_listen_unix(const char *path, int backlog, unsigned mode, int *ret_fd,
                         const char **ret_what);
/* Descriptors passed by systemd (LISTEN_FDS); returns how many, 0 when none. */
int net_sock_activated(int *ret_fds, size_t fds_max);
/* NODELAY, KEEPALIVE, non-blocking: for every accepted client. Ignored where it makes no sense. */
void net_sock_tune(int fd);
/* Local address of a bound descriptor. Returns 0 or -errno. */
int net_sock_name(int fd, struct net_address *ret_address);

#endif

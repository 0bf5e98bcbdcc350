/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From -l, -p, -U and -s, or from systemd, to a list of listening sockets.
 *
 * Start-up only, one thread. What is wrong is logged here, with the address it was wrong for; the
 * functions return an exit code: 0, or EX_OSERR as memcached does.
 */
#ifndef LARDER_SERVER_LISTENER_H
#define LARDER_SERVER_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/slice.h"
#include "server/config.h"

enum {
    SERVER_LISTENER_MAX = 64,       /* sockets listened on */
    SERVER_LISTENER_HOST_MAX = 256, /* bytes of a host name, its NUL included; DNS allows 253 */
};

/* What is spoken there. */
enum server_listener_tls {
    SERVER_LISTENER_PLAIN, /* no TLS; notls: */
    SERVER_LISTENER_TLS,   /* TLS as -o ssl_verify_mode says */
    SERVER_LISTENER_BTLS,  /* btls: TLS, and clients are not asked for certificates */
    SERVER_LISTENER_MTLS,  /* mtls: TLS, and clients have to show a certificate */
};

/* A socket that is listened on, and what its clients have in common. */
struct server_listener {
    int fd;
    enum server_listener_tls tls;
    bool has_protocol; /* one of its own, otherwise -B's */
    enum server_protocol protocol;
    bool is_admin; /* the administrators': whoever comes in here may do everything */
    bool is_udp;   /* bound, not listened on */
};

/* Zero-initialise. */
struct server_listeners {
    struct server_listener
        items[SERVER_LISTENER_MAX]; /* fd given; -1: handed on to somebody else */
    size_t count;
    const char *unix_path;  /* created by us, removed by server_listener_close(); NULL: none */
    const char *admin_path; /* the same, of the administrators' socket */
};

/* One place of a -l list. */
struct server_listener_address {
    char host[SERVER_LISTENER_HOST_MAX]; /* empty: every interface */
    uint16_t port;                       /* 0: any free one */
    bool has_mode;                       /* it says which mode: */
    enum server_listener_tls tls;        /* PLAIN if it does not */
    bool has_protocol;                   /* it says proto[...]: */
    enum server_protocol protocol;       /* AUTO if it does not */
};

/*
 * Read [notls:|btls:|mtls:][proto[ascii|binary|negotiating]:][tag_name_:]host[:port]; IPv6 addresses with a port are written [v6]:port,
 * `*` is every interface. Without a port it is default_port. Returns NULL, or what is wrong.
 */
BASE_MUST_USE const char *server_listener_parse(struct base_slice text, uint16_t default_port,
                                                struct server_listener_address *ret_address);

/*
 * Open the TCP sockets, or take over those that systemd opened, and the UDP ones, and write the file
 * that the environment variable MEMCACHED_PORT_FILENAME names. Before privileges are dropped: ports below
 * 1024. Nothing to do, and no error, when the configuration asks for a UNIX socket or for no port.
 */
BASE_MUST_USE int server_listener_open_tcp(const struct server_config *config,
                                           struct server_listeners *listeners);
/* Open the UNIX socket, if there is one. After privileges are dropped: it belongs to the user. */
BASE_MUST_USE int server_listener_open_unix(const struct server_config *config,
                                            struct server_listeners *listeners);
/*
 * Open the administrators' socket, of mode 0600, if there is to be one. After all others: it is in
 * addition to them. After privileges are dropped: it belongs to the user.
 */
BASE_MUST_USE int server_listener_open_admin(const struct server_config *config,
                                             struct server_listeners *listeners);
/* Close what was not handed on, remove the UNIX socket's name. Harmless when nothing is open. */
void server_listener_close(struct server_listeners *listeners);

#endif

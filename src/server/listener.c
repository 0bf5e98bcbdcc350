/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where to listen. The list's grammar is memcached's; of its prefixes `proto` means nothing
 * while every port speaks whatever its client does, and tags are names for a proxy.
 */
#include "server/listener.h"

#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "base/num.h"
#include "net/sock.h"

enum { ADMIN_MODE = 0600 }; /* of the administrators' socket */

/* ---- one address ---- */

static bool starts_with(struct base_slice text, const char *prefix)
{
    const size_t size = strlen(prefix);

    return text.size >= size && memcmp(text.data, prefix, size) == 0;
}

static struct base_slice skip(struct base_slice text, size_t size)
{
    return (struct base_slice){text.data + size, text.size - size};
}

/* Take `prefix` and "[word]:" or "_word_:" off the front of *text. */
static bool take_bracketed(struct base_slice *text, const char *prefix, struct base_slice *ret_word)
{
    const struct base_slice rest = skip(*text, strlen(prefix));
    const char close = rest.data[0] == '[' ? ']' : '_';
    const char *end = memchr(rest.data + 1, close, rest.size - 1);
    size_t used;

    if (end == NULL) {
        return false;
    }
    used = (size_t)(end - rest.data) + 1;
    *ret_word = (struct base_slice){rest.data + 1, used - 2};
    if (used == rest.size || rest.data[used] != ':') {
        return false;
    }
    *text = skip(rest, used + 1);
    return true;
}

/* notls:, btls: or mtls: off the front of *text. */
static void take_mode(struct base_slice *text, struct server_listener_address *address)
{
    static const struct {
        const char *prefix;
        enum server_listener_tls tls;
    } modes[] = {{"notls:", SERVER_LISTENER_PLAIN},
                 {"btls:", SERVER_LISTENER_BTLS},
                 {"mtls:", SERVER_LISTENER_MTLS}};

    address->has_mode = false;
    address->tls = SERVER_LISTENER_PLAIN;
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        if (starts_with(*text, modes[i].prefix)) {
            *text = skip(*text, strlen(modes[i].prefix));
            address->has_mode = true;
            address->tls = modes[i].tls;
            return;
        }
    }
}

static const char *take_protocol(struct base_slice *text, struct server_listener_address *address)
{
    static const struct {
        struct base_slice word;
        enum server_protocol protocol;
    } protocols[] = {{{"ascii", 5}, SERVER_PROTOCOL_ASCII},
                     {{"binary", 6}, SERVER_PROTOCOL_BINARY},
                     {{"negotiating", 11}, SERVER_PROTOCOL_AUTO}};
    struct base_slice word;

    address->has_protocol = false;
    address->protocol = SERVER_PROTOCOL_AUTO;
    if (!starts_with(*text, "proto[")) {
        return NULL;
    }
    if (!take_bracketed(text, "proto", &word)) {
        return "invalid protocol, write proto[ascii]:host";
    }
    for (size_t i = 0; i < sizeof protocols / sizeof protocols[0]; i++) {
        if (base_slice_equal(word, protocols[i].word)) {
            address->has_protocol = true;
            address->protocol = protocols[i].protocol;
            return NULL;
        }
    }
    return "this server speaks ascii, binary or negotiating only";
}

static const char *take_tag(struct base_slice *text)
{
    struct base_slice word;

    if (!starts_with(*text, "tag[") && !starts_with(*text, "tag_")) {
        return NULL;
    }
    if (!take_bracketed(text, "tag", &word)) {
        return "invalid tag, write tag_name_:host";
    }
    return word.size >= 1 && word.size <= 8 ? NULL
                                            : "listener tags must be between 1 and 8 characters";
}

/* Split "host", "host:port", "v6", "[v6]" or "[v6]:port". port.data NULL: none. */
static const char *split_port(struct base_slice text, struct base_slice *ret_host,
                              struct base_slice *ret_port)
{
    const bool bracketed = starts_with(text, "[");
    const char *end = text.data + text.size;
    const char *colon = memchr(text.data, ':', text.size);

    *ret_host = text;
    *ret_port = (struct base_slice){NULL, 0};
    if (bracketed) {
        const char *close = memchr(text.data, ']', text.size);

        if (close == NULL) {
            return "invalid IPv6 address, the ] is missing";
        }
        *ret_host = (struct base_slice){text.data + 1, (size_t)(close - text.data) - 1};
        colon = close + 1 < end ? close + 1 : NULL;
        if (colon != NULL && *colon != ':') {
            return "invalid port number";
        }
    } else if (colon != NULL && memchr(colon + 1, ':', (size_t)(end - colon) - 1) != NULL) {
        return NULL; /* a bare IPv6 address */
    } else if (colon != NULL) {
        ret_host->size = (size_t)(colon - text.data);
    }
    if (colon != NULL) {
        *ret_port = (struct base_slice){colon + 1, (size_t)(end - colon) - 1};
    }
    return NULL;
}

const char *server_listener_parse(struct base_slice text, uint16_t default_port,
                                  struct server_listener_address *ret_address)
{
    struct base_slice host, port;
    int32_t number = default_port;
    const char *wrong;

    take_mode(&text, ret_address);
    if ((wrong = take_protocol(&text, ret_address)) != NULL || (wrong = take_tag(&text)) != NULL ||
        (wrong = split_port(text, &host, &port)) != NULL) {
        return wrong;
    }
    if (port.data != NULL &&
        (!base_num_parse_i32(port, &number) || number < -1 || number > UINT16_MAX)) {
        return "invalid port number";
    }
    if (host.size == 0 || host.size >= SERVER_LISTENER_HOST_MAX) {
        return "invalid host";
    }
    if (base_slice_equal(host, BASE_SLICE("*"))) {
        host.size = 0;
    }
    memcpy(ret_address->host, host.data, host.size);
    ret_address->host[host.size] = '\0';
    ret_address->port = number == -1 ? 0 : (uint16_t)number;
    return NULL;
}

/* ---- the list ---- */

struct address_list {
    struct server_listener_address items[SERVER_LISTENER_MAX];
    size_t count;
};

/* Where users have to log in, a protocol that has no log-in for them lets nobody in. */
static bool has_login(const struct server_config *config, enum server_protocol protocol)
{
    const bool by_text = config->auth_path != NULL || !config->sasl_enabled;
    const bool by_binary = config->sasl_enabled || config->auth_path == NULL;

    return (by_text || protocol == SERVER_PROTOCOL_BINARY) &&
           (by_binary || protocol == SERVER_PROTOCOL_ASCII);
}

/* A place that was named before is passed over: a second listener on it could only fail. */
static const char *add_address(const struct server_config *config, struct address_list *list,
                               struct base_slice text, uint16_t port)
{
    struct server_listener_address address;
    const char *wrong = server_listener_parse(text, port, &address);

    if (wrong != NULL) {
        return wrong;
    }
    if (address.has_mode && !config->tls_enabled) {
        return "notls, btls and mtls are valid only when TLS is enabled";
    }
    if (address.has_protocol && !has_login(config, address.protocol)) {
        return "nobody could log in by that protocol: -Y is ascii's, -S binary's";
    }
    if (!address.has_mode && config->tls_enabled) {
        address.tls = SERVER_LISTENER_TLS;
    }
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].port == address.port && strcmp(list->items[i].host, address.host) == 0) {
            return list->items[i].tls == address.tls ? NULL : "the same place with and without TLS";
        }
    }
    if (list->count == SERVER_LISTENER_MAX) {
        return "too many addresses";
    }
    list->items[list->count++] = address;
    return NULL;
}

/* port: where none is written; -1: any free one */
static int read_list(const struct server_config *config, int32_t number, struct address_list *list)
{
    const uint16_t port = number == -1 ? 0 : (uint16_t)number;

    for (uint32_t i = 0; i < config->listen.count; i++) {
        const char *text = config->listen.items[i];

        while (*text != '\0') {
            const size_t size = strcspn(text, ",;");
            const char *wrong =
                size == 0 ? NULL : add_address(config, list, (struct base_slice){text, size}, port);

            if (wrong != NULL) {
                base_log(BASE_LOG_ERROR, "option -l: '%.*s': %s", (int)size, text, wrong);
                return EX_OSERR;
            }
            text += size + (text[size] != '\0' ? 1 : 0);
        }
    }
    if (list->count == 0) {
        list->items[list->count++] = (struct server_listener_address){
            .port = port, .tls = config->tls_enabled ? SERVER_LISTENER_TLS : SERVER_LISTENER_PLAIN};
    }
    return 0;
}

/* ---- TCP and UDP ---- */

static int open_address(const struct server_config *config,
                        const struct server_listener_address *address, bool is_udp,
                        struct server_listeners *listeners)
{
    const char *host = address->host[0] != '\0' ? address->host : NULL;
    const char *what = "too many sockets";
    int fds[SERVER_LISTENER_MAX];
    int opened = -EMFILE;

    if (listeners->count < SERVER_LISTENER_MAX) {
        const size_t left = SERVER_LISTENER_MAX - listeners->count;

        opened = is_udp
                     ? net_sock_bind_udp(host, address->port, fds, left, &what)
                     : net_sock_listen(host, address->port, (int)config->backlog, fds, left, &what);
    }
    if (opened < 0) {
        const bool resolving = strcmp(what, "getaddrinfo") == 0;

        base_log(BASE_LOG_ERROR, "failed to listen on %s port %u of %s: %s: %s",
                 is_udp ? "UDP" : "TCP", address->port, host != NULL ? host : "every interface",
                 what, resolving ? gai_strerror(opened) : strerrordesc_np(-opened));
        return EX_OSERR;
    }
    for (int i = 0; i < opened; i++) {
        listeners->items[listeners->count++] =
            (struct server_listener){.fd = fds[i],
                                     .is_udp = is_udp,
                                     .tls = address->tls,
                                     .has_protocol = address->has_protocol,
                                     .protocol = address->protocol};
    }
    return 0;
}

/* A mark that cannot be set is worth a line, not the service; memcached thinks so too. */
static void mark_sockets(const struct server_config *config,
                         const struct server_listeners *listeners)
{
    for (size_t i = 0; config->socket_mark != 0 && i < listeners->count; i++) {
        if (setsockopt(listeners->items[i].fd, SOL_SOCKET, SO_MARK, &config->socket_mark,
                       sizeof config->socket_mark) != 0) {
            base_log(BASE_LOG_ERROR, "option -o sock_cookie_id: cannot mark a socket: %s",
                     strerrordesc_np(errno));
        }
    }
}

static void write_port(FILE *file, const struct server_listener *listener)
{
    const char *kind = listener->is_udp ? "UDP" : "TCP";
    struct net_address address;

    if (net_sock_name(listener->fd, &address) != 0) {
        return;
    }
    if (address.storage.ss_family == AF_INET) {
        struct sockaddr_in in;

        memcpy(&in, &address.storage, sizeof in);
        (void)fprintf(file, "%s INET: %u\n", kind, ntohs(in.sin_port));
    } else if (address.storage.ss_family == AF_INET6) {
        struct sockaddr_in6 in6;

        memcpy(&in6, &address.storage, sizeof in6);
        (void)fprintf(file, "%s INET6: %u\n", kind, ntohs(in6.sin6_port));
    }
}

/* For whoever started us with -p -1. It appears under its name when it is whole; may be empty. */
static void write_port_file(const char *path, const struct server_listeners *listeners)
{
    char draft[PATH_MAX];
    const int size = snprintf(draft, sizeof draft, "%s.lck", path);
    FILE *file = size > 0 && size < PATH_MAX ? fopen(draft, "we") : NULL;

    if (file == NULL) {
        base_log(BASE_LOG_ERROR, "MEMCACHED_PORT_FILENAME: cannot write %s: %s", draft,
                 strerrordesc_np(errno));
        return;
    }
    for (size_t i = 0; i < listeners->count; i++) {
        write_port(file, &listeners->items[i]);
    }
    if (fclose(file) != 0 || rename(draft, path) != 0) {
        base_log(BASE_LOG_ERROR, "MEMCACHED_PORT_FILENAME: cannot write %s: %s", path,
                 strerrordesc_np(errno));
        (void)unlink(draft);
    }
}

static int open_ports(const struct server_config *config, int32_t port, bool is_udp,
                      struct server_listeners *listeners)
{
    struct address_list list = {.count = 0};

    if (port == 0) {
        return 0;
    }
    if (read_list(config, port, &list) != 0) {
        return EX_OSERR;
    }
    for (size_t i = 0; i < list.count; i++) {
        if (open_address(config, &list.items[i], is_udp, listeners) != 0) {
            return EX_OSERR;
        }
    }
    return 0;
}

static bool is_tcp(int fd)
{
    struct net_address address;

    return net_sock_name(fd, &address) == 0 && address.storage.ss_family != AF_UNIX;
}

int server_listener_open_tcp(const struct server_config *config, struct server_listeners *listeners)
{
    const char *port_file = secure_getenv("MEMCACHED_PORT_FILENAME");
    int fds[SERVER_LISTENER_MAX];
    const int activated = net_sock_activated(fds, SERVER_LISTENER_MAX);

    if (activated == 0 && config->unix_path != NULL) {
        return 0;
    }
    for (int i = 0; i < activated; i++) {
        listeners->items[listeners->count++] = (struct server_listener){
            .fd = fds[i],
            .tls = is_tcp(fds[i]) && config->tls_enabled ? SERVER_LISTENER_TLS
                                                         : SERVER_LISTENER_PLAIN};
    }
    if (activated == 0 && open_ports(config, config->tcp_port, false, listeners) != 0) {
        return EX_OSERR;
    }
    if (config->unix_path == NULL && open_ports(config, config->udp_port, true, listeners) != 0) {
        return EX_OSERR;
    }
    mark_sockets(config, listeners);
    if (port_file != NULL) {
        write_port_file(port_file, listeners);
    }
    return 0;
}

/* ---- UNIX, and the end ---- */

int server_listener_open_unix(const struct server_config *config,
                              struct server_listeners *listeners)
{
    const char *what = "";
    int error;

    if (config->unix_path == NULL || listeners->count > 0) {
        return 0;
    }
    error = net_sock_listen_unix(config->unix_path, (int)config->backlog, config->unix_mode,
                                 &listeners->items[0].fd, &what);
    if (error < 0) {
        base_log(BASE_LOG_ERROR, "failed to listen on UNIX socket %s: %s: %s", config->unix_path,
                 what, strerrordesc_np(-error));
        return EX_OSERR;
    }
    listeners->count = 1;
    listeners->unix_path = config->unix_path;
    return 0;
}

int server_listener_open_admin(const struct server_config *config,
                               struct server_listeners *listeners)
{
    const char *what = "too many sockets";
    int error = -EMFILE;
    int fd = -1;

    if (config->admin_path == NULL) {
        return 0;
    }
    if (listeners->count < SERVER_LISTENER_MAX) {
        error =
            net_sock_listen_unix(config->admin_path, (int)config->backlog, ADMIN_MODE, &fd, &what);
    }
    if (error < 0) {
        base_log(BASE_LOG_ERROR, "option --admin-socket: cannot listen on %s: %s: %s",
                 config->admin_path, what, strerrordesc_np(-error));
        return EX_OSERR;
    }
    listeners->items[listeners->count++] = (struct server_listener){.fd = fd, .is_admin = true};
    listeners->admin_path = config->admin_path;
    return 0;
}

void server_listener_close(struct server_listeners *listeners)
{
    for (size_t i = 0; i < listeners->count; i++) {
        if (listeners->items[i].fd >= 0) {
            (void)close(listeners->items[i].fd);
        }
    }
    if (listeners->unix_path != NULL) {
        (void)unlink(listeners->unix_path);
    }
    if (listeners->admin_path != NULL) {
        (void)unlink(listeners->admin_path);
    }
    *listeners = (struct server_listeners){0};
}

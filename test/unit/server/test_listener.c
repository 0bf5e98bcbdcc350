/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The grammar of -l, and sockets that are really opened, on 127.0.0.1 and free ports.
 */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/sock.h"
#include "server/listener.h"

/* ---- grammar ---- */

static const char *parse(const char *text, struct server_listener_address *address)
{
    return server_listener_parse((struct base_slice){text, strlen(text)}, 11211, address);
}

static void assert_address(const char *text, const char *host, unsigned port)
{
    struct server_listener_address address;
    const char *wrong = parse(text, &address);

    if (wrong != NULL) {
        fail_msg("%s: %s", text, wrong);
    }
    assert_string_equal(address.host, host);
    assert_int_equal(address.port, port);
}

static void addresses(void **state)
{
    (void)state;
    assert_address("127.0.0.1", "127.0.0.1", 11211);
    assert_address("127.0.0.1:5", "127.0.0.1", 5);
    assert_address("cache.example:65535", "cache.example", 65535);
    assert_address("localhost:0", "localhost", 0);
    assert_address("localhost:-1", "localhost", 0);
    assert_address("*", "", 11211);
    assert_address("*:7", "", 7);
    assert_address("::1", "::1", 11211);
    assert_address("[::1]", "::1", 11211);
    assert_address("[::1]:7", "::1", 7);
    assert_address("proto[ascii]:127.0.0.1:7", "127.0.0.1", 7);
    assert_address("proto[negotiating]:[::1]:7", "::1", 7);
    assert_address("proto[binary]:*:7", "", 7);
    assert_address("tag_cache_:127.0.0.1", "127.0.0.1", 11211);
    assert_address("tag[12345678]:127.0.0.1", "127.0.0.1", 11211);
    assert_address("proto[ascii]:tag_a_:*:7", "", 7);
    assert_address("protocols.example", "protocols.example", 11211);
    assert_address("tags.example:7", "tags.example", 7);
    assert_address("mtlshost", "mtlshost", 11211);
    assert_address("notls:host", "host", 11211);
    assert_address("btls:proto[ascii]:[::1]:7", "::1", 7);
    assert_address("mtls:*:7", "", 7);
}

static void addresses_may_have_a_protocol(void **state)
{
    struct server_listener_address address;

    (void)state;
    assert_null(parse("host", &address));
    assert_false(address.has_protocol);
    assert_null(parse("proto[ascii]:host", &address));
    assert_true(address.has_protocol);
    assert_int_equal(address.protocol, SERVER_PROTOCOL_ASCII);
    assert_null(parse("notls:proto[binary]:host", &address));
    assert_int_equal(address.protocol, SERVER_PROTOCOL_BINARY);
    assert_null(parse("proto[negotiating]:host", &address));
    assert_true(address.has_protocol);
    assert_int_equal(address.protocol, SERVER_PROTOCOL_AUTO);
}

static void wrong_addresses(void **state)
{
    static const char *const wrong[] = {
        "",
        ":7",
        "host:",
        "host:x",
        "host:65536",
        "host:-2",
        "host:1x",
        "[::1",
        "[::1]7",
        "[::1]:7:8",
        "[]",
        "notls:",
        "proto[proxy]:host",
        "proto[ascii:host",
        "proto[ascii]host",
        "proto[",
        "tag_:host",
        "tag__:host",
        "tag[123456789]:host",
        "tag[x",
        "tag_x_",
    };
    struct server_listener_address address;
    char long_host[SERVER_LISTENER_HOST_MAX + 1];

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (parse(wrong[i], &address) == NULL) {
            fail_msg("accepted: %s", wrong[i]);
        }
    }
    memset(long_host, 'h', sizeof long_host - 1);
    long_host[sizeof long_host - 1] = '\0';
    assert_non_null(parse(long_host, &address));
    long_host[sizeof long_host - 2] = '\0';
    assert_null(parse(long_host, &address));
}

/* Reading past the end of a slice shows here, under the sanitizers. */
static void addresses_need_no_nul(void **state)
{
    static const char *const texts[] = {"proto[", "tag_", "[", "host:", "[::1]", "proto[ascii]:"};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const size_t size = strlen(texts[i]);
        char *copy = malloc(size);
        struct server_listener_address address;

        assert_non_null(copy);
        memcpy(copy, texts[i], size);
        (void)!server_listener_parse((struct base_slice){copy, size}, 1, &address);
        free(copy);
    }
}

/* ---- sockets ---- */

static unsigned port_of(int fd)
{
    struct net_address address;
    struct sockaddr_in in;

    assert_int_equal(net_sock_name(fd, &address), 0);
    assert_int_equal(address.storage.ss_family, AF_INET);
    memcpy(&in, &address.storage, sizeof in);
    return ntohs(in.sin_port);
}

static struct server_config tcp_config(int32_t port, const char *first, const char *second)
{
    struct server_config config = {.tcp_port = port, .backlog = 16, .unix_mode = 0700};

    config.listen.items[0] = first;
    config.listen.items[1] = second;
    config.listen.count = second != NULL ? 2 : first != NULL ? 1 : 0;
    return config;
}

static void opens_every_address_once(void **state)
{
    struct server_config config = tcp_config(-1, "127.0.0.1,127.0.0.2;127.0.0.1", "127.0.0.1");
    struct server_listeners listeners = {.count = 0};

    (void)state;
    assert_int_equal(server_listener_open_tcp(&config, &listeners), 0);
    assert_int_equal(listeners.count, 2);
    assert_int_not_equal(port_of(listeners.items[0].fd), 0);
    server_listener_close(&listeners);
    assert_int_equal(listeners.count, 0);
}

static void port_0_and_a_unix_path_open_no_port(void **state)
{
    struct server_config config = tcp_config(0, "127.0.0.1:0", NULL);
    struct server_listeners listeners = {.count = 0};

    (void)state;
    assert_int_equal(server_listener_open_tcp(&config, &listeners), 0);
    assert_int_equal(listeners.count, 0);
    config = tcp_config(-1, "127.0.0.1", NULL);
    config.unix_path = "/nowhere";
    assert_int_equal(server_listener_open_tcp(&config, &listeners), 0);
    assert_int_equal(listeners.count, 0);
}

static void a_port_in_use_is_an_error(void **state)
{
    struct server_config config = tcp_config(-1, "127.0.0.1", NULL);
    struct server_listeners first = {.count = 0}, second = {.count = 0};

    (void)state;
    assert_int_equal(server_listener_open_tcp(&config, &first), 0);
    config.tcp_port = (int32_t)port_of(first.items[0].fd);
    assert_int_equal(server_listener_open_tcp(&config, &second), EX_OSERR);
    server_listener_close(&second);
    server_listener_close(&first);
    config = tcp_config(-1, "127.0.0.1,256.0.0.1.invalid", NULL);
    assert_int_equal(server_listener_open_tcp(&config, &second), EX_OSERR);
    server_listener_close(&second);
    config = tcp_config(-1, "127.0.0.1:x", NULL);
    assert_int_equal(server_listener_open_tcp(&config, &second), EX_OSERR);
}

static void ports_are_told_in_a_file(void **state)
{
    struct server_config config = tcp_config(-1, "127.0.0.1", "127.0.0.2");
    struct server_listeners listeners = {.count = 0};
    char path[64], draft[72], text[128], expected[128];
    FILE *file;
    size_t size;

    (void)state;
    (void)snprintf(path, sizeof path, "/tmp/larder-test-ports.%ld", (long)getpid());
    (void)snprintf(draft, sizeof draft, "%s.lck", path);
    assert_int_equal(setenv("MEMCACHED_PORT_FILENAME", path, 1), 0);
    assert_int_equal(server_listener_open_tcp(&config, &listeners), 0);
    file = fopen(path, "re");
    assert_non_null(file);
    size = fread(text, 1, sizeof text - 1, file);
    text[size] = '\0';
    (void)fclose(file);
    (void)snprintf(expected, sizeof expected, "TCP INET: %u\nTCP INET: %u\n",
                   port_of(listeners.items[0].fd), port_of(listeners.items[1].fd));
    assert_string_equal(text, expected);
    assert_int_equal(access(draft, F_OK), -1);
    server_listener_close(&listeners);
    assert_int_equal(unlink(path), 0);

    config.tcp_port = 0; /* written all the same, and empty: somebody waits for it */
    assert_int_equal(server_listener_open_tcp(&config, &listeners), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(unsetenv("MEMCACHED_PORT_FILENAME"), 0);
}

static void a_unix_socket_comes_and_goes(void **state)
{
    struct server_config config = tcp_config(11211, NULL, NULL);
    struct server_listeners listeners = {.count = 0}, second = {.count = 0};
    struct stat status;
    char path[64];

    (void)state;
    (void)snprintf(path, sizeof path, "/tmp/larder-test-socket.%ld", (long)getpid());
    config.unix_path = path;
    config.unix_mode = 0640;
    assert_int_equal(server_listener_open_unix(&config, &listeners), 0);
    assert_int_equal(listeners.count, 1);
    assert_int_equal(stat(path, &status), 0);
    assert_true(S_ISSOCK(status.st_mode));
    assert_int_equal(status.st_mode & 0777, 0640);

    /* Somebody answers there: it is not taken away from him. */
    assert_int_equal(server_listener_open_unix(&config, &second), EX_OSERR);
    server_listener_close(&second);
    assert_int_equal(access(path, F_OK), 0);

    server_listener_close(&listeners);
    assert_int_equal(access(path, F_OK), -1);
    config.unix_path = "/nonexistent/socket";
    assert_int_equal(server_listener_open_unix(&config, &listeners), EX_OSERR);
    server_listener_close(&listeners);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses),
        cmocka_unit_test(addresses_may_have_a_protocol),
        cmocka_unit_test(wrong_addresses),
        cmocka_unit_test(addresses_need_no_nul),
        cmocka_unit_test(opens_every_address_once),
        cmocka_unit_test(port_0_and_a_unix_path_open_no_port),
        cmocka_unit_test(a_port_in_use_is_an_error),
        cmocka_unit_test(ports_are_told_in_a_file),
        cmocka_unit_test(a_unix_socket_comes_and_goes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

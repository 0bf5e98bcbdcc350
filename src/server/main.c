/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * larderd: arguments, process, sockets, privileges, server, and everything back in reverse.
 *
 * Every step says itself what was wrong, and leaves nothing behind when it fails. One thread here;
 * the server's own live inside server_run().
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/log.h"
#include "server/config.h"
#include "server/daemon.h"
#include "server/listener.h"
#include "server/privilege.h"
#include "server/server.h"
#include "server/signal.h"
#include "server/tls.h"

/* Ports below 1024 need root; a UNIX socket is to belong to the user. */
static int open_sockets(const struct server_config *config, const struct server_identity *identity,
                        struct server_listeners *listeners)
{
    int status = server_listener_open_tcp(config, listeners);

    if (status != 0) {
        return status;
    }
    status = server_privilege_drop(config, identity);
    if (status != 0) {
        return status;
    }
    server_privilege_lock_memory(config);
    status = server_listener_open_unix(config, listeners);
    return status != 0 ? status : server_listener_open_admin(config, listeners);
}

/* The sockets become the server's, one by one. */
static int hand_over(struct server *server, struct server_listeners *listeners)
{
    for (size_t i = 0; i < listeners->count; i++) {
        const int error = server_listen(server, &listeners->items[i]);

        if (error != 0) {
            base_log(BASE_LOG_ERROR, "cannot accept clients: %s", strerrordesc_np(-error));
            return EX_OSERR;
        }
        listeners->items[i].fd = -1;
    }
    return 0;
}

static void log_end(void)
{
    const int number = server_signal_received();

    if (number == SIGUSR1) {
        base_log(BASE_LOG_ERROR, "Gracefully stopping");
    } else if (number != 0) {
        base_log(BASE_LOG_NOTICE, "Signal handled: %s. Exiting normally", sigdescr_np(number));
    } else {
        base_log(BASE_LOG_NOTICE, "Exiting normally");
    }
}

static int serve(const struct server_config *config, struct server_listeners *listeners,
                 struct server_daemon *daemon, struct server_tls *tls)
{
    struct server *server = NULL;
    int status = server_create(config, &server) != 0 ? EXIT_FAILURE : hand_over(server, listeners);

    if (status == 0) {
        int error;

        server_use_tls(server, tls);
        server_daemon_ready(config, daemon);
        server_signal_attach(server);
        error = server_run(server);
        server_signal_attach(NULL);
        if (error != 0) {
            base_log(BASE_LOG_ERROR, "cannot run: %s", strerrordesc_np(-error));
            status = EXIT_FAILURE;
        } else {
            log_end();
        }
    }
    server_destroy(&server);
    return status;
}

static int run(const struct server_config *config)
{
    struct server_daemon daemon = SERVER_DAEMON_NONE;
    struct server_listeners listeners = {.count = 0};
    struct server_identity identity;
    struct server_tls *tls = NULL;
    int status = server_privilege_prepare(config, &identity);
    int error;

    if (status == 0) {
        status = server_tls_create(config, &tls); /* as root, and before the terminal is gone */
    }
    if (status != 0) {
        return status;
    }
    error = server_daemon_detach(config, &daemon);
    if (error != 0) {
        server_tls_destroy(&tls);
        base_log(BASE_LOG_ERROR, "option -d: cannot become a daemon: %s", strerrordesc_np(-error));
        return EXIT_FAILURE;
    }
    server_signal_install();
    status = open_sockets(config, &identity, &listeners);
    if (status == 0) {
        status = serve(config, &listeners, &daemon, tls);
    }
    server_listener_close(&listeners);
    server_daemon_end(config, &daemon);
    server_tls_destroy(&tls);
    return status;
}

int main(int argc, char **argv)
{
    struct server_config config;
    int status = EXIT_FAILURE;

    if (server_config_parse(&config, argc, argv, stdout, stderr, &status) == SERVER_CONFIG_READY) {
        const uint32_t level = config.verbosity;

        base_log_set_level(level < BASE_LOG_TRACE ? (enum base_log_level)level : BASE_LOG_TRACE);
        if (level > 0) {
            server_config_write_ignored(&config, stderr);
        }
        status = run(&config);
    }
    server_config_fini(&config);
    return status;
}

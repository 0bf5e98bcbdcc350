/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Signal handlers. They call what is async-signal-safe: server_stop() and server_reload().
 *
 * signalfd(2) would do without the global, but would need a loop of its own to be read in, or one
 * worker that is different from the others.
 */
#include "server/signal.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

static _Atomic(struct server *) attached; /* whom to stop; NULL: nobody yet */
static volatile sig_atomic_t stop_signal; /* the last that asked to stop; 0: none */
static volatile sig_atomic_t hung_up;     /* SIGHUP came while nobody was attached */

static void on_stop(int number)
{
    const int saved = errno;
    struct server *server;

    stop_signal = number;
    server = atomic_load(&attached);
    if (server != NULL) {
        server_stop(server, number == SIGUSR1);
    }
    errno = saved;
}

static void on_hangup(int number)
{
    const int saved = errno;
    struct server *server = atomic_load(&attached);

    (void)number;
    if (server != NULL) {
        server_reload(server);
    } else {
        hung_up = 1; /* the files may have been read already */
    }
    errno = saved;
}

static void handle(int number, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};

    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(number, &action, NULL);
}

void server_signal_install(void)
{
    handle(SIGINT, on_stop);
    handle(SIGTERM, on_stop);
    handle(SIGUSR1, on_stop);
    handle(SIGHUP, on_hangup);
    handle(SIGPIPE, SIG_IGN);
}

void server_signal_attach(struct server *server)
{
    atomic_store(&attached, server);
    if (server != NULL && stop_signal != 0) {
        server_stop(server, stop_signal == SIGUSR1);
    }
    if (server != NULL && hung_up != 0) {
        hung_up = 0;
        server_reload(server);
    }
}

int server_signal_received(void)
{
    return stop_signal;
}

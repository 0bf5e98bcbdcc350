/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Signals: SIGINT and SIGTERM stop, SIGUSR1 stops gracefully, SIGHUP reads files again, SIGPIPE does nothing.
 *
 * A handler can be told nothing, so this file holds the process's only pointer to its server.
 */
#ifndef LARDER_SERVER_SIGNAL_H
#define LARDER_SERVER_SIGNAL_H

#include "base/compiler.h"
#include "server/server.h"

/*
 * Catch signals from now on; what arrives before server_signal_attach() is kept for it. Call first
 * thing, so that no signal kills a process half started, with a pid file or a socket on disk.
 */
void server_signal_install(void);
/* From now on signals stop this server (borrowed until the next call); NULL: nobody. */
void server_signal_attach(struct server *server);
/* The signal that asked to stop: SIGINT, SIGTERM, SIGUSR1; 0: none has. */
int server_signal_received(void);

#endif

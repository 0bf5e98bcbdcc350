/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * -d and -P: a server in the background, and the file with its process number.
 *
 * Start-up and end only, before there are threads and after they are gone.
 */
#ifndef LARDER_SERVER_DAEMON_H
#define LARDER_SERVER_DAEMON_H

#include <stdbool.h>

#include "base/compiler.h"
#include "server/config.h"

/* Initialise with SERVER_DAEMON_NONE. */
struct server_daemon {
    int ready_fd;      /* tells the waiting parent; -1: not in the background, or told already */
    bool has_pid_file; /* written by us */
};

#define SERVER_DAEMON_NONE ((struct server_daemon){.ready_fd = -1, .has_pid_file = false})

/*
 * With -d: fork. The parent does not return; it waits until the child is ready or has failed, and
 * exits with 0 or with the child's exit code: who runs `larderd -d` knows whether it works, and
 * reads why not. The child goes on in a session of its own, in `/` (unless -r), its standard
 * output still open. Without -d: nothing. Returns 0 or -errno.
 */
BASE_MUST_USE int server_daemon_detach(const struct server_config *config,
                                       struct server_daemon *daemon);
/*
 * Clients can come: write the pid file, let go of the terminal (unless -v) and of the parent. A pid
 * file that cannot be written is logged, and no reason to stop, as in memcached.
 */
void server_daemon_ready(const struct server_config *config, struct server_daemon *daemon);
/* Remove the pid file. Harmless when there is none. */
void server_daemon_end(const struct server_config *config, struct server_daemon *daemon);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The upkeep thread: gives the engine its tick(). See upkeep.c.
 */
#ifndef LARDER_SERVER_UPKEEP_H
#define LARDER_SERVER_UPKEEP_H

#include "server/server_priv.h"

/* Returns 0 or -errno. */
BASE_MUST_USE int server_upkeep_start(struct server *server);
/* Waits for the thread to end. Nothing when it does not run. */
void server_upkeep_stop(struct server *server);
/* larder_host.wake(): there is work. Any thread. */
void server_upkeep_wake(void *server);

#endif

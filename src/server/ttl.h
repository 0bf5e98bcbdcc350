/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the meta flags T, N and t mean together: they are obeyed in the order they stand in.
 */
#ifndef LARDER_SERVER_TTL_H
#define LARDER_SERVER_TTL_H

#include "server/server_priv.h"

/* Seconds left: -1 never, 0 over. */
int64_t server_ttl_s(const struct server_worker *worker, uint32_t expires_at_s);

/* An item that is there: its time after T, and what t answers. */
uint32_t server_ttl_changed(const struct server_call *call, uint32_t expires_at_s,
                            int64_t *ret_shown_s);
/* An item that N makes: its time, and what t answers. */
uint32_t server_ttl_created(const struct server_call *call, int64_t *ret_shown_s);

#endif

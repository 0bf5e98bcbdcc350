/* SPDX-License-Identifier: BSD-3-Clause */
/* `stats conns`. See conns.c. */
#ifndef LARDER_SERVER_CONNS_H
#define LARDER_SERVER_CONNS_H

#include "server/server_priv.h"

enum server_done server_cmd_conns(struct server_call *call);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* `stats cachedump`, which cmd_stats.c hands on. See cmd_dump.c. */
#ifndef LARDER_SERVER_CMD_DUMP_H
#define LARDER_SERVER_CMD_DUMP_H

#include "server/server_priv.h"

/* rest: the class number and the limit, as words. */
enum server_done server_cmd_cachedump(struct server_call *call, struct base_slice rest);

#endif

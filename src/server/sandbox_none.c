/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * In place of sandbox.c in builds with sanitizers or coverage: their runtimes write files, trace
 * threads and map memory as no server does.
 */
#include "server/sandbox.h"

#include <errno.h>

#include "base/log.h"

int server_sandbox_enter(const struct server_config *config)
{
    if (config->sandbox_required) {
        base_log(BASE_LOG_ERROR, "option -o drop_privileges: not in a build for tests");
        return -ENOTSUP;
    }
    return 0;
}

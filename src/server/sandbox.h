/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the process may still ask of the kernel once it serves.
 *
 * A server that has started needs few system calls, and none that would be of use to somebody who
 * has found a way to run code in it. syscalls.def is the list; seccomp enforces it.
 */
#ifndef LARDER_SERVER_SANDBOX_H
#define LARDER_SERVER_SANDBOX_H

#include "base/compiler.h"
#include "server/config.h"

/*
 * Closes the sandbox around every thread of the process, for good. When everything is open and all
 * threads run, before clients are served. Nothing happens under -o no_drop_privileges. A kernel
 * that cannot do it is a line in the log, and an error only when -o drop_privileges asked for it.
 * Returns 0 or -errno.
 */
BASE_MUST_USE int server_sandbox_enter(const struct server_config *config);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the process may do: limits raised while that is possible, rights given up as soon as they
 * are not needed.
 *
 * Start-up only, one thread. What is wrong is logged here; the functions return an exit code: 0,
 * or one of <sysexits.h>, memcached's choice.
 */
#ifndef LARDER_SERVER_PRIVILEGE_H
#define LARDER_SERVER_PRIVILEGE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/compiler.h"
#include "server/config.h"

/* Whom to become. */
struct server_identity {
    bool change; /* false: we are not root, and stay who we are */
    uid_t uid;
    gid_t gid;
};

/*
 * Find the user of -u (root must name one), set the umask, raise the limits of open files and core
 * files. EX_USAGE, EX_NOUSER or EX_OSERR.
 */
BASE_MUST_USE int server_privilege_prepare(const struct server_config *config,
                                           struct server_identity *ret_identity);
/* Become the user found before. EX_OSERR. */
BASE_MUST_USE int server_privilege_drop(const struct server_config *config,
                                        const struct server_identity *identity);
/*
 * -k: nothing of this process is swapped out. After the daemon has forked, because locks are not
 * inherited, and after server_privilege_drop(), which has raised the limit while it could. A
 * failure is a warning, as in memcached.
 */
void server_privilege_lock_memory(const struct server_config *config);

#endif

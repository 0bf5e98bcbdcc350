/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Limits and identity. The order matters and is main()'s: prepare, listen, drop, lock.
 */
#include "server/privilege.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"

enum {
    FDS_RESERVED = 128,      /* descriptors that are no clients: listeners, log, engine files */
    FDS_PER_WORKER = 4,      /* a loop's own */
    PASSWD_TEXT_MAX = 16384, /* bytes of one entry of the user database */
};

#define LOCK_PROBE_SIZE ((size_t)1 << 40) /* bytes of address space; beyond any finite limit */

static int find_user(const struct server_config *config, struct server_identity *ret_identity)
{
    char text[PASSWD_TEXT_MAX];
    struct passwd entry;
    struct passwd *found = NULL;

    *ret_identity = (struct server_identity){.change = false};
    if (getuid() != 0 && geteuid() != 0) {
        return 0;
    }
    if (config->user == NULL || config->user[0] == '\0') {
        base_log(BASE_LOG_ERROR, "can't run as root without the -u switch:"
                                 " name a user, or add '-u root' to start as root");
        return EX_USAGE;
    }
    if (getpwnam_r(config->user, &entry, text, sizeof text, &found) != 0 || found == NULL) {
        base_log(BASE_LOG_ERROR, "can't find the user %s to switch to", config->user);
        return EX_NOUSER;
    }
    *ret_identity =
        (struct server_identity){.change = true, .uid = entry.pw_uid, .gid = entry.pw_gid};
    return 0;
}

/* As high as it goes; what counts is that the soft limit is not 0 in the end. */
static int raise_core_limit(void)
{
    struct rlimit limit;

    limit.rlim_cur = limit.rlim_max = RLIM_INFINITY;
    if (setrlimit(RLIMIT_CORE, &limit) != 0 && getrlimit(RLIMIT_CORE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_CORE, &limit);
    }
    if (getrlimit(RLIMIT_CORE, &limit) != 0 || limit.rlim_cur == 0) {
        base_log(BASE_LOG_ERROR, "option -r: failed to ensure corefile creation");
        return EX_OSERR;
    }
    return 0;
}

/* Never lowered. Without our own reserve it is tight but works; below -c it is an error. */
static int raise_file_limit(const struct server_config *config)
{
    const rlim_t clients = config->connections_max;
    const rlim_t wanted = clients + FDS_RESERVED + (rlim_t)config->worker_count * FDS_PER_WORKER;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        base_log(BASE_LOG_ERROR, "failed to getrlimit number of files: %s", strerrordesc_np(errno));
        return EX_OSERR;
    }
    if (limit.rlim_cur >= wanted) {
        return 0;
    }
    if (limit.rlim_max < wanted) {
        struct rlimit higher = {.rlim_cur = wanted, .rlim_max = wanted};

        if (setrlimit(RLIMIT_NOFILE, &higher) == 0) {
            return 0;
        }
    }
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    if (limit.rlim_cur < clients || setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        base_log(BASE_LOG_ERROR,
                 "failed to set rlimit for open files. Try starting as root or requesting smaller "
                 "maxconns value (-c %u; at most %ju files are allowed).",
                 config->connections_max, (uintmax_t)limit.rlim_max);
        return EX_OSERR;
    }
    return 0;
}

int server_privilege_prepare(const struct server_config *config,
                             struct server_identity *ret_identity)
{
    int status = find_user(config, ret_identity);

    /* At least this; a stricter one of the supervisor stays. */
    (void)umask(umask(0) | S_IWGRP | S_IWOTH);
    if (status == 0 && config->core_dumps) {
        status = raise_core_limit();
    }
    return status != 0 ? status : raise_file_limit(config);
}

int server_privilege_drop(const struct server_config *config,
                          const struct server_identity *identity)
{
    const struct rlimit unlimited = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};

    if (!identity->change) {
        return 0;
    }
    if (config->lock_memory) {
        /* The last moment to do it; whether it was enough, server_privilege_lock_memory() sees. */
        (void)setrlimit(RLIMIT_MEMLOCK, &unlimited);
    }
    if (setgroups(0, NULL) != 0) {
        /* EPERM: a container has taken the right, and with it the groups, already. */
        const bool fatal = errno != EPERM;

        base_log(BASE_LOG_ERROR, "failed to drop supplementary groups: %s", strerrordesc_np(errno));
        if (fatal) {
            return EX_OSERR;
        }
    }
    if (setgid(identity->gid) != 0 || setuid(identity->uid) != 0) {
        base_log(BASE_LOG_ERROR, "failed to assume identity of user %s: %s", config->user,
                 strerrordesc_np(errno));
        return EX_OSERR;
    }
    if (config->core_dumps) {
        /* A change of identity turns core files off. */
        (void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    }
    return 0;
}

void server_privilege_lock_memory(const struct server_config *config)
{
    void *probe;

    if (!config->lock_memory) {
        return;
    }
    /* On fault: memory is locked as it is used. Kernels before 4.4 know only all at once. */
    if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0 &&
        (errno != EINVAL || mlockall(MCL_CURRENT | MCL_FUTURE) != 0)) {
        base_log(BASE_LOG_ERROR, "warning: -k invalid, mlockall() failed: %s",
                 strerrordesc_np(errno));
        return;
    }
    /* Under a limit, the engine's reservations of address space would fail from now on. */
    probe =
        mmap(NULL, LOCK_PROBE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (probe == MAP_FAILED) {
        (void)munlockall();
        base_log(BASE_LOG_ERROR, "warning: -k invalid, it needs an unlimited RLIMIT_MEMLOCK");
        return;
    }
    (void)munmap(probe, LOCK_PROBE_SIZE);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The list of syscalls.def as a seccomp filter, and the few rules that look at arguments.
 *
 * A list of what is allowed, not of what is forbidden: new kernels have new calls. What is not on
 * it fails with EPERM instead of ending the process, because a C library may try a newer call
 * first; what only an intruder asks for ends it. libseccomp writes the filter: calls that are
 * allowed whatever their arguments are decided by the kernel from a bitmap, which costs a request next
 * to nothing.
 *
 * Main thread, once; the kernel puts all the others under it (TSYNC).
 */
#include "server/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

/* By name, not by number: an older C library has no number for a newer call. */
static const struct {
    const char *name;
    uint32_t action;
} list[] = {
#define SERVER_SYSCALL(name, about) {#name, SCMP_ACT_ALLOW},
#define SERVER_SYSCALL_FATAL(name)  {#name, SCMP_ACT_KILL_PROCESS},
#include "server/syscalls.def"
#undef SERVER_SYSCALL
#undef SERVER_SYSCALL_FATAL
};

static int add_list(scmp_filter_ctx filter)
{
    for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        const int number = seccomp_syscall_resolve_name(list[i].name);
        /* Not on this architecture, or younger than the library: nothing to allow. */
        const int result = number < 0 ? 0 : seccomp_rule_add(filter, list[i].action, number, 0);
        if (result != 0) {
            return result;
        }
    }
    return 0;
}

/* Memory is never made executable: no code comes in by way of data. */
static int add_memory(scmp_filter_ctx filter)
{
    const struct scmp_arg_cmp not_executable = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
    int result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, not_executable);
    if (result == 0) {
        result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, not_executable);
    }
    return result;
}

/* Files are read, never written. */
static int add_files(scmp_filter_ctx filter)
{
    const scmp_datum_t changes = O_ACCMODE | O_CREAT | O_TRUNC;
    int result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
                                  SCMP_A2(SCMP_CMP_MASKED_EQ, changes, O_RDONLY));
    if (result == 0) {
        result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(open), 1,
                                  SCMP_A1(SCMP_CMP_MASKED_EQ, changes, O_RDONLY));
    }
    return result;
}

/* Threads, which an engine may still make, but no processes. */
static int add_threads(scmp_filter_ctx filter)
{
    int result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                                  SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
    if (result == 0) {
        /* Its arguments cannot be seen: the C library falls back to clone(). */
        result = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    }
    return result;
}

/* Signals (abort()) and limits (the C library asks for some) of this process, not of others of its user. */
static int add_own_process(scmp_filter_ctx filter)
{
    int result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                                  SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0));
    if (result == 0) { /* 0: whoever asks */
        result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1,
                                  SCMP_A0(SCMP_CMP_EQ, 0, 0));
    }
    return result;
}

/* SASL may ask a daemon of this machine (saslauthd) whether a password is right. */
static int add_daemons(scmp_filter_ctx filter)
{
    int result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
                                  SCMP_A0(SCMP_CMP_EQ, AF_UNIX, 0));
    if (result == 0) {
        result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(connect), 0);
    }
    return result;
}

static int load(scmp_filter_ctx filter, const struct server_config *config)
{
    int result = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    if (result == 0) {
        /* Speculation stays as the administrator set it: the filter would slow everything down. */
        result = seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);
    }
    if (result == 0) {
        result = add_list(filter);
    }
    if (result == 0) {
        result = add_memory(filter);
    }
    if (result == 0) {
        result = add_files(filter);
    }
    if (result == 0) {
        result = add_threads(filter);
    }
    if (result == 0) {
        result = add_own_process(filter);
    }
    if (result == 0 && config->sasl_enabled) {
        result = add_daemons(filter);
    }
    return result == 0 ? seccomp_load(filter) : result;
}

int server_sandbox_enter(const struct server_config *config)
{
    if (!config->sandbox) {
        return 0;
    }
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    const int result = filter != NULL ? load(filter, config) : -ENOMEM;
    seccomp_release(filter);
    if (result == 0) {
        return 0;
    }
    if (config->sandbox_required) {
        base_log(BASE_LOG_ERROR, "option -o drop_privileges: cannot limit system calls: %s",
                 strerrordesc_np(-result));
        return result;
    }
    base_log(BASE_LOG_NOTICE, "system calls stay unlimited: %s", strerrordesc_np(-result));
    return 0;
}

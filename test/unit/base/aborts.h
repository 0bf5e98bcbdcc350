/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs something that must not survive, in a child process. */
#ifndef LARDER_TEST_UNIT_BASE_ABORTS_H
#define LARDER_TEST_UNIT_BASE_ABORTS_H

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* True when run() ended in abort(); its standard error goes to `error_file`. */
static bool aborts(void (*run)(void), const char *error_file)
{
    const pid_t child = fork();
    int status = 0;

    if (child == 0) {
        const int file = open(error_file, O_WRONLY | O_CREAT | O_TRUNC, 0600);

        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        dup2(file, STDERR_FILENO);
        run();
        _exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child) {
        return false;
    }
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

#endif

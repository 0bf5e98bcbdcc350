/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The background. daemon(3) would lose every message about a failed start.
 */
#include "server/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/num.h"

enum { PID_TEXT_MAX = 32 }; /* bytes of a pid file that are looked at */

/* ---- the parent ---- */

/* One byte: it works. End of file: it does not, and the child's exit code says why. */
BASE_NORETURN static void wait_and_exit(int ready_fd, pid_t child)
{
    char byte;
    int status = 0;
    ssize_t got;

    do {
        got = read(ready_fd, &byte, 1);
    } while (got < 0 && errno == EINTR);
    if (got == 1) {
        _exit(EXIT_SUCCESS);
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    _exit(WIFEXITED(status) && WEXITSTATUS(status) != 0 ? WEXITSTATUS(status) : EXIT_FAILURE);
}

int server_daemon_detach(const struct server_config *config, struct server_daemon *daemon)
{
    int fds[2];
    pid_t child;

    if (!config->daemon) {
        return 0;
    }
    if (pipe2(fds, O_CLOEXEC) != 0) {
        return -errno;
    }
    child = fork();
    if (child < 0) {
        const int error = errno;

        (void)close(fds[0]);
        (void)close(fds[1]);
        return -error;
    }
    if (child > 0) {
        (void)close(fds[1]);
        wait_and_exit(fds[0], child);
    }
    (void)close(fds[0]);
    daemon->ready_fd = fds[1];
    if (setsid() < 0 || (!config->core_dumps && chdir("/") != 0)) {
        return -errno;
    }
    return 0;
}

/* ---- the pid file ---- */

static void warn_of_running(const char *path)
{
    char text[PID_TEXT_MAX];
    FILE *file = fopen(path, "re");
    size_t size;
    uint32_t pid;

    if (file == NULL) {
        return;
    }
    size = fread(text, 1, sizeof text, file);
    (void)fclose(file);
    while (size > 0 && text[size - 1] == '\n') {
        size--;
    }
    if (base_num_parse_u32((struct base_slice){text, size}, &pid) && pid > 0 && pid <= INT32_MAX &&
        kill((pid_t)pid, 0) == 0) {
        base_log(BASE_LOG_ERROR, "WARNING: The pid file contained the following (running) pid: %u",
                 pid);
    }
}

/* It appears under its name when it is whole, so nobody reads half a number. */
static bool write_pid_file(const char *path)
{
    char draft[PATH_MAX];
    const int size = snprintf(draft, sizeof draft, "%s.tmp", path);
    FILE *file = size > 0 && size < PATH_MAX ? fopen(draft, "we") : NULL;

    if (file == NULL) {
        base_log(BASE_LOG_ERROR, "Could not open the pid file %s.tmp for writing: %s", path,
                 strerrordesc_np(errno));
        return false;
    }
    (void)fprintf(file, "%ld\n", (long)getpid());
    if (fclose(file) != 0 || rename(draft, path) != 0) {
        base_log(BASE_LOG_ERROR, "Could not write the pid file %s: %s", path,
                 strerrordesc_np(errno));
        (void)unlink(draft);
        return false;
    }
    return true;
}

/* ---- the child ---- */

static void let_go_of_terminal(void)
{
    const int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (fd < 0) {
        base_log(BASE_LOG_ERROR, "cannot open /dev/null: %s", strerrordesc_np(errno));
        return;
    }
    for (int standard = STDIN_FILENO; standard <= STDERR_FILENO; standard++) {
        (void)dup2(fd, standard);
    }
    if (fd > STDERR_FILENO) {
        (void)close(fd);
    }
}

void server_daemon_ready(const struct server_config *config, struct server_daemon *daemon)
{
    if (config->pid_path != NULL) {
        warn_of_running(config->pid_path);
        daemon->has_pid_file = write_pid_file(config->pid_path);
    }
    if (daemon->ready_fd < 0) {
        return;
    }
    if (config->verbosity == 0) {
        let_go_of_terminal();
    }
    (void)!write(daemon->ready_fd, "", 1);
    (void)close(daemon->ready_fd);
    daemon->ready_fd = -1;
}

void server_daemon_end(const struct server_config *config, struct server_daemon *daemon)
{
    if (daemon->has_pid_file && unlink(config->pid_path) != 0) {
        base_log(BASE_LOG_ERROR, "Could not remove the pid file %s: %s", config->pid_path,
                 strerrordesc_np(errno));
    }
    daemon->has_pid_file = false;
}

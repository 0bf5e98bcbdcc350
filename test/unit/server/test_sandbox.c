/* SPDX-License-Identifier: BSD-3-Clause */
/* The sandbox, each try in a process of its own: it cannot be left again. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/sandbox.h"

enum { CANNOT_ENTER = 99 };

static struct server_config config;

/* How a process ends that enters the sandbox and then does this: its status, or -signal. */
static int run_inside(int (*act)(void))
{
    int status = 0;
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit no_core = {0};
        (void)setrlimit(RLIMIT_CORE, &no_core);
        _exit(server_sandbox_enter(&config) != 0 ? CANNOT_ENTER : act());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/* 0, or the errno of what failed. */
static int error_of(long result)
{
    return result >= 0 ? 0 : errno;
}

static void *nothing(void *arg)
{
    return arg;
}

static int make_a_thread(void)
{
    pthread_t thread;
    const int error = pthread_create(&thread, NULL, nothing, NULL);
    return error != 0 ? error : pthread_join(thread, NULL);
}

static int read_a_file(void)
{
    char byte;
    const int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    return fd < 0 ? errno : error_of(read(fd, &byte, 1));
}

static int take_memory(void)
{
    void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? errno : error_of(munmap(memory, 4096));
}

static int run_a_program(void)
{
    return error_of(execl("/bin/true", "true", NULL));
}

static int make_a_process(void)
{
    const pid_t child = fork();
    if (child == 0) {
        _exit(0);
    }
    return error_of(child);
}

static int open_a_socket(void)
{
    return error_of(socket(AF_INET, SOCK_STREAM, 0));
}

static int write_a_file(void)
{
    return error_of(open("/tmp", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600));
}

static int make_memory_executable(void)
{
    void *memory =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? errno : 0;
}

static int gain_privileges(void)
{
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? EPERM : 0;
}

static int signal_itself(void)
{
    return error_of(tgkill(getpid(), gettid(), 0));
}

static int signal_another(void)
{
    return error_of(tgkill(getppid(), getppid(), 0));
}

static int look_at_its_limits(void)
{
    struct rlimit limit;
    return error_of(getrlimit(RLIMIT_NOFILE, &limit));
}

static int look_at_anothers_limits(void)
{
    struct rlimit limit;
    return error_of(prlimit(getppid(), RLIMIT_NOFILE, NULL, &limit));
}

static const struct {
    int (*act)(void);
    int outside, inside; /* how it ends */
} acts[] = {
    {make_a_thread, 0, 0},
    {read_a_file, 0, 0},
    {take_memory, 0, 0},
    {run_a_program, 0, -SIGSYS},
    {make_a_process, 0, EPERM},
    {open_a_socket, 0, EPERM},
    {write_a_file, 0, EPERM},
    {make_memory_executable, 0, EPERM},
    {gain_privileges, 0, EPERM},
    {signal_itself, 0, 0},
    {signal_another, 0, EPERM},
    {look_at_its_limits, 0, 0},
    {look_at_anothers_limits, 0, EPERM},
};

static void it_lets_a_server_work_and_an_intruder_not(void **state)
{
    (void)state;
    config = (struct server_config){.sandbox = true, .sandbox_required = SANDBOX == 1};
    for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
        const int end = run_inside(acts[i].act);
        if (end == CANNOT_ENTER) {
            skip(); /* this kernel has no seccomp */
        }
        assert_int_equal(end, SANDBOX ? acts[i].inside : acts[i].outside);
    }
}

static void without_it_nothing_is_forbidden(void **state)
{
    (void)state;
    config.sandbox = false;
    for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
        assert_int_equal(run_inside(acts[i].act), acts[i].outside);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_lets_a_server_work_and_an_intruder_not),
        cmocka_unit_test(without_it_nothing_is_forbidden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

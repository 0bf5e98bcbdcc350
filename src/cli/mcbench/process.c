/* SPDX-License-Identifier: BSD-3-Clause */
/* Starting and stopping servers: see process.h. What is read from a running one is in process_stat.c. */
#include "cli/mcbench/process.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/mcbench/connect.h"

enum {
    COMPLAINT_MAX = 4096, /* bytes */
    OUTPUT_SHOWN = 2000,  /* bytes of what a process has said, at its end */
    START_TIMEOUT_MS = 10000,
    STOP_TIMEOUT_MS = 5000,
    VERSION_TIMEOUT_MS = 2000,
    POLL_MS = 10,
    NOT_RUN = 127, /* exit status: the program could not be run */
};

static void sleep_ms(int milliseconds)
{
    const struct timespec time = {.tv_nsec = milliseconds * 1000000L};

    (void)nanosleep(&time, NULL);
}

/* ---- the command line ---- */

enum { NUMBER_MAX = 24 }; /* bytes */

/* The text for a word; a number is written to `number`. NULL: there is no such word. */
static const char *find_place(const char *word, size_t size, const struct bench_places *places,
                              char number[static NUMBER_MAX])
{
    const struct {
        const char *word, *text;
        unsigned long long number;
    } rows[] = {
        {"port", places->port, 0},
        {"socket", places->socket, 0},
        {"listen", places->listen, 0},
        {"resp_listen", places->resp_listen, 0},
        {"user", places->user, 0},
        {"memory_mb", number, places->memory_mb},
        {"threads", number, places->threads},
        {"value_size", number, places->value_size},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strlen(rows[i].word) == size && memcmp(rows[i].word, word, size) == 0) {
            (void)snprintf(number, NUMBER_MAX, "%llu", rows[i].number);
            return rows[i].text;
        }
    }
    return NULL;
}

/* Bytes of a lower-case word in braces at `at`, the braces included; 0: there is none. */
static size_t braced_size(const char *at)
{
    const size_t size = strspn(at + 1, "abcdefghijklmnopqrstuvwxyz_");

    return size > 0 && at[1 + size] == '}' ? size + 2 : 0;
}

bool bench_process_fill(const char *line, const struct bench_places *places,
                        char out[static BENCH_COMMAND_MAX], char complaint[static COMPLAINT_MAX])
{
    char number[NUMBER_MAX];
    size_t used = 0;

    while (*line != '\0') {
        const size_t braced = *line == '{' ? braced_size(line) : 0;
        const char *text = line;
        size_t size = 1;

        if (braced > 0) {
            text = find_place(line + 1, braced - 2, places, number);
            if (text == NULL) {
                (void)snprintf(complaint, COMPLAINT_MAX, "%.*s has no meaning here", (int)braced,
                               line);
                return false;
            }
            size = strlen(text);
        }
        if (used + size >= BENCH_COMMAND_MAX) {
            (void)snprintf(complaint, COMPLAINT_MAX, "the command is longer than %d bytes",
                           BENCH_COMMAND_MAX - 1);
            return false;
        }
        memcpy(out + used, text, size);
        used += size;
        line += braced > 0 ? braced : 1;
    }
    out[used] = '\0';
    return true;
}

size_t bench_process_split(char *line, char *ret_words[static BENCH_WORDS_MAX + 1])
{
    size_t count = 0;
    char *out = line;
    char *at = line;

    for (;;) {
        char quote = '\0';

        at += strspn(at, " \t");
        if (*at == '\0') {
            break;
        }
        if (count == BENCH_WORDS_MAX) {
            return 0;
        }
        ret_words[count++] = out;
        for (; *at != '\0' && (quote != '\0' || (*at != ' ' && *at != '\t')); at++) {
            if (quote == '\0' && (*at == '\'' || *at == '"')) {
                quote = *at;
            } else if (quote != '\0' && *at == quote) {
                quote = '\0';
            } else {
                *out++ = *at;
            }
        }
        if (quote != '\0') {
            return 0;
        }
        at += *at != '\0' ? 1 : 0;
        *out++ = '\0'; /* never before `at`: a blank or the end was there */
    }
    ret_words[count] = NULL;
    return count;
}

/* ---- running it ---- */

/* In the child: nothing here may need memory or a lock. */
static _Noreturn void become(char *const *words, int output, pid_t parent, const cpu_set_t *cpus)
{
    sigset_t none;
    int null;

    (void)setpgid(0, 0);
    (void)sigemptyset(&none);
    (void)pthread_sigmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    (void)signal(SIGINT, SIG_DFL);
    (void)signal(SIGTERM, SIG_DFL);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) {
        _exit(NOT_RUN);
    }
    null = open("/dev/null", O_RDONLY);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 ||
        dup2(output, STDERR_FILENO) < 0) {
        _exit(NOT_RUN);
    }
    if (cpus != NULL && sched_setaffinity(0, sizeof(*cpus), cpus) != 0) {
        (void)dprintf(STDERR_FILENO, "cannot be pinned to its CPU: %s\n", strerrordesc_np(errno));
        _exit(NOT_RUN);
    }
    (void)execvp(words[0], words);
    (void)dprintf(STDERR_FILENO, "cannot run %s: %s\n", words[0], strerrordesc_np(errno));
    _exit(NOT_RUN);
}

/* A process in a group of its own: what a terminal sends to ours does not reach it. */
static int spawn(char *const *words, const cpu_set_t *cpus, pid_t *ret_pid, int *ret_output)
{
    const int output = memfd_create("output", MFD_CLOEXEC);
    const pid_t parent = getpid();
    pid_t pid;

    if (output < 0) {
        return -errno;
    }
    pid = fork();
    if (pid < 0) {
        const int status = -errno;

        (void)close(output);
        return status;
    }
    if (pid == 0) {
        become(words, output, parent, cpus);
    }
    (void)setpgid(pid, pid); /* whoever comes first; EACCES: it has done so and runs */
    *ret_pid = pid;
    *ret_output = output;
    return 0;
}

/* Sends a signal to the whole group and waits for the process. True when it has ended. */
static bool end_with(pid_t pid, int signal_number, int timeout_ms, int *ret_status)
{
    (void)kill(-pid, signal_number);
    for (int waited_ms = 0; waited_ms <= timeout_ms; waited_ms += POLL_MS) {
        const pid_t got = waitpid(pid, ret_status, WNOHANG);

        if (got == pid || (got < 0 && errno == ECHILD)) {
            return true;
        }
        sleep_ms(POLL_MS);
    }
    return false;
}

/* The end of what the process has written, without what cannot be shown; "" when nothing. */
static void read_output(int output, char text[static OUTPUT_SHOWN + 1])
{
    const off_t size = lseek(output, 0, SEEK_END);
    const off_t from = size > OUTPUT_SHOWN ? size - OUTPUT_SHOWN : 0;
    const ssize_t got = size > 0 ? pread(output, text, OUTPUT_SHOWN, from) : 0;
    size_t used = got > 0 ? (size_t)got : 0;

    while (used > 0 && (text[used - 1] == '\n' || text[used - 1] == '\r')) {
        used--;
    }
    for (size_t i = 0; i < used; i++) {
        const unsigned char byte = (unsigned char)text[i];

        text[i] = (char)((byte < ' ' && byte != '\n') || byte >= 0x7f ? '?' : byte);
    }
    text[used] = '\0';
}

/* The first line that `PROGRAM option` says, if it ends well and soon. */
static bool ask_version(char *program, const char *option, char version[static BENCH_NAME_MAX])
{
    char word[BENCH_NAME_MAX];
    char *words[] = {program, word, NULL};
    char text[BENCH_NAME_MAX];
    int status = -1;
    int output = -1;
    ssize_t got;
    pid_t pid = 0;

    (void)snprintf(word, sizeof(word), "%s", option);
    if (spawn(words, NULL, &pid, &output) != 0) {
        return false;
    }
    if (!end_with(pid, 0, VERSION_TIMEOUT_MS, &status)) {
        (void)end_with(pid, SIGKILL, STOP_TIMEOUT_MS, &status);
        status = -1;
    }
    got = pread(output, text, sizeof(text) - 1, 0);
    (void)close(output);
    if (got <= 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        return false;
    }
    text[got] = '\0';
    text[strcspn(text, "\r\n")] = '\0';
    memcpy(version, text, sizeof(text));
    return text[0] != '\0';
}

/* ---- where it listens ---- */

/* A port that was free just now. */
static int find_port(uint16_t *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int status = 0;

    if (fd < 0) {
        return -errno;
    }
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0) {
        status = -errno;
    } else {
        *ret_port = ntohs(address.sin_port);
    }
    (void)close(fd);
    return status;
}

struct listening {
    char port[8];
    char socket[BENCH_ADDRESS_MAX];
    char options[2 * BENCH_ADDRESS_MAX], resp_options[2 * BENCH_ADDRESS_MAX];
};

static int choose_address(struct bench_process *process, bool unix_socket,
                          struct listening *ret_listening)
{
    uint16_t port = 0;
    int status;

    if (unix_socket) {
        char folder[] = "/tmp/mcbench-XXXXXX";

        if (mkdtemp(folder) == NULL) {
            return -errno;
        }
        memcpy(process->folder, folder, sizeof(folder));
        (void)snprintf(ret_listening->socket, sizeof(ret_listening->socket), "%s/socket", folder);
        (void)snprintf(process->address, sizeof(process->address), "%s/socket", folder);
        (void)snprintf(ret_listening->options, sizeof(ret_listening->options), "-s %s/socket",
                       folder);
        (void)snprintf(ret_listening->resp_options, sizeof(ret_listening->resp_options),
                       "--port 0 --unixsocket %s/socket", folder);
        return 0;
    }
    status = find_port(&port);
    if (status == 0) {
        (void)snprintf(ret_listening->port, sizeof(ret_listening->port), "%u", port);
        (void)snprintf(process->address, sizeof(process->address), "127.0.0.1:%u", port);
        (void)snprintf(ret_listening->options, sizeof(ret_listening->options),
                       "-l 127.0.0.1 -p %u -U 0", port);
        (void)snprintf(ret_listening->resp_options, sizeof(ret_listening->resp_options),
                       "--bind 127.0.0.1 --port %u", port);
    }
    return status;
}

static void forget_address(struct bench_process *process)
{
    if (process->folder[0] != '\0') {
        (void)unlink(process->address);
        (void)rmdir(process->folder);
        process->folder[0] = '\0';
    }
}

/* ---- start, stop ---- */

static int wait_for_address(struct bench_process *process, char complaint[static COMPLAINT_MAX])
{
    const uint64_t end_ns = base_clock_monotonic_ns() + START_TIMEOUT_MS * 1000000ULL;
    struct bench_target target;
    char ignored[COMPLAINT_MAX];
    char said[OUTPUT_SHOWN + 1];

    do {
        if (!bench_process_is_alive(process, complaint)) {
            return -ECHILD;
        }
        if (bench_connect_resolve(process->address, &target, ignored) == 0) {
            return 0;
        }
        sleep_ms(POLL_MS);
    } while (base_clock_monotonic_ns() < end_ns);
    read_output(process->output, said);
    (void)snprintf(complaint, COMPLAINT_MAX, "%s does not listen on %s after %d s%s%s",
                   process->name, process->address, START_TIMEOUT_MS / 1000,
                   said[0] != '\0' ? "; it says:\n" : "", said);
    return -ETIMEDOUT;
}

static int run_command(struct bench_process *process, const struct bench_process_setup *setup,
                       char complaint[static COMPLAINT_MAX])
{
    char line[BENCH_COMMAND_MAX];
    char *words[BENCH_WORDS_MAX + 1];
    cpu_set_t set;
    int status;

    memcpy(line, process->command, sizeof(line));
    if (bench_process_split(line, words) == 0) {
        (void)snprintf(complaint, COMPLAINT_MAX, "%s: '%s' is no command", process->name,
                       process->command);
        return -EINVAL;
    }
    CPU_ZERO(&set);
    for (size_t i = 0; i < setup->cpu_count; i++) {
        CPU_SET((size_t)setup->cpus[i], &set);
    }
    if (!ask_version(words[0], "--version", process->version) &&
        !ask_version(words[0], "-V", process->version)) {
        process->version[0] = '\0';
    }
    status = spawn(words, setup->cpu_count > 0 ? &set : NULL, &process->pid, &process->output);
    if (status != 0) {
        (void)snprintf(complaint, COMPLAINT_MAX, "%s cannot be started: %s", process->name,
                       strerrordesc_np(-status));
    }
    return status;
}

int bench_process_start_with(struct bench_process *process, const char *name, const char *line,
                             const struct bench_process_setup *setup,
                             char complaint[static COMPLAINT_MAX])
{
    struct listening listening = {.port = ""};
    struct bench_places places = {
        .memory_mb = setup->memory_mb, .threads = setup->threads, .value_size = setup->value_size};
    char why[COMPLAINT_MAX];
    int status;

    *process = (struct bench_process){.output = -1};
    (void)snprintf(process->name, sizeof(process->name), "%s", name);
    status = choose_address(process, setup->unix_socket, &listening);
    if (status != 0) {
        (void)snprintf(complaint, COMPLAINT_MAX, "no address for %s: %s", process->name,
                       strerrordesc_np(-status));
        return status;
    }
    places.port = setup->unix_socket ? NULL : listening.port;
    places.socket = setup->unix_socket ? listening.socket : NULL;
    places.listen = listening.options;
    places.resp_listen = listening.resp_options;
    places.user = geteuid() == 0 ? "-u root" : "";
    if (!bench_process_fill(line, &places, process->command, why)) {
        (void)snprintf(complaint, COMPLAINT_MAX, "%s: %.300s", process->name, why);
        status = -EINVAL;
    } else {
        status = run_command(process, setup, complaint);
    }
    if (status == 0) {
        status = wait_for_address(process, complaint);
    }
    if (status != 0) {
        (void)bench_process_stop(process);
    }
    return status;
}

int bench_process_start(struct bench_process *process, const char *name, const char *line,
                        bool unix_socket, uint64_t memory_mb, int cpu,
                        char complaint[static COMPLAINT_MAX])
{
    const struct bench_process_setup setup = {
        .unix_socket = unix_socket,
        .memory_mb = memory_mb,
        .threads = 1,
        .value_size = 100,
        .cpu_count = cpu < 0 ? 0 : 1,
        .cpus = &cpu,
    };

    return bench_process_start_with(process, name, line, &setup, complaint);
}

int bench_process_stop(struct bench_process *process)
{
    int status = 0;

    if (process->pid > 0) {
        if (!end_with(process->pid, SIGTERM, STOP_TIMEOUT_MS, &status)) {
            (void)end_with(process->pid, SIGKILL, STOP_TIMEOUT_MS, &status);
        }
        process->pid = 0;
    }
    if (process->output >= 0) {
        (void)close(process->output);
        process->output = -1;
    }
    forget_address(process);
    return status;
}

bool bench_process_is_alive(struct bench_process *process, char complaint[static COMPLAINT_MAX])
{
    siginfo_t info = {.si_pid = 0};
    char said[OUTPUT_SHOWN + 1];

    /* WNOWAIT: its pid stays its own until bench_process_stop(). */
    if (process->pid > 0 &&
        waitid(P_PID, (id_t)process->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
        info.si_pid == 0) {
        return true;
    }
    read_output(process->output, said);
    (void)snprintf(complaint, COMPLAINT_MAX, "%s has ended (%s %d)%s%s", process->name,
                   info.si_code == CLD_EXITED ? "status" : "signal", info.si_status,
                   said[0] != '\0' ? ", and says:\n" : "", said);
    return false;
}

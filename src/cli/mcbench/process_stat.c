/* SPDX-License-Identifier: BSD-3-Clause */
/* What is read from a running server: see process.h. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/num.h"
#include "cli/mcbench/connect.h"
#include "cli/mcbench/process.h"

enum {
    PATH_SIZE = 320,        /* bytes */
    STATS_SIZE_MAX = 65536, /* bytes of an answer to `stats` */
    STATS_TIMEOUT_MS = 5000,
};

/* ---- CPU time ---- */

static bool read_thread(const char *folder, const char *thread, struct bench_cpu *ret_cpu)
{
    char path[PATH_SIZE];
    FILE *file;
    bool is_read;

    (void)snprintf(path, sizeof(path), "%s/%s/schedstat", folder, thread);
    file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    is_read = fscanf(file, "%" SCNu64 " %" SCNu64, &ret_cpu->run_ns, &ret_cpu->wait_ns) == 2;
    (void)fclose(file);
    return is_read;
}

/* The sums, and each thread as far as there is room when `threads` is not NULL. */
static bool read_threads(pid_t pid, struct bench_cpu *ret_sum, struct bench_threads *threads)
{
    struct bench_cpu sum = {0, 0};
    const struct dirent *entry;
    char path[32];
    DIR *folder;

    (void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    folder = opendir(path);
    if (folder == NULL) {
        return false;
    }
    while ((entry = readdir(folder)) != NULL) {
        struct bench_cpu cpu;

        if (entry->d_name[0] == '.' || !read_thread(path, entry->d_name, &cpu)) {
            continue;
        }
        sum.run_ns += cpu.run_ns;
        sum.wait_ns += cpu.wait_ns;
        if (threads != NULL && threads->count < BENCH_THREADS_MAX) {
            threads->rows[threads->count].id = (pid_t)strtol(entry->d_name, NULL, 10);
            threads->rows[threads->count].cpu = cpu;
            threads->count++;
        }
    }
    (void)closedir(folder);
    *ret_sum = sum;
    return sum.run_ns > 0;
}

bool bench_process_cpu(pid_t pid, struct bench_cpu *ret_cpu)
{
    return read_threads(pid, ret_cpu, NULL);
}

bool bench_process_threads(pid_t pid, struct bench_threads *ret_threads)
{
    struct bench_cpu sum;

    ret_threads->count = 0;
    return read_threads(pid, &sum, ret_threads);
}

static int by_run_time(const void *a, const void *b)
{
    const uint64_t left = ((const struct bench_cpu *)a)->run_ns;
    const uint64_t right = ((const struct bench_cpu *)b)->run_ns;

    return left < right ? 1 : left > right ? -1 : 0;
}

uint64_t bench_process_disturbed_ns(const struct bench_threads *before,
                                    const struct bench_threads *after, size_t worker_count)
{
    struct bench_cpu spent[BENCH_THREADS_MAX] = {{0, 0}};
    uint64_t waited_ns = 0;
    uint64_t own_ns = 0;
    size_t count = 0;

    for (size_t i = 0; i < after->count; i++) {
        for (size_t k = 0; k < before->count; k++) {
            if (before->rows[k].id == after->rows[i].id) {
                spent[count].run_ns = after->rows[i].cpu.run_ns - before->rows[k].cpu.run_ns;
                spent[count].wait_ns = after->rows[i].cpu.wait_ns - before->rows[k].cpu.wait_ns;
                count++;
                break;
            }
        }
    }
    qsort(spent, count, sizeof(spent[0]), by_run_time);
    for (size_t i = 0; i < count; i++) {
        waited_ns += i < worker_count ? spent[i].wait_ns : 0;
        own_ns += i < worker_count ? 0 : spent[i].run_ns;
    }
    return waited_ns > own_ns ? waited_ns - own_ns : 0;
}

/* ---- memory ---- */

bool bench_process_memory(pid_t pid, uint64_t *ret_rss_kib, uint64_t *ret_peak_kib)
{
    uint64_t rss = 0;
    uint64_t peak = 0;
    char line[256];
    char path[32];
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    while (fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, "VmRSS:", 6) == 0) {
            rss = strtoull(line + 6, NULL, 10);
        } else if (strncmp(line, "VmHWM:", 6) == 0) {
            peak = strtoull(line + 6, NULL, 10);
        }
    }
    (void)fclose(file);
    if (rss == 0 || peak == 0) {
        return false; /* a process that has ended has neither */
    }
    *ret_rss_kib = rss;
    *ret_peak_kib = peak;
    return true;
}

/* ---- its own counters ---- */

/* Reads until the answer ends in END; a NUL stands behind it. False: the server did not say so in time. */
static bool read_stats(int fd, char text[static STATS_SIZE_MAX])
{
    static const char end[] = "END\r\n";
    const uint64_t end_ns = base_clock_monotonic_ns() + STATS_TIMEOUT_MS * 1000000ULL;
    size_t used = 0;

    while (used < STATS_SIZE_MAX - 1 && base_clock_monotonic_ns() < end_ns) {
        struct pollfd readable = {.fd = fd, .events = POLLIN};
        ssize_t got;

        if (poll(&readable, 1, STATS_TIMEOUT_MS) <= 0) {
            continue;
        }
        got = recv(fd, text + used, STATS_SIZE_MAX - 1 - used, 0);
        if (got <= 0) {
            return false;
        }
        used += (size_t)got;
        text[used] = '\0';
        if (used >= sizeof(end) - 1 &&
            memcmp(text + used - (sizeof(end) - 1), end, sizeof(end) - 1) == 0) {
            return true;
        }
    }
    return false;
}

static bool find_stat(const char *text, const char *name, uint64_t *ret_value)
{
    const size_t size = strlen(name);

    for (const char *line = text; line != NULL && strncmp(line, "STAT ", 5) == 0;) {
        const char *end = strstr(line, "\r\n");

        if (end == NULL) {
            return false;
        }
        if (strncmp(line + 5, name, size) == 0 && line[5 + size] == ' ') {
            const char *value = line + 5 + size + 1;

            return base_num_parse_u64((struct base_slice){value, (size_t)(end - value)}, ret_value);
        }
        line = end + 2;
    }
    return false;
}

bool bench_process_stat(const struct bench_process *process, const char *name, uint64_t *ret_value)
{
    static const char request[] = "stats\r\n";
    struct bench_target target;
    struct pollfd writable = {.events = POLLOUT};
    char complaint[4096];
    bool is_found = false;
    char *text;

    if (bench_connect_resolve(process->address, &target, complaint) != 0) {
        return false;
    }
    writable.fd = bench_connect_start(&target, 0);
    text = malloc(STATS_SIZE_MAX);
    if (writable.fd >= 0 && text != NULL && poll(&writable, 1, STATS_TIMEOUT_MS) == 1 &&
        send(writable.fd, request, sizeof(request) - 1, MSG_NOSIGNAL) ==
            (ssize_t)sizeof(request) - 1 &&
        read_stats(writable.fd, text)) {
        is_found = find_stat(text, name, ret_value);
    }
    free(text);
    if (writable.fd >= 0) {
        (void)close(writable.fd);
    }
    return is_found;
}

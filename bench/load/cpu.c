/* SPDX-License-Identifier: BSD-3-Clause */
/* CPU time of a process: see cpu.h. */
#include "cpu.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>

enum { PATH_SIZE = 320 }; /* bytes; a thread's number is short, but d_name could be 255 */

static bool read_thread(const char *process_path, const char *thread, struct load_cpu *ret_cpu)
{
    char path[PATH_SIZE];
    FILE *file;
    bool is_read;

    (void)snprintf(path, sizeof(path), "%s/%s/schedstat", process_path, thread);
    file = fopen(path, "r");
    if (file == NULL) {
        return false;
    }
    is_read = fscanf(file, "%" SCNu64 " %" SCNu64, &ret_cpu->run_ns, &ret_cpu->wait_ns) == 2;
    (void)fclose(file);
    return is_read;
}

bool load_cpu_read(pid_t process, struct load_cpu *ret_cpu)
{
    struct load_cpu sum = {0, 0};
    const struct dirent *entry;
    char path[32];
    DIR *threads;

    (void)snprintf(path, sizeof(path), "/proc/%d/task", (int)process);
    threads = opendir(path);
    if (threads == NULL) {
        return false;
    }
    while ((entry = readdir(threads)) != NULL) {
        struct load_cpu thread;

        if (entry->d_name[0] != '.' && read_thread(path, entry->d_name, &thread)) {
            sum.run_ns += thread.run_ns;
            sum.wait_ns += thread.wait_ns;
        }
    }
    (void)closedir(threads);
    *ret_cpu = sum;
    return sum.run_ns > 0;
}

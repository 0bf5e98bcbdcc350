/* SPDX-License-Identifier: BSD-3-Clause */
/* The machine as JSON: what a figure depends on, and nothing that names its owner (no host name, no addresses). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cli/mcbench/report.h"

enum { LINE_SIZE = 4096 }; /* bytes; the flags of a processor are its longest line */

/* The rest of the first line of a file that starts with `start`, without the line's end; "" when there is none. */
static void read_line(const char *path, const char *start, char line[static LINE_SIZE])
{
    FILE *file = fopen(path, "re");
    bool found = false;

    while (file != NULL && !found && fgets(line, LINE_SIZE, file) != NULL) {
        found = strncmp(line, start, strlen(start)) == 0;
    }
    if (found) {
        const char *text = line + strlen(start) + strspn(line + strlen(start), " \t:");

        memmove(line, text, strlen(text) + 1);
        line[strcspn(line, "\n")] = '\0';
    } else {
        line[0] = '\0';
    }
    if (file != NULL) {
        (void)fclose(file);
    }
}

/* Text of a file's line, or null. */
static json_t *report_line(const char *path, const char *start)
{
    char line[LINE_SIZE];

    read_line(path, start, line);
    return line[0] != '\0' ? json_string(line) : json_null();
}

/* The one in brackets: "always [madvise] never". */
static json_t *report_chosen(const char *path)
{
    char line[LINE_SIZE];
    char *chosen, *end;

    read_line(path, "", line);
    chosen = strchr(line, '[');
    end = chosen != NULL ? strchr(chosen, ']') : NULL;
    if (end == NULL) {
        return json_null();
    }
    *end = '\0';
    return json_string(chosen + 1);
}

json_t *bench_report_machine(void)
{
    char line[LINE_SIZE];
    struct utsname kernel;
    bool is_virtual;
    long pages = sysconf(_SC_PHYS_PAGES), page_size = sysconf(_SC_PAGESIZE);

    if (uname(&kernel) != 0) {
        return NULL;
    }
    read_line("/proc/cpuinfo", "flags", line);
    is_virtual = strstr(line, " hypervisor") != NULL;
    return json_pack(
        "{s:o, s:I, s:b, s:s, s:s, s:s, s:I, s:o, s:o, s:o}", "processor",
        report_line("/proc/cpuinfo", "model name"), "cpus",
        (json_int_t)sysconf(_SC_NPROCESSORS_ONLN), "virtual", (int)is_virtual, "system",
        kernel.sysname, "kernel", kernel.release, "architecture", kernel.machine, "memory_mib",
        (json_int_t)pages * page_size >> 20, "clock_source",
        report_line("/sys/devices/system/clocksource/clocksource0/current_clocksource", ""),
        "frequency_governor",
        report_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", ""), "huge_pages",
        report_chosen("/sys/kernel/mm/transparent_hugepage/enabled"));
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The log: see log.h. Its level is the one word of mutable state that the whole process shares;
 * it is set once at start and only read afterwards.
 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

enum { SECOND_NS = 1000000000 };

static enum base_log_level log_level = BASE_LOG_ERROR;

void base_log_set_level(enum base_log_level level)
{
    log_level = level;
}

bool base_log_is_on(enum base_log_level level)
{
    return level <= log_level;
}

/* Cuts to BASE_LOG_LINE_MAX; an event never becomes two lines, so newlines turn into blanks. */
BASE_PRINTF(1, 0)
static void write_line(const char *format, va_list arguments, const char *suffix)
{
    char line[BASE_LOG_LINE_MAX];
    const size_t text_room = sizeof(line) - strlen(suffix) - 1;
    const int printed = vsnprintf(line, text_room, format, arguments);
    size_t size;

    if (printed < 0) {
        return;
    }
    size = (size_t)printed < text_room ? (size_t)printed : text_room - 1;
    for (size_t i = 0; i < size; i++) {
        if (line[i] == '\n' || line[i] == '\r') {
            line[i] = ' ';
        }
    }
    memcpy(line + size, suffix, strlen(suffix));
    size += strlen(suffix);
    line[size++] = '\n';
    if (write(STDERR_FILENO, line, size) < 0) {
        return; /* nobody is left to be told */
    }
}

void base_log(enum base_log_level level, const char *format, ...)
{
    va_list arguments;

    if (!base_log_is_on(level)) {
        return;
    }
    va_start(arguments, format);
    write_line(format, arguments, "");
    va_end(arguments);
}

bool base_log_limit_pass(struct base_log_limit *limit, uint64_t second, uint64_t *ret_suppressed)
{
    if (second != limit->second) {
        limit->second = second;
        limit->passed_count = 0;
    }
    if (limit->passed_count >= limit->per_s) {
        limit->suppressed_count++;
        return false;
    }
    limit->passed_count++;
    *ret_suppressed = limit->suppressed_count;
    limit->suppressed_count = 0;
    return true;
}

void base_log_limited(struct base_log_limit *limit, enum base_log_level level, const char *format,
                      ...)
{
    char suffix[64] = "";
    uint64_t suppressed;
    va_list arguments;

    if (!base_log_is_on(level) ||
        !base_log_limit_pass(limit, base_clock_monotonic_ns() / SECOND_NS, &suppressed)) {
        return;
    }
    if (suppressed > 0) {
        (void)snprintf(suffix, sizeof(suffix), " (suppressed %llu more)",
                       (unsigned long long)suppressed);
    }
    va_start(arguments, format);
    write_line(format, arguments, suffix);
    va_end(arguments);
}

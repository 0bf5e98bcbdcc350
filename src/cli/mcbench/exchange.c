/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes for people: see exchange.h. */
#include "cli/mcbench/exchange.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/compiler.h"

struct text {
    char *out;
    size_t room;
    size_t *used;
};

BASE_PRINTF(2, 3) static void add(const struct text *text, const char *format, ...)
{
    const size_t left = text->room - *text->used;
    va_list arguments;
    int size;

    va_start(arguments, format);
    size = vsnprintf(text->out + *text->used, left, format, arguments);
    va_end(arguments);
    if (size > 0) {
        *text->used += (size_t)size < left ? (size_t)size : left - 1;
    }
}

static void add_line(const struct text *text, struct base_slice bytes, size_t at)
{
    add(text, "    %06zx ", at);
    for (size_t i = at; i < at + BENCH_EXCHANGE_LINE_SIZE; i++) {
        if (i < bytes.size) {
            add(text, " %02x", (unsigned char)bytes.data[i]);
        } else {
            add(text, "   ");
        }
    }
    add(text, "  |");
    for (size_t i = at; i < at + BENCH_EXCHANGE_LINE_SIZE && i < bytes.size; i++) {
        const char byte = bytes.data[i];

        add(text, "%c", byte >= ' ' && byte <= '~' ? byte : '.');
    }
    add(text, "|\n");
}

void bench_exchange_write(const char *title, struct base_slice bytes, char *out, size_t room,
                          size_t *used)
{
    const struct text text = {out, room, used};
    const size_t shown =
        bytes.size < BENCH_EXCHANGE_SHOWN_SIZE ? bytes.size : BENCH_EXCHANGE_SHOWN_SIZE;

    add(&text, "  %s, %zu bytes:\n", title, bytes.size);
    for (size_t at = 0; at < shown; at += BENCH_EXCHANGE_LINE_SIZE) {
        add_line(&text, bytes, at);
    }
    if (bytes.size > shown) {
        add(&text, "    ... and %zu more\n", bytes.size - shown);
    }
}

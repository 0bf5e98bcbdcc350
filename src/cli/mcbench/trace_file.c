/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads a trace's file in pieces: file -> packed -> unpack -> text -> parser.
 */
#include "cli/mcbench/trace_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/mcbench/unpack.h"

enum {
    PACKED_SIZE = 64 * 1024, /* bytes read at a time */
    TEXT_SIZE = 256 * 1024,  /* bytes unpacked at a time; more than any one request takes */
};

struct bench_trace_file {
    const char *path; /* borrowed */
    int fd;
    bool fd_at_end;
    bool text_at_end;
    struct bench_unpack *unpack;
    struct bench_trace_parser parser;
    struct base_slice packed_rest; /* of packed[] */
    struct base_slice text_rest;   /* of text[] */
    char packed[PACKED_SIZE];
    char text[TEXT_SIZE];
};

static bool strip(struct base_slice *name, const char *ending)
{
    const size_t size = strlen(ending);

    if (name->size <= size || memcmp(name->data + name->size - size, ending, size) != 0) {
        return false;
    }
    name->size -= size;
    return true;
}

bool bench_trace_file_guess(const char *path, enum bench_trace_format *ret_format)
{
    struct base_slice name = {path, strlen(path)};

    if (!strip(&name, ".xz") && !strip(&name, ".zst")) {
        (void)strip(&name, ".gz");
    }
    if (strip(&name, ".lis")) {
        *ret_format = BENCH_TRACE_EXTENTS;
        return true;
    }
    if (strip(&name, ".keys")) {
        *ret_format = BENCH_TRACE_KEYS;
        return true;
    }
    if (strip(&name, ".sort") || strip(&name, ".csv")) {
        *ret_format = BENCH_TRACE_TWITTER;
        return true;
    }
    return false;
}

static int fail(const struct bench_trace_file *file, int error, const char *what, char *complaint)
{
    (void)snprintf(complaint, BENCH_TRACE_FILE_ERROR_MAX, "%.3900s: %s", file->path, what);
    return error;
}

/* More packed bytes behind those that are left. */
static int read_packed(struct bench_trace_file *file, char *complaint)
{
    const size_t left = file->packed_rest.size;
    ssize_t count;

    if (left > 0) {
        memmove(file->packed, file->packed_rest.data, left);
    }
    do {
        count = read(file->fd, file->packed + left, PACKED_SIZE - left);
    } while (count < 0 && errno == EINTR);
    if (count < 0) {
        const int error = -errno;

        return fail(file, error, strerrordesc_np(-error), complaint);
    }
    file->fd_at_end = count == 0;
    file->packed_rest = (struct base_slice){file->packed, left + (size_t)count};
    return 0;
}

/* More text behind what is left of it. */
static int unpack_text(struct bench_trace_file *file, char *complaint)
{
    size_t left = file->text_rest.size;
    size_t written = 0;

    if (left > 0) {
        memmove(file->text, file->text_rest.data, left);
    }
    while (written == 0 && !file->text_at_end) {
        enum bench_unpack_result result;

        if (file->packed_rest.size == 0 && !file->fd_at_end) {
            const int error = read_packed(file, complaint);

            if (error != 0) {
                return error;
            }
        }
        result = bench_unpack_run(file->unpack, &file->packed_rest, file->fd_at_end,
                                  TEXT_SIZE - left, file->text + left, &written);
        if (result == BENCH_UNPACK_CORRUPT) {
            return fail(file, -EBADMSG, bench_unpack_complaint(file->unpack), complaint);
        }
        file->text_at_end = result == BENCH_UNPACK_END;
    }
    left += written;
    file->text_rest = (struct base_slice){file->text, left};
    return 0;
}

int bench_trace_file_open(const char *path, enum bench_trace_format format,
                          struct bench_trace_file **ret_file,
                          char complaint[static BENCH_TRACE_FILE_ERROR_MAX])
{
    struct bench_trace_file *file = malloc(sizeof(*file));
    int error = 0;

    if (file == NULL) {
        (void)snprintf(complaint, BENCH_TRACE_FILE_ERROR_MAX, "no memory");
        return -ENOMEM;
    }
    file->path = path;
    file->fd_at_end = file->text_at_end = false;
    file->unpack = NULL;
    file->packed_rest = (struct base_slice){file->packed, 0};
    file->text_rest = (struct base_slice){file->text, 0};
    bench_trace_init(&file->parser, format);
    file->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (file->fd < 0) {
        error = -errno;
        (void)fail(file, error, strerrordesc_np(-error), complaint);
    }
    while (error == 0 && !file->fd_at_end && file->packed_rest.size < BENCH_UNPACK_MAGIC_SIZE) {
        error = read_packed(file, complaint);
    }
    if (error == 0) {
        file->unpack = bench_unpack_create(file->packed_rest);
        if (file->unpack == NULL) {
            error = fail(file, -ENOMEM, "no memory", complaint);
        }
    }
    if (error != 0) {
        bench_trace_file_close(&file);
        return error;
    }
    *ret_file = file;
    return 0;
}

void bench_trace_file_close(struct bench_trace_file **file)
{
    if (*file == NULL) {
        return;
    }
    bench_unpack_destroy(&(*file)->unpack);
    if ((*file)->fd >= 0) {
        (void)close((*file)->fd);
    }
    free(*file);
    *file = NULL;
}

int bench_trace_file_next(struct bench_trace_file *file, struct bench_trace_request *ret_request,
                          char complaint[static BENCH_TRACE_FILE_ERROR_MAX])
{
    char what[BENCH_TRACE_ERROR_MAX];

    for (;;) {
        size_t consumed = 0;
        int error;

        switch (bench_trace_parse(&file->parser, file->text_rest, file->text_at_end, &consumed,
                                  ret_request, what)) {
        case BENCH_TRACE_DONE:
            file->text_rest.data += consumed;
            file->text_rest.size -= consumed;
            return 1;
        case BENCH_TRACE_END:
            return 0;
        case BENCH_TRACE_BAD:
            return fail(file, -EBADMSG, what, complaint);
        case BENCH_TRACE_MORE:
            error = unpack_text(file, complaint);
            if (error != 0) {
                return error;
            }
            break;
        }
    }
}

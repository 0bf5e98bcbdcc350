/* SPDX-License-Identifier: BSD-3-Clause */
/* See access_file.h. */
#include "server/access_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

BASE_PRINTF(3, 4)
static bool fail(const char *path, char why[SERVER_ACCESS_WHY_MAX], const char *format, ...)
{
    va_list arguments;
    int size = snprintf(why, SERVER_ACCESS_WHY_MAX, "%.255s: ", path);
    va_start(arguments, format);
    (void)vsnprintf(why + size, SERVER_ACCESS_WHY_MAX - (size_t)size, format, arguments);
    va_end(arguments);
    return false;
}

bool server_access_file_complain(const struct server_access_file *file,
                                 char why[SERVER_ACCESS_WHY_MAX], const char *format, ...)
{
    va_list arguments;
    int size = snprintf(why, SERVER_ACCESS_WHY_MAX, "%.255s:%u: ", file->path, file->line);
    va_start(arguments, format);
    (void)vsnprintf(why + size, SERVER_ACCESS_WHY_MAX - (size_t)size, format, arguments);
    va_end(arguments);
    return false;
}

/* All of fd into file->text, up to the bound: a file that grows meanwhile is read again next time. */
static bool read_all(struct server_access_file *file, int fd, size_t size,
                     char why[SERVER_ACCESS_WHY_MAX])
{
    file->text = malloc(size + 1);
    if (file->text == NULL) {
        return fail(file->path, why, "no memory to read it");
    }
    while (file->size < size) {
        const ssize_t got = read(fd, file->text + file->size, size - file->size);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return fail(file->path, why, "cannot be read: %s", strerrordesc_np(errno));
        }
        if (got == 0) {
            break;
        }
        file->size += (size_t)got;
    }
    return true;
}

bool server_access_file_open(struct server_access_file *file, const char *path,
                             char why[SERVER_ACCESS_WHY_MAX])
{
    struct stat status;
    /* Not to hang on a pipe that nobody writes to. */
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool done = false;
    *file = (struct server_access_file){.path = path};
    if (fd < 0) {
        return fail(path, why, "cannot be opened: %s", strerrordesc_np(errno));
    }
    if (fstat(fd, &status) != 0) {
        (void)fail(path, why, "cannot be looked at: %s", strerrordesc_np(errno));
    } else if (!S_ISREG(status.st_mode)) {
        (void)fail(path, why, "is no regular file");
    } else if (status.st_size > SERVER_ACCESS_FILE_MAX) {
        (void)fail(path, why, "is larger than %d bytes", SERVER_ACCESS_FILE_MAX);
    } else {
        done = read_all(file, fd, (size_t)status.st_size, why);
    }
    (void)close(fd);
    if (!done) {
        server_access_file_fini(file);
    }
    return done;
}

bool server_access_file_init(struct server_access_file *file, const char *path,
                             struct base_slice text, char why[SERVER_ACCESS_WHY_MAX])
{
    *file = (struct server_access_file){.path = path, .size = text.size};
    file->text = malloc(text.size + 1);
    if (file->text == NULL) {
        return fail(path, why, "no memory for its text");
    }
    memcpy(file->text, text.data, text.size);
    return true;
}

void server_access_file_fini(struct server_access_file *file)
{
    if (file->text != NULL) {
        explicit_bzero(file->text, file->size);
        free(file->text);
    }
    *file = (struct server_access_file){.path = file->path};
}

enum server_access_line server_access_file_next(struct server_access_file *file,
                                                struct base_slice *ret_line,
                                                char why[SERVER_ACCESS_WHY_MAX])
{
    while (file->at < file->size) {
        const char *start = file->text + file->at;
        const size_t rest = file->size - file->at;
        const char *newline = memchr(start, '\n', rest);
        size_t size = newline != NULL ? (size_t)(newline - start) : rest;
        file->line++;
        file->at += newline != NULL ? size + 1 : size;
        if (size > 0 && start[size - 1] == '\r') {
            size--;
        }
        if (size > SERVER_ACCESS_LINE_MAX) {
            (void)server_access_file_complain(file, why, "the line is longer than %d bytes",
                                              SERVER_ACCESS_LINE_MAX);
            return SERVER_ACCESS_BAD;
        }
        if (memchr(start, '\0', size) != NULL) {
            (void)server_access_file_complain(file, why, "there is a NUL byte in the line");
            return SERVER_ACCESS_BAD;
        }
        if (size > 0) {
            *ret_line = (struct base_slice){start, size};
            return SERVER_ACCESS_LINE;
        }
    }
    return SERVER_ACCESS_END;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A trace in a file, request by request, whatever it is packed with. Streams: memory does not grow with the file. One thread.
 */
#ifndef LARDER_MCBENCH_TRACE_FILE_H
#define LARDER_MCBENCH_TRACE_FILE_H

#include "cli/mcbench/trace.h"

enum { BENCH_TRACE_FILE_ERROR_MAX = 4096 + BENCH_TRACE_ERROR_MAX }; /* a path and what is wrong */

struct bench_trace_file;

/*
 * What the file's name tells of its format: .lis extents, .keys keys, .sort and .csv twitter; false for others. Endings of
 * compression (.xz .zst .gz) are looked through.
 */
bool bench_trace_file_guess(const char *path, enum bench_trace_format *ret_format);

/* path: borrowed until it is closed. 0 or a negative errno, with the words in `complaint`. */
int bench_trace_file_open(const char *path, enum bench_trace_format format,
                          struct bench_trace_file **ret_file,
                          char complaint[static BENCH_TRACE_FILE_ERROR_MAX]);
void bench_trace_file_close(struct bench_trace_file **file);

/* 1: a request, whose key is lent until the next call. 0: the end. A negative errno, with the words in `complaint`. */
int bench_trace_file_next(struct bench_trace_file *file, struct bench_trace_request *ret_request,
                          char complaint[static BENCH_TRACE_FILE_ERROR_MAX]);

#endif

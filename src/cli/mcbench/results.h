/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Result files: what `suite` and `replay` measured, for `compare` and `plot`. doc/operate/mcbench-results.md is their description.
 *
 *     {"schema": 1, "kind": "results", "date": "2026-11-21T13:00:00Z", "machine": {...},
 *      "servers":   [{"name", "version", "command", "is_limit"}],
 *      "workloads": [{"name", "title", "work": {...}, "curve": {"name", "title", "axis", "x"}}],
 *      "rounds":    [{"round", "workload", "server", "result": {...}}],
 *      "replay":    [{"trace", "server", "memory_bytes", "requests", "hits", "misses", ...}]}
 *
 * machine, work and result are what report.h makes. A curve (may be missing) says that workloads of the same curve name are points
 * of one plot, each at its x on the axis: "offered_per_s" or "server_threads". A server with is_limit true (may be missing) does
 * nothing but answer: it is no competitor, it marks what can be reached. Members that are not known are left alone: later
 * versions may add some.
 *
 * What is in a file came from outside: everything that is read later is checked here, once, and a complaint names the place.
 * No state; any thread.
 */
#ifndef LARDER_MCBENCH_RESULTS_H
#define LARDER_MCBENCH_RESULTS_H

#include <jansson.h>
#include <stdbool.h>

enum { BENCH_RESULTS_ERROR_MAX = 512 }; /* bytes of a complaint, its NUL included */

/* A file without servers, workloads and rounds yet, of this machine and moment. Given to the caller. NULL: no memory. */
json_t *bench_results_create(void);

/* Is it a result file as described above? What is wrong otherwise, and where ("rounds[3].result.requests: is missing"). */
bool bench_results_check(const json_t *results, char complaint[static BENCH_RESULTS_ERROR_MAX]);

/* Given to the caller, and checked. NULL: complaint says why, with the path. */
json_t *bench_results_load(const char *path, char complaint[static BENCH_RESULTS_ERROR_MAX]);

/* Checks, writes beside `path` and renames, so that there never is half a file. False: complaint says why. */
bool bench_results_save(const char *path, const json_t *results,
                        char complaint[static BENCH_RESULTS_ERROR_MAX]);

/* The entry of this name in "servers" or "workloads" (list). Borrowed; NULL: none. */
const json_t *bench_results_find(const json_t *results, const char *list, const char *name);

#endif

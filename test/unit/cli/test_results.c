/* SPDX-License-Identifier: BSD-3-Clause */
/* Result files: a good one passes, each broken member is named, and files come and go whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/mcbench/results.h"

/* clang-format off */
static const char GOOD[] =
    "{\"schema\": 1, \"kind\": \"results\", \"date\": \"2026-11-21T13:00:00Z\", \"machine\": {},"
    " \"servers\": [{\"name\": \"a\", \"version\": \"\", \"command\": \"a -p 1\"},"
    "  {\"name\": \"b\", \"version\": \"b 2\", \"command\": \"b\", \"is_limit\": true}],"
    " \"workloads\": [{\"name\": \"get\", \"title\": \"GET\", \"work\": {\"load\": {\"arrival\": \"closed\"}},"
    "   \"curve\": {\"name\": \"c-1\", \"title\": \"C\", \"axis\": \"server_threads\", \"x\": 2}}],"
    " \"rounds\": [{\"round\": 1, \"workload\": \"get\", \"server\": \"a\", \"result\":"
    "   {\"void\": false, \"reason\": \"\", \"wall_s\": 1.5, \"requests\": 3, \"requests_per_s\": 2.0,"
    "    \"server_cpu\": null, \"load_cpu\": {\"busy_ns_per_request\": 10.5},"
    "    \"latency\": {\"service\": {\"count\": 3, \"mean_ns\": 2.5, \"p50_ns\": 2, \"p99_ns\": 3,"
    "      \"p999_ns\": 3, \"max_ns\": 3}, \"intended\": null, \"probe\": null}}}],"
    " \"replay\": [{\"trace\": \"t\", \"server\": \"a\", \"memory_bytes\": 9, \"requests\": 3, \"hits\": 1,"
    "   \"misses\": 2}]}";
/* clang-format on */

static json_t *good(void)
{
    json_t *results = json_loads(GOOD, JSON_REJECT_DUPLICATES, NULL);

    assert_non_null(results);
    return results;
}

/* The value at "list.0.member.member"; the list's index is a number. Its holder when `up`. */
static json_t *at(json_t *value, const char *path, bool up, const char **ret_last)
{
    for (;;) {
        const size_t size = strcspn(path, ".");

        if (path[size] == '\0' && up) {
            *ret_last = path;
            return value;
        }
        value = json_is_array(value) ? json_array_get(value, (size_t)atoi(path))
                                     : json_object_getn(value, path, size);
        assert_non_null(value);
        if (path[size] == '\0') {
            return value;
        }
        path += size + 1;
    }
}

static void test_good(void **state)
{
    char complaint[BENCH_RESULTS_ERROR_MAX] = "";
    json_t *results = good(), *created = bench_results_create();

    (void)state;
    assert_true(bench_results_check(results, complaint));
    assert_string_equal(complaint, "");
    assert_true(bench_results_check(created, complaint));
    assert_non_null(bench_results_find(results, "servers", "b"));
    assert_null(bench_results_find(results, "servers", "c"));
    /* Members of later versions do no harm. */
    assert_int_equal(json_object_set_new(results, "weather", json_true()), 0);
    assert_true(bench_results_check(results, complaint));
    json_decref(results);
    json_decref(created);
}

/* Each of these taken away is complained about by its name. */
static void test_missing(void **state)
{
    static const struct {
        const char *path, *complaint;
    } rows[] = {
        {"schema", "schema: is missing"},
        {"kind", "kind: is not"},
        {"date", "date: "},
        {"machine", "machine: "},
        {"servers", "servers: must be a list"},
        {"servers.0.name", "servers[0].name: is missing"},
        {"servers.1.version", "servers[1].version: is missing"},
        {"servers.1.command", "servers[1].command: is missing"},
        {"workloads.0.title", "workloads[0].title: is missing"},
        {"workloads.0.work", "workloads[0].work: is missing"},
        {"workloads.0.work.load", "workloads[0].work.load: is missing"},
        {"workloads.0.work.load.arrival", "workloads[0].work.load.arrival: is missing"},
        {"workloads.0.curve.x", "workloads[0].curve.x: is missing"},
        {"rounds.0.round", "rounds[0].round: is missing"},
        {"rounds.0.result", "rounds[0].result: is missing"},
        {"rounds.0.result.void", "rounds[0].result.void: is missing"},
        {"rounds.0.result.server_cpu", "rounds[0].result.server_cpu: is missing"},
        {"rounds.0.result.latency", "rounds[0].result.latency: is missing"},
        {"rounds.0.result.latency.probe", "rounds[0].result.latency.probe: is missing"},
        {"rounds.0.result.latency.service.p99_ns",
         "rounds[0].result.latency.service.p99_ns: is missing"},
        {"replay", "replay: must be a list"},
        {"replay.0.misses", "replay[0].misses: is missing"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char complaint[BENCH_RESULTS_ERROR_MAX] = "";
        json_t *results = good();
        const char *last;
        json_t *holder = at(results, rows[i].path, true, &last);

        assert_int_equal(json_object_del(holder, last), 0);
        assert_false(bench_results_check(results, complaint));
        if (strncmp(complaint, rows[i].complaint, strlen(rows[i].complaint)) != 0) {
            fail_msg("without %s: %s", rows[i].path, complaint);
        }
        json_decref(results);
    }
}

static void test_wrong(void **state)
{
    static const struct {
        const char *path, *value, *complaint;
    } rows[] = {
        {"schema", "2", "schema: is not 1"},
        {"kind", "\"run\"", "kind: is not"},
        {"servers.0", "7", "servers[0]: must be an object"},
        {"servers.1.name", "\"a\"", "servers[1].name: another one before has this name"},
        {"servers.0.name", "\"\"", "servers[0].name: must be a text of 1 to 63 bytes"},
        {"servers.1.is_limit", "1", "servers[1].is_limit: must be true or false"},
        {"workloads.0.curve.name", "\"../x\"", "workloads[0].curve.name: must be 1 to 63 letters"},
        {"workloads.0.curve.x", "-1", "workloads[0].curve.x: must be a number"},
        {"rounds.0.workload", "\"set\"", "rounds[0].workload: there is none of this name"},
        {"rounds.0.server", "\"c\"", "rounds[0].server: there is none of this name"},
        {"rounds.0.result.requests", "1.5", "rounds[0].result.requests: must be an integer"},
        {"rounds.0.result.latency.service", "3", "rounds[0].result.latency.service: must be an"},
        {"replay.0.memory_bytes", "0", "replay[0].memory_bytes: must not be 0"},
        {"replay.0.server", "\"c\"", "replay[0].server: there is none of this name"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char complaint[BENCH_RESULTS_ERROR_MAX] = "";
        json_t *results = good(), *value = json_loads(rows[i].value, JSON_DECODE_ANY, NULL);
        const char *last;
        json_t *holder = at(results, rows[i].path, true, &last);

        assert_int_equal(json_is_array(holder)
                             ? json_array_set_new(holder, (size_t)atoi(last), value)
                             : json_object_set_new(holder, last, value),
                         0);
        assert_false(bench_results_check(results, complaint));
        if (strncmp(complaint, rows[i].complaint, strlen(rows[i].complaint)) != 0) {
            fail_msg("%s as %s: %s", rows[i].path, rows[i].value, complaint);
        }
        json_decref(results);
    }
}

static void test_round_twice(void **state)
{
    char complaint[BENCH_RESULTS_ERROR_MAX] = "";
    json_t *results = good(), *rounds = json_object_get(results, "rounds");

    (void)state;
    assert_int_equal(json_array_append(rounds, json_array_get(rounds, 0)), 0);
    assert_false(bench_results_check(results, complaint));
    assert_string_equal(complaint,
                        "rounds[1].round: this workload and server are there twice in it");
    json_decref(results);
}

static void test_files(void **state)
{
    char folder[] = "/tmp/test-results-XXXXXX", path[64], beside[80];
    char complaint[BENCH_RESULTS_ERROR_MAX] = "";
    json_t *results = good(), *loaded;
    FILE *file;

    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/r.json", folder);
    (void)snprintf(beside, sizeof beside, "%s.new", path);

    assert_true(bench_results_save(path, results, complaint));
    assert_int_not_equal(access(beside, F_OK), 0);
    loaded = bench_results_load(path, complaint);
    assert_true(json_equal(loaded, results));
    json_decref(loaded);

    /* What would not be read back is not written, and the old file stays. */
    assert_int_equal(json_object_del(results, "date"), 0);
    assert_false(bench_results_save(path, results, complaint));
    assert_non_null(strstr(complaint, "date: must be a text"));
    loaded = bench_results_load(path, complaint);
    assert_non_null(loaded);
    json_decref(loaded);

    file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs("{\"schema\": 1,\n \"schema\": 2}", file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_null(bench_results_load(path, complaint));
    assert_non_null(strstr(complaint, "r.json:2:"));
    assert_non_null(strstr(complaint, "duplicate"));

    assert_int_equal(unlink(path), 0);
    assert_null(bench_results_load(path, complaint));
    assert_non_null(strstr(complaint, "r.json: No such file"));
    assert_int_equal(rmdir(folder), 0);
    json_decref(results);
    results = good();
    assert_false(bench_results_save(path, results, complaint));
    assert_non_null(strstr(complaint, "No such file"));
    json_decref(results);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),  cmocka_unit_test(test_missing),
        cmocka_unit_test(test_wrong), cmocka_unit_test(test_round_twice),
        cmocka_unit_test(test_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

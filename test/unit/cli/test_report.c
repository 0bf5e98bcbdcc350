/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs as JSON and as a table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/mcbench/report.h"
#include "cli/mcbench/report_priv.h"
#include "cli/mcbench/results.h"

static const struct bench_work WORK = {
    .protocol = BENCH_META,
    .shares = {[BENCH_GET] = 90, [BENCH_SET] = 10},
    .keys_per_get = 1,
    .keys_per_get_max = 1,
    .order = BENCH_ZIPF,
    .skew = 0.99,
    .key_count = 1000000,
    .key_sizes = {BENCH_SIZE_FIXED, 32, 32},
    .value_sizes = {BENCH_SIZE_RANGE, 100, 4096},
    .connections = 50,
    .pipeline = 16,
    .lanes = 2,
    .arrival = BENCH_POISSON,
    .rate = 250000,
    .seed = 7,
};

struct fixture {
    struct bench_plan plan;
    struct bench_result result;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    fixture->plan.address = "127.0.0.1:4711";
    fixture->plan.work = WORK;
    fixture->plan.warmup_ns = UINT64_C(2000000000);
    fixture->plan.window_ns = UINT64_C(10000000000);
    fixture->plan.server = 4242;
    fixture->result = (struct bench_result){
        .wall_ns = UINT64_C(10000000000),
        .requests = 2500000,
        .keys = 2250000,
        .hits = 2249000,
        .misses = 1000,
        .per_verb = {[BENCH_GET] = 2250000, [BENCH_SET] = 250000},
        .value_bytes = UINT64_C(4718592000),
        .late = 3,
        .unsent = 1,
        .server = {UINT64_C(2000000000), 50000000},
        .load = {UINT64_C(20000000000), 100000000},
        .load_user_ns = 250000000,
        .load_busy_ns = UINT64_C(500000000),
        .service = bench_hist_create(),
        .intended = bench_hist_create(),
    };
    bench_hist_record(fixture->result.service, 12345678);
    bench_hist_record(fixture->result.intended, 2000);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    bench_hist_destroy(&fixture->result.service);
    bench_hist_destroy(&fixture->result.intended);
    free(fixture);
    return 0;
}

static double number(const json_t *object, const char *member)
{
    const json_t *value = json_object_get(object, member);

    if (!json_is_number(value)) {
        fail_msg("%s is no number", member);
    }
    return json_number_value(value);
}

static void assert_close(double value, double expected)
{
    assert_true(fabs(value - expected) <= 1e-9 * fabs(expected));
}

static void test_result(void **state)
{
    struct fixture *fixture = *state;
    json_t *result = bench_report_result(&fixture->plan, &fixture->result);
    const json_t *latency = json_object_get(result, "latency");

    assert_non_null(result);
    assert_close(number(result, "wall_s"), 10);
    assert_close(number(result, "requests_per_s"), 250000);
    assert_close(number(result, "hit_ratio"), 2249000.0 / 2250000);
    assert_close(number(json_object_get(result, "verbs"), "set"), 250000);
    assert_close(number(json_object_get(result, "server_cpu"), "ns_per_request"), 800);
    assert_close(number(json_object_get(result, "load_cpu"), "busy_ns_per_request"), 200);
    assert_close(number(json_object_get(result, "load_cpu"), "user_ns_per_request"), 100);
    assert_close(number(json_object_get(latency, "service"), "p999_ns"), 12353535);
    assert_close(number(json_object_get(latency, "intended"), "p50_ns"), 2000);
    assert_true(json_is_null(json_object_get(latency, "probe")));
    assert_true(json_is_false(json_object_get(result, "void")));
    assert_close(number(result, "late"), 3);
    json_decref(result);
}

static void test_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct bench_plan plan = fixture->plan;
    struct bench_result nothing = {.is_void = true, .reason = "because"};
    json_t *result;

    plan.server = 0;
    result = bench_report_result(&plan, &nothing);
    assert_true(json_is_null(json_object_get(result, "requests_per_s")));
    assert_true(json_is_null(json_object_get(result, "hit_ratio")));
    assert_true(json_is_null(json_object_get(result, "server_cpu")));
    assert_true(json_is_true(json_object_get(result, "void")));
    assert_string_equal(json_string_value(json_object_get(result, "reason")), "because");
    json_decref(result);
}

static void test_work(void **state)
{
    struct bench_work work = WORK;
    json_t *report = bench_report_work(&work), *expected;

    (void)state;
    expected = json_loads("{\"protocol\": \"meta\", \"shares\": {\"get\": 90, \"set\": 10, "
                          "\"delete\": 0, \"incr\": 0}, \"keys_per_get\": 1, "
                          "\"keys_per_get_max\": 1, \"noreply\": false, \"fill_miss\": false, "
                          "\"keys\": {\"count\": 1000000, \"order\": \"zipf\", \"skew\": 0.99, "
                          "\"sizes\": {\"kind\": \"fixed\", \"bytes\": 32}}, \"values\": "
                          "{\"kind\": \"range\", \"min_bytes\": 100, \"max_bytes\": 4096}, "
                          "\"ttl_min_s\": 0, \"ttl_max_s\": 0, \"load\": {\"arrival\": "
                          "\"poisson\", \"connections\": 50, \"pipeline\": 16, \"threads\": 2, "
                          "\"requests_per_connection\": 0, \"offered_per_s\": 250000.0}, "
                          "\"seed\": 7}",
                          0, NULL);
    assert_true(json_equal(report, expected));
    json_decref(report);
    work.order = BENCH_HOT;
    work.hot_keys = 3;
    work.hot_share = 0.25;
    work.arrival = BENCH_BURSTS;
    work.burst_size = 8;
    report = bench_report_work(&work);
    assert_close(number(json_object_get(report, "keys"), "hot_count"), 3);
    assert_close(number(json_object_get(report, "keys"), "hot_share"), 0.25);
    assert_close(number(json_object_get(report, "load"), "burst_requests"), 8);
    json_decref(report);
    json_decref(expected);
}

/* A run as it is in a result file passes the check of result files. */
static void test_fits_results(void **state)
{
    struct fixture *fixture = *state;
    char complaint[BENCH_RESULTS_ERROR_MAX] = "";
    json_t *results = bench_results_create();

    assert_int_equal(json_array_append_new(
                         json_object_get(results, "servers"),
                         json_pack("{s:s, s:s, s:s}", "name", "s", "version", "", "command", "")),
                     0);
    assert_int_equal(json_array_append_new(json_object_get(results, "workloads"),
                                           json_pack("{s:s, s:s, s:o}", "name", "w", "title", "W",
                                                     "work", bench_report_work(&WORK))),
                     0);
    assert_int_equal(
        json_array_append_new(json_object_get(results, "rounds"),
                              json_pack("{s:i, s:s, s:s, s:o}", "round", 1, "workload", "w",
                                        "server", "s", "result",
                                        bench_report_result(&fixture->plan, &fixture->result))),
        0);
    if (!bench_results_check(results, complaint)) {
        fail_msg("%s", complaint);
    }
    json_decref(results);
}

static void test_run(void **state)
{
    struct fixture *fixture = *state;
    json_t *run = bench_report_run(&fixture->plan, &fixture->result);

    assert_close(number(run, "schema"), 1);
    assert_string_equal(json_string_value(json_object_get(run, "kind")), "run");
    assert_close(number(json_object_get(run, "plan"), "warmup_s"), 2);
    assert_close(number(json_object_get(run, "machine"), "cpus"),
                 number(json_object_get(run, "machine"), "cpus"));
    assert_true(json_is_object(json_object_get(run, "result")));
    json_decref(run);
}

/* The table; text is given: free(). */
static char *print(const struct fixture *fixture)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);

    bench_report_print(file, &fixture->plan, &fixture->result);
    assert_int_equal(fclose(file), 0);
    return text;
}

static void test_table(void **state)
{
    char *text = print(*state);

    /* clang-format off */
    assert_string_equal(text,
        "meta, 50 connections, pipeline 16, 2 threads, open loop at 250,000 per second\n"
        "1,000,000 keys of 32 bytes, Zipf 0.99; values of 100 to 4096 bytes\n"
        "127.0.0.1:4711; 10.0 s after 2.0 s of warm-up\n"
        "\n"
        "requests          2,500,000   250,000 per second, 90.0 % get, 10.0 % set\n"
        "keys              2,250,000   99.956 % hits, 4.4 GiB of values\n"
        "late                      3   sent more than 1 ms after they were due; 1 never\n"
        "server                  800   ns of CPU per request; 20.0 % of a CPU, 0.5 % waiting for it\n"
        "generator               200   ns of CPU per request; busy 2.5 % of the time, 0.5 % waiting\n"
        "\n"
        "latency, us             mean         p50         p90         p99       p99.9      p99.99"
        "         max\n"
        "since it was due         2.0         2.0         2.0         2.0         2.0         2.0"
        "         2.0\n"
        "since it was sent   12,349.4    12,353.5    12,353.5    12,353.5    12,353.5    12,353.5"
        "    12,353.5\n");
    /* clang-format on */
    free(text);
}

/* Whatever the figures, the table keeps to 100 columns, and says in words why a run is void. */
static void test_void_table(void **state)
{
    struct fixture *fixture = *state;
    struct bench_result *result = &fixture->result;
    char *text;
    size_t longest = 0;

    fixture->plan.work.arrival = BENCH_CLOSED;
    result->is_void = true;
    result->is_cut = true;
    result->wall_ns = UINT64_C(3600000000000);
    result->requests = UINT64_C(99999999999);
    result->refused = 17;
    result->reconnects = 1234567;
    for (uint64_t i = 0; i < 10; i++) {
        bench_hist_record(result->intended, UINT64_C(3600000000000));
    }
    (void)snprintf(result->reason, sizeof result->reason,
                   "the generator was busy 97 %% of the time, so that its own speed was measured; "
                   "give it more threads (--threads), or processors of its own (--cpus), or ask "
                   "for less");
    text = print(fixture);
    for (const char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1) {
        longest = strcspn(line, "\n") > longest ? strcspn(line, "\n") : longest;
    }
    assert_true(longest <= 100);
    assert_non_null(strstr(text, "closed loop"));
    assert_non_null(strstr(text, "Cut short: 3600.0 s of 10.0 s."));
    assert_non_null(strstr(text, "VOID: these figures say something about the generator"));
    assert_non_null(strstr(text, "\n  the generator was busy 97 % of the time"));
    assert_non_null(
        strstr(text, "\n  (--threads), or processors of its own (--cpus), or ask for less\n"));
    free(text);
}

static void test_number(void **state)
{
    static const struct {
        double value;
        int decimals;
        const char *text;
    } rows[] = {{0, 0, "0"},
                {999, 0, "999"},
                {1000, 0, "1,000"},
                {999.96, 1, "1,000.0"},
                {-1234567.5, 1, "-1,234,567.5"},
                {-123, 0, "-123"}};
    char text[BENCH_REPORT_NUMBER_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_string_equal(bench_report_number(rows[i].value, rows[i].decimals, text),
                            rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_result, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing, setup, teardown),
        cmocka_unit_test(test_work),
        cmocka_unit_test_setup_teardown(test_fits_results, setup, teardown),
        cmocka_unit_test_setup_teardown(test_run, setup, teardown),
        cmocka_unit_test_setup_teardown(test_table, setup, teardown),
        cmocka_unit_test_setup_teardown(test_void_table, setup, teardown),
        cmocka_unit_test(test_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

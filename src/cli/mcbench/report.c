/* SPDX-License-Identifier: BSD-3-Clause */
/* A run as JSON: doc/operate/mcbench-results.md describes each member. */
#include "cli/mcbench/report.h"

/* Divided by nothing is nothing measured: null. */
static json_t *per(double amount, double by)
{
    return by > 0 ? json_real(amount / by) : json_null();
}

static json_t *report_sizes(const struct bench_sizes *sizes)
{
    static const char *const kinds[] = {
        [BENCH_SIZE_FIXED] = "fixed", [BENCH_SIZE_RANGE] = "range", [BENCH_SIZE_ETC] = "etc"};

    if (sizes->kind == BENCH_SIZE_FIXED) {
        return json_pack("{s:s, s:I}", "kind", kinds[sizes->kind], "bytes", (json_int_t)sizes->min);
    }
    return json_pack("{s:s, s:I, s:I}", "kind", kinds[sizes->kind], "min_bytes",
                     (json_int_t)sizes->min, "max_bytes", (json_int_t)sizes->max);
}

static json_t *report_verbs(const uint64_t counts[BENCH_VERB_COUNT])
{
    return json_pack("{s:I, s:I, s:I, s:I}", "get", (json_int_t)counts[BENCH_GET], "set",
                     (json_int_t)counts[BENCH_SET], "delete", (json_int_t)counts[BENCH_DELETE],
                     "incr", (json_int_t)counts[BENCH_INCR]);
}

static json_t *report_keys(const struct bench_work *work)
{
    static const char *const orders[] = {[BENCH_UNIFORM] = "uniform",
                                         [BENCH_ZIPF] = "zipf",
                                         [BENCH_HOT] = "hot",
                                         [BENCH_SEQUENTIAL] = "sequential"};
    json_t *keys = json_pack("{s:I, s:s, s:o}", "count", (json_int_t)work->key_count, "order",
                             orders[work->order], "sizes", report_sizes(&work->key_sizes));
    bool failed = keys == NULL;

    if (work->order == BENCH_ZIPF) {
        failed |= json_object_set_new(keys, "skew", json_real(work->skew)) != 0;
    } else if (work->order == BENCH_HOT) {
        failed |=
            json_object_set_new(keys, "hot_count", json_integer((json_int_t)work->hot_keys)) != 0;
        failed |= json_object_set_new(keys, "hot_share", json_real(work->hot_share)) != 0;
    }
    if (failed) {
        json_decref(keys);
        return NULL;
    }
    return keys;
}

static json_t *report_load(const struct bench_work *work)
{
    static const char *const arrivals[] = {
        [BENCH_CLOSED] = "closed", [BENCH_POISSON] = "poisson", [BENCH_BURSTS] = "bursts"};
    json_t *load = json_pack("{s:s, s:I, s:I, s:I, s:I}", "arrival", arrivals[work->arrival],
                             "connections", (json_int_t)work->connections, "pipeline",
                             (json_int_t)work->pipeline, "threads", (json_int_t)work->lanes,
                             "requests_per_connection", (json_int_t)work->requests_per_connection);
    bool failed = load == NULL;

    if (work->arrival != BENCH_CLOSED) {
        failed |= json_object_set_new(load, "offered_per_s", json_real(work->rate)) != 0;
    }
    if (work->arrival == BENCH_BURSTS) {
        failed |= json_object_set_new(load, "burst_requests", json_integer(work->burst_size)) != 0;
    }
    if (failed) {
        json_decref(load);
        return NULL;
    }
    return load;
}

json_t *bench_report_work(const struct bench_work *work)
{
    static const char *const protocols[] = {[BENCH_TEXT] = "text",
                                            [BENCH_META] = "meta",
                                            [BENCH_RESP] = "resp",
                                            [BENCH_BINARY] = "binary"};
    uint64_t shares[BENCH_VERB_COUNT];

    for (size_t i = 0; i < BENCH_VERB_COUNT; i++) {
        shares[i] = work->shares[i];
    }
    return json_pack("{s:s, s:o, s:I, s:I, s:b, s:b, s:o, s:o, s:I, s:I, s:o, s:I}", "protocol",
                     protocols[work->protocol], "shares", report_verbs(shares), "keys_per_get",
                     (json_int_t)work->keys_per_get, "keys_per_get_max",
                     (json_int_t)work->keys_per_get_max, "noreply", (int)work->noreply, "fill_miss",
                     (int)work->fill_miss, "keys", report_keys(work), "values",
                     report_sizes(&work->value_sizes), "ttl_min_s", (json_int_t)work->ttl_min_s,
                     "ttl_max_s", (json_int_t)work->ttl_max_s, "load", report_load(work), "seed",
                     (json_int_t)work->seed);
}

json_t *bench_report_latency(const struct bench_hist *hist)
{
    static const struct {
        const char *name;
        double percentile;
    } rows[] = {{"p50_ns", 50},      {"p90_ns", 90},        {"p99_ns", 99}, {"p999_ns", 99.9},
                {"p9999_ns", 99.99}, {"p99999_ns", 99.999}, {"max_ns", 100}};
    json_t *latency;

    if (hist == NULL || bench_hist_count(hist) == 0) {
        return json_null();
    }
    latency = json_pack("{s:I, s:f, s:I}", "count", (json_int_t)bench_hist_count(hist), "mean_ns",
                        bench_hist_mean(hist), "min_ns", (json_int_t)bench_hist_min(hist));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const json_int_t value = (json_int_t)bench_hist_percentile(hist, rows[i].percentile);

        if (json_object_set_new(latency, rows[i].name, json_integer(value)) != 0) {
            json_decref(latency);
            return NULL;
        }
    }
    return latency;
}

static json_t *report_server_cpu(const struct bench_plan *plan, const struct bench_result *result)
{
    const struct bench_cpu *cpu = &result->server;

    if (plan->server == 0) {
        return json_null();
    }
    return json_pack("{s:I, s:I, s:o}", "run_ns", (json_int_t)cpu->run_ns, "wait_ns",
                     (json_int_t)cpu->wait_ns, "ns_per_request",
                     per((double)cpu->run_ns, (double)result->requests));
}

static json_t *report_load_cpu(const struct bench_result *result)
{
    const struct bench_cpu *cpu = &result->load;
    const double requests = (double)result->requests;

    return json_pack("{s:I, s:I, s:I, s:I, s:o, s:o}", "run_ns", (json_int_t)cpu->run_ns, "wait_ns",
                     (json_int_t)cpu->wait_ns, "user_ns", (json_int_t)result->load_user_ns,
                     "busy_ns", (json_int_t)result->load_busy_ns, "busy_ns_per_request",
                     per((double)result->load_busy_ns, requests), "user_ns_per_request",
                     per((double)result->load_user_ns, requests));
}

json_t *bench_report_result(const struct bench_plan *plan, const struct bench_result *result)
{
    const double wall_s = (double)result->wall_ns / 1e9;

    return json_pack(
        "{s:f, s:I, s:o, s:o, s:I, s:I, s:I, s:o, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:{s:o, s:o, "
        "s:o}, "
        "s:b, s:b, s:b, s:s}",
        "wall_s", wall_s, "requests", (json_int_t)result->requests, "requests_per_s",
        per((double)result->requests, wall_s), "verbs", report_verbs(result->per_verb), "keys",
        (json_int_t)result->keys, "hits", (json_int_t)result->hits, "misses",
        (json_int_t)result->misses, "hit_ratio",
        per((double)result->hits, (double)(result->hits + result->misses)), "value_bytes",
        (json_int_t)result->value_bytes, "refused", (json_int_t)result->refused, "reconnects",
        (json_int_t)result->reconnects, "late", (json_int_t)result->late, "unsent",
        (json_int_t)result->unsent, "server_cpu", report_server_cpu(plan, result), "load_cpu",
        report_load_cpu(result), "latency", "service", bench_report_latency(result->service),
        "intended", bench_report_latency(result->intended), "probe",
        bench_report_latency(result->probe), "load_bound", (int)result->is_load_bound, "cut",
        (int)result->is_cut, "void", (int)result->is_void, "reason",
        result->is_void ? result->reason : "");
}

json_t *bench_report_run(const struct bench_plan *plan, const struct bench_result *result)
{
    return json_pack("{s:i, s:s, s:o, s:{s:s, s:b, s:f, s:f, s:b, s:f}, s:o, s:o}", "schema",
                     BENCH_REPORT_SCHEMA, "kind", "run", "machine", bench_report_machine(), "plan",
                     "address", plan->address, "tls", (int)plan->tls, "warmup_s",
                     (double)plan->warmup_ns / 1e9, "window_s", (double)plan->window_ns / 1e9,
                     "populate", (int)plan->populate, "probe_per_s",
                     plan->probe ? plan->probe_rate : 0.0, "work", bench_report_work(&plan->work),
                     "result", bench_report_result(plan, result));
}

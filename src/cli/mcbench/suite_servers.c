/* SPDX-License-Identifier: BSD-3-Clause */
/* The suite's servers: which there are, started and filled, stopped. See suite.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/slice.h"
#include "cli/mcbench/keys.h"
#include "cli/mcbench/suite.h"

enum {
    PATH_SIZE = 512,    /* bytes */
    FILL_PIPELINE = 64, /* requests */
    FILL_CONNECTIONS = 8,
    FILL_BATCH_SIZE = 262144, /* bytes of values that go out together */
};

/* What a memcached is told; every server of its kind understands it. */
#define OPTIONS "{listen} {user} -t {threads} -m {memory_mb} -c 16384"

/* Nothing is written to a disk, and nothing is evicted. */
#define REDIS_OPTIONS                                                                              \
    "{resp_listen} --save '' --appendonly no --daemonize no --maxmemory 0 --maxclients 16384"

/* Can it be run? As execvp() looks for it. */
static bool has_program(const char *program)
{
    const char *folder = getenv("PATH");
    char path[PATH_SIZE];

    if (strchr(program, '/') != NULL) {
        return access(program, X_OK) == 0;
    }
    while (folder != NULL && *folder != '\0') {
        const size_t size = strcspn(folder, ":");

        (void)snprintf(path, sizeof(path), "%.*s/%s", (int)size, folder, program);
        if (access(path, X_OK) == 0) {
            return true;
        }
        folder += size + (folder[size] == ':' ? 1 : 0);
    }
    return false;
}

static bool is_left_out(const struct bench_suite *suite, const char *name)
{
    const struct base_option_list *without = &suite->settings.without;

    for (uint32_t i = 0; i < without->count; i++) {
        if (strcmp(without->items[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static bool add_server(struct bench_suite *suite, enum bench_suite_kind kind,
                       struct base_slice name, const char *line)
{
    struct bench_suite_server *server = &suite->servers[suite->server_count];

    if (name.size == 0 || name.size >= sizeof(server->name) ||
        strlen(line) >= sizeof(server->line)) {
        (void)fprintf(stderr,
                      "mcbench suite: '%.*s': a server's name has 1 to %zu bytes, and its "
                      "command at most %zu\n",
                      (int)name.size, name.data, sizeof(server->name) - 1,
                      sizeof(server->line) - 1);
        return false;
    }
    memset(server, 0, sizeof(*server));
    memcpy(server->name, name.data, name.size);
    if (is_left_out(suite, server->name)) {
        return true;
    }
    if (suite->server_count == BENCH_SUITE_SERVERS_MAX - 1) {
        (void)fprintf(stderr, "mcbench suite: more than %d servers\n", BENCH_SUITE_SERVERS_MAX - 1);
        return false;
    }
    for (size_t i = 0; i < suite->server_count; i++) {
        if (strcmp(suite->servers[i].name, server->name) == 0) {
            (void)fprintf(stderr, "mcbench suite: two servers are called '%s'\n", server->name);
            return false;
        }
    }
    server->kind = kind;
    memcpy(server->line, line, strlen(line) + 1);
    suite->server_count++;
    return true;
}

/* A program and what is said to it. */
static bool add_program(struct bench_suite *suite, enum bench_suite_kind kind, const char *name,
                        const char *program, const char *words)
{
    char line[BENCH_COMMAND_MAX];

    if ((size_t)snprintf(line, sizeof(line), "'%s' %s", program, words) >= sizeof(line)) {
        (void)fprintf(stderr, "mcbench suite: the path of %s is too long\n", name);
        return false;
    }
    return add_server(suite, kind, (struct base_slice){name, strlen(name)}, line);
}

static bool add_given(struct bench_suite *suite, const char *text)
{
    const char *equals = strchr(text, '=');

    if (equals == NULL) {
        (void)fprintf(stderr, "mcbench suite: --server wants NAME=COMMAND, not '%s'\n", text);
        return false;
    }
    return add_server(suite, BENCH_SUITE_CACHE, (struct base_slice){text, (size_t)(equals - text)},
                      equals + 1);
}

bool bench_suite_list_servers(struct bench_suite *suite)
{
    const struct bench_suite_settings *settings = &suite->settings;
    char own[PATH_SIZE];
    const ssize_t own_size = readlink("/proc/self/exe", own, sizeof(own) - 1);

    if (own_size <= 0) {
        (void)fprintf(stderr, "mcbench suite: cannot find its own program: %s\n",
                      strerrordesc_np(errno));
        return false;
    }
    own[own_size] = '\0';
    if (!add_program(suite, BENCH_SUITE_CACHE, "larderd", settings->larderd, OPTIONS) ||
        !add_program(suite, BENCH_SUITE_CACHE, "memcached", settings->memcached, OPTIONS) ||
        !add_program(suite, BENCH_SUITE_CACHE, "memcached -R 200", settings->memcached,
                     OPTIONS " -R 200")) {
        return false;
    }
    if (!has_program(settings->redis)) {
        (void)fprintf(stderr, "mcbench suite: no redis: there is no program %s\n", settings->redis);
    } else if (!add_program(suite, BENCH_SUITE_REDIS, "redis", settings->redis, REDIS_OPTIONS)) {
        return false;
    }
    for (uint32_t i = 0; i < settings->servers.count; i++) {
        if (!add_given(suite, settings->servers.items[i])) {
            return false;
        }
    }
    return add_program(suite, BENCH_SUITE_EMPTY, "empty", own,
                       "empty {listen} --value-size {value_size}");
}

/* ---- processes ---- */

void bench_suite_fail(struct bench_suite *suite, struct bench_suite_server *server,
                      const char *workload, const char *why)
{
    char ending[BENCH_SUITE_COMPLAINT_MAX];
    const bool is_dead = server->is_running && !bench_process_is_alive(&server->process, ending);

    (void)fprintf(stderr, "\nmcbench suite: %s failed in %s: %s\n", server->name, workload, why);
    if (is_dead) {
        (void)fprintf(stderr, "mcbench suite: %s\n", ending);
    }
    (void)fprintf(stderr, "mcbench suite: goes on without %s\n", server->name);
    server->has_failed = true;
    suite->failure_count++;
    if (server->is_running) {
        (void)bench_process_stop(&server->process);
        server->is_running = false;
    }
}

/* Stores every key, in batches whose values are no burden. */
static bool fill(struct bench_suite *suite, struct bench_suite_server *server,
                 const struct bench_suite_row *row)
{
    struct bench_plan plan = {
        .address = server->process.address,
        .work = row->workload.work,
        .populate = true,
        .populate_only = true,
        .interruptible = true,
    };
    const uint32_t batch = FILL_BATCH_SIZE / (bench_keys_value_size_max(&plan.work) + 1);
    struct bench_result result;

    plan.work.protocol = BENCH_TEXT;
    plan.work.noreply = server->kind != BENCH_SUITE_REDIS;
    plan.work.pipeline = batch == 0 ? 1 : batch > FILL_PIPELINE ? FILL_PIPELINE : batch;
    plan.work.connections = FILL_CONNECTIONS;
    plan.work.lanes = 1;
    plan.work.requests_per_connection = 0;
    plan.work.arrival = BENCH_CLOSED;
    plan.cpu_count = 1;
    plan.cpus[0] = row->cpus.load[0];
    if (bench_suite_run(suite, server, row->workload.name, &plan, &result) != BENCH_SUITE_FINE) {
        return false;
    }
    bench_result_fini(&result);
    return true;
}

bool bench_suite_start(struct bench_suite *suite, struct bench_suite_server *server,
                       const struct bench_suite_row *row)
{
    const struct bench_process_setup setup = {
        .unix_socket = row->workload.unix_socket,
        .memory_mb = bench_workload_memory_mb(&row->workload.work),
        .threads = row->workload.server_threads,
        .value_size = row->workload.work.value_sizes.min,
        .cpu_count = row->cpus.server_count,
        .cpus = row->cpus.server,
    };
    char complaint[BENCH_SUITE_COMPLAINT_MAX];

    if (bench_process_start_with(&server->process, server->name, server->line, &setup, complaint) !=
        0) {
        bench_suite_fail(suite, server, row->workload.name, complaint);
        return false;
    }
    server->is_running = true;
    memcpy(server->version, server->process.version, sizeof(server->version));
    return server->kind == BENCH_SUITE_EMPTY || fill(suite, server, row);
}

void bench_suite_stop_all(struct bench_suite *suite)
{
    for (size_t i = 0; i < suite->server_count; i++) {
        if (suite->servers[i].is_running) {
            (void)bench_process_stop(&suite->servers[i].process);
            suite->servers[i].is_running = false;
        }
    }
}

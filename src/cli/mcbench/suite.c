/* SPDX-License-Identifier: BSD-3-Clause */
/* mcbench suite: the command line, and what becomes of the results. See suite.h. */
#include "cli/mcbench/suite.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/mcbench/command.h"
#include "cli/mcbench/results.h"
#include "cli/mcbench/words.h"

enum {
    PATH_SIZE = 1024, /* bytes */
    SAME_NAME_MAX = 1000,
    ROUNDS_DEFAULT = 5,
    WARMUP_DEFAULT_MS = 300,
    WINDOW_DEFAULT_MS = 800,
    ROUNDS_QUICK = 3,
    WARMUP_QUICK_MS = 100,
    WINDOW_QUICK_MS = 300,
};

static const char HELP[] =
    "usage: mcbench suite [options]\n"
    "\n"
    "The standard workloads on several servers, side by side: larderd, memcached as it comes and\n"
    "with -R 200, redis, every --server, and a server that does nothing and marks the limit. All "
    "are up\n"
    "together and have their turns in every round; only figures of one round are compared.\n"
    "Needs two CPUs that nothing else uses.\n"
    "\n"
    "  --group GROUP          only these workloads; may be repeated. core, binary, unix,\n"
    "                         connections, latency, zipf, big, large, mixed, threads\n"
    "  --workload NAME        only this one; may be repeated\n"
    "  --list                 says which there are\n"
    "  --quick                a few of them, 3 short rounds: a look, not a measurement\n"
    "  --server NAME=COMMAND  another server. {listen}, or {port} or {socket}, become where it\n"
    "                         listens; {threads}, {memory_mb}, {user} as memcached wants them\n"
    "  --without NAME         not this server; may be repeated\n"
    "  --larderd PROGRAM      (larderd)\n"
    "  --memcached PROGRAM    (memcached)\n"
    "  --redis PROGRAM        (redis-server); left out when it is not there\n"
    "  --rounds N             1 to 50 (5)\n"
    "  --tries N              of a measurement that is void (3)\n"
    "  --warmup-ms N, --window-ms N   of each measurement (300, 800)\n"
    "  --server-cpus LIST, --load-cpus LIST   such as 0 and 1 (the first and those behind)\n"
    "  --output FILE          writes FILE.json, and FILE.md with drawings beside it\n"
    "  --results FOLDER       the same, named for the day and the processor; not with --quick\n"
    "  -h, --help             this text\n"
    "\n"
    "examples:\n"
    "  mcbench suite --quick\n"
    "  mcbench suite --group core --group unix --output today\n"
    "  mcbench suite --workload get-p16 --without empty \\\n"
    "      --server 'mine=/opt/mine/cached {listen} -t {threads}'\n";

#define FIELD(name)                                                                                \
    .stored = true, .offset = offsetof(struct bench_suite_settings, name),                         \
    .size = sizeof(((struct bench_suite_settings *)NULL)->name)

static const struct base_option ROWS[] = {
    {.name = "group", .kind = BASE_OPTION_LIST, FIELD(groups)},
    {.name = "workload", .kind = BASE_OPTION_LIST, FIELD(workloads)},
    {.name = "list", .kind = BASE_OPTION_ON, FIELD(is_list)},
    {.name = "quick", .kind = BASE_OPTION_ON, FIELD(is_quick)},
    {.name = "server", .kind = BASE_OPTION_LIST, FIELD(servers)},
    {.name = "without", .kind = BASE_OPTION_LIST, FIELD(without)},
    {.name = "larderd", .kind = BASE_OPTION_TEXT, .preset = "larderd", FIELD(larderd)},
    {.name = "memcached", .kind = BASE_OPTION_TEXT, .preset = "memcached", FIELD(memcached)},
    {.name = "redis", .kind = BASE_OPTION_TEXT, .preset = "redis-server", FIELD(redis)},
    {.name = "rounds", .kind = BASE_OPTION_NUMBER, .min = 1, .max = 50, FIELD(rounds)},
    {.name = "tries",
     .kind = BASE_OPTION_NUMBER,
     .preset = "3",
     .min = 1,
     .max = 100,
     FIELD(tries)},
    {.name = "warmup-ms", .kind = BASE_OPTION_NUMBER, .min = 1, .max = 60000, FIELD(warmup_ms)},
    {.name = "window-ms", .kind = BASE_OPTION_NUMBER, .min = 10, .max = 60000, FIELD(window_ms)},
    {.name = "server-cpus", .kind = BASE_OPTION_TEXT, FIELD(server_cpus)},
    {.name = "load-cpus", .kind = BASE_OPTION_TEXT, FIELD(load_cpus)},
    {.name = "output", .kind = BASE_OPTION_TEXT, FIELD(output)},
    {.name = "results", .kind = BASE_OPTION_TEXT, FIELD(results_folder)},
    {.letter = 'h', .name = "help", .kind = BASE_OPTION_ACTION},
};

/* ---- what is to be run ---- */

static bool contains(const struct base_option_list *list, const char *text)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i], text) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_wanted(const struct bench_suite_settings *settings,
                      const struct bench_workload *workload)
{
    if (settings->groups.count > 0 || settings->workloads.count > 0) {
        return contains(&settings->groups, workload->group) ||
               contains(&settings->workloads, workload->name);
    }
    return !settings->is_quick || workload->is_quick;
}

static bool parse_cpus(const char *name, const char *text, uint32_t *ret_count,
                       int ret_cpus[static BENCH_CPUS_MAX])
{
    struct bench_plan plan = {.cpu_count = 0};

    if (text != NULL && !bench_words_cpus(text, &plan)) {
        (void)fprintf(stderr, "mcbench suite: %s: '%s' is no list of CPUs, such as 0,2-5\n", name,
                      text);
        return false;
    }
    *ret_count = plan.cpu_count;
    memcpy(ret_cpus, plan.cpus, sizeof(plan.cpus));
    return true;
}

static size_t find_usable(int usable[static CPU_SETSIZE])
{
    cpu_set_t set;
    size_t count = 0;

    if (sched_getaffinity(0, sizeof(set), &set) == 0) {
        for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
            if (CPU_ISSET((size_t)cpu, &set)) {
                usable[count++] = cpu;
            }
        }
    }
    return count;
}

/* Names that were asked for, and are none. */
static bool check_names(const struct bench_suite_settings *settings)
{
    for (uint32_t i = 0; i < settings->groups.count; i++) {
        if (!bench_workload_has_group(settings->groups.items[i])) {
            (void)fprintf(stderr, "mcbench suite: there is no group '%s' (see --list)\n",
                          settings->groups.items[i]);
            return false;
        }
    }
    for (uint32_t i = 0; i < settings->workloads.count; i++) {
        bool is_there = false;

        for (size_t k = 0; k < bench_workload_count(); k++) {
            struct bench_workload workload;

            bench_workload_get(k, &workload);
            is_there = is_there || strcmp(workload.name, settings->workloads.items[i]) == 0;
        }
        if (!is_there) {
            (void)fprintf(stderr, "mcbench suite: there is no workload '%s' (see --list)\n",
                          settings->workloads.items[i]);
            return false;
        }
    }
    return true;
}

static bool choose_rows(struct bench_suite *suite)
{
    struct bench_suite_cpus given;
    int usable[CPU_SETSIZE];
    const size_t usable_count = find_usable(usable);

    if (!parse_cpus("--server-cpus", suite->settings.server_cpus, &given.server_count,
                    given.server) ||
        !parse_cpus("--load-cpus", suite->settings.load_cpus, &given.load_count, given.load)) {
        return false;
    }
    for (size_t i = 0; i < bench_workload_count(); i++) {
        struct bench_suite_row *row = &suite->rows[suite->row_count];
        struct bench_workload *workload = &row->workload;

        bench_workload_get(i, workload);
        if (!is_wanted(&suite->settings, workload)) {
            continue;
        }
        if (!bench_suite_choose_cpus(&given, usable_count, usable, workload->server_threads,
                                     workload->work.lanes, &row->cpus)) {
            (void)fprintf(stderr, "mcbench suite: no %s: it needs %u CPUs, and %zu are usable\n",
                          workload->name, workload->server_threads + workload->work.lanes,
                          usable_count);
            continue;
        }
        suite->row_count++;
    }
    return suite->row_count > 0;
}

static void count_measurements(struct bench_suite *suite)
{
    for (size_t i = 0; i < suite->row_count; i++) {
        for (size_t k = 0; k < suite->server_count; k++) {
            suite->expected_count += bench_suite_fits(&suite->servers[k], &suite->rows[i].workload)
                                         ? suite->settings.rounds
                                         : 0;
        }
    }
}

/* ---- what becomes of it ---- */

static bool add_servers(struct bench_suite *suite)
{
    json_t *list = json_object_get(suite->results, "servers");

    for (size_t i = 0; i < suite->server_count; i++) {
        const struct bench_suite_server *server = &suite->servers[i];
        char shown[BENCH_COMMAND_MAX];

        bench_suite_show_line(server->line, shown);
        if (json_array_append_new(list,
                                  json_pack("{s:s, s:s, s:s, s:b, s:b}", "name", server->name,
                                            "version", server->version, "command", shown,
                                            "is_limit", (int)(server->kind == BENCH_SUITE_EMPTY),
                                            "has_failed", (int)server->has_failed)) != 0) {
            return false;
        }
    }
    return json_object_set_new(suite->results, "suite",
                               json_pack("{s:I, s:I, s:I, s:I, s:I}", "rounds",
                                         (json_int_t)suite->settings.rounds, "warmup_ms",
                                         (json_int_t)suite->settings.warmup_ms, "window_ms",
                                         (json_int_t)suite->settings.window_ms, "repeated",
                                         (json_int_t)suite->repeated_count, "void",
                                         (json_int_t)suite->void_count)) == 0;
}

/* FOLDER/day-processor, and a number when that is taken. */
static void name_results(const struct bench_suite *suite, char out[static PATH_SIZE])
{
    const char *folder = suite->settings.results_folder;
    const json_t *machine = json_object_get(suite->results, "machine");
    const char *processor = json_string_value(json_object_get(machine, "processor"));
    const char *day = json_string_value(json_object_get(suite->results, "date"));
    char name[BENCH_NAME_MAX];
    struct stat status;
    char path[PATH_SIZE + 16];

    bench_suite_file_name(day, processor == NULL ? "" : processor, sysconf(_SC_NPROCESSORS_ONLN),
                          name);
    (void)snprintf(out, PATH_SIZE, "%.900s/%s", folder, name);
    for (int i = 2; i < SAME_NAME_MAX; i++) {
        (void)snprintf(path, sizeof(path), "%s.json", out);
        if (stat(path, &status) != 0) {
            return;
        }
        (void)snprintf(out, PATH_SIZE, "%.900s/%s-%d", folder, name, i);
    }
}

/* The file, and the page about it. */
static bool save(struct bench_suite *suite)
{
    char base[PATH_SIZE];
    char path[PATH_SIZE + 16];
    char complaint[BENCH_RESULTS_ERROR_MAX];
    char command[] = "plot";
    char option[] = "--output";
    char *const words[] = {command, option, base, path, NULL};

    if (suite->settings.output != NULL) {
        (void)snprintf(base, sizeof(base), "%.1000s", suite->settings.output);
    } else if (suite->settings.results_folder != NULL && !suite->settings.is_quick) {
        name_results(suite, base);
    } else {
        return true;
    }
    (void)snprintf(path, sizeof(path), "%s.json", base);
    if (!bench_results_save(path, suite->results, complaint)) {
        (void)fprintf(stderr, "mcbench suite: %s\n", complaint);
        return false;
    }
    (void)printf("\nwritten to %s\n", path);
    return bench_command_plot(4, words) == 0;
}

static int finish(struct bench_suite *suite)
{
    bool is_saved = true;

    if (!add_servers(suite)) {
        (void)fputs("mcbench: no memory\n", stderr);
        return 1;
    }
    bench_suite_print(stdout, suite);
    if (suite->is_cut) {
        (void)fputs("mcbench suite: interrupted; nothing is written\n", stderr);
        return 1;
    }
    is_saved = save(suite);
    for (size_t i = 0; i < suite->server_count; i++) {
        if (suite->servers[i].has_failed) {
            (void)fprintf(stderr, "mcbench suite: %s failed, and is missing since\n",
                          suite->servers[i].name);
        }
    }
    return is_saved && suite->failure_count == 0 ? 0 : 1;
}

/* ---- the command ---- */

static void set_defaults(struct bench_suite_settings *settings)
{
    const bool is_quick = settings->is_quick;

    if (settings->rounds == 0) {
        settings->rounds = is_quick ? ROUNDS_QUICK : ROUNDS_DEFAULT;
    }
    if (settings->warmup_ms == 0) {
        settings->warmup_ms = is_quick ? WARMUP_QUICK_MS : WARMUP_DEFAULT_MS;
    }
    if (settings->window_ms == 0) {
        settings->window_ms = is_quick ? WINDOW_QUICK_MS : WINDOW_DEFAULT_MS;
    }
}

static int run_suite(struct bench_suite *suite)
{
    sigset_t signals;

    set_defaults(&suite->settings);
    if (!check_names(&suite->settings) || !bench_suite_list_servers(suite) || !choose_rows(suite) ||
        suite->server_count == 0) {
        return 2;
    }
    count_measurements(suite);
    suite->results = bench_results_create();
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGTERM);
    if (suite->results == NULL || pthread_sigmask(SIG_BLOCK, &signals, NULL) != 0) {
        return 1;
    }
    for (size_t i = 0; i < suite->row_count && !suite->is_cut; i++) {
        if (!suite->rows[i].is_done) {
            bench_suite_run_stage(suite, i);
        }
    }
    return finish(suite);
}

/* The suite begins with its settings. */
static int list_or_run(void *arg, size_t operand_count, const char *const *operands)
{
    struct bench_suite *suite = arg;

    (void)operand_count;
    (void)operands;
    if (suite->settings.is_list) {
        bench_suite_print_list(stdout);
        return 0;
    }
    return run_suite(suite);
}

int bench_command_suite(int argc, char *const *argv)
{
    static const struct bench_command_line line = {
        .name = "suite",
        .help = HELP,
        .row_count = sizeof(ROWS) / sizeof(ROWS[0]),
        .rows = ROWS,
        .run = list_or_run,
    };
    struct bench_suite *suite = calloc(1, sizeof(*suite));
    int status;

    if (suite == NULL) {
        (void)fputs("mcbench suite: no memory\n", stderr);
        return BENCH_STATUS_FAILED;
    }
    status = bench_command_do(&line, suite, argc, argv);
    json_decref(suite->results);
    free(suite);
    return status;
}

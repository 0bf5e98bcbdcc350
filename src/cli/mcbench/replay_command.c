/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mcbench replay: traces against servers at memory sizes; what they hit, as a table and as a result file.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"
#include "base/option.h"
#include "cli/mcbench/bout.h"
#include "cli/mcbench/command.h"
#include "cli/mcbench/replay_rows.h"
#include "cli/mcbench/results.h"
#include "cli/mcbench/words.h"

static const char HELP[] =
    "usage: mcbench replay --trace [FORMAT:]FILE (--server NAME=COMMAND | --address ADDRESS) "
    "[options]\n"
    "\n"
    "Sends recorded request streams to servers; what misses is set, as an application would do.\n"
    "Reports hits, bytes, items, evictions, memory and latency. Values are verified.\n"
    "\n"
    "  --trace [FORMAT:]FILE  a trace, plain or xz, zstd, gzip; may be repeated. FORMAT: id32, "
    "id64\n"
    "                         (big-endian numbers), extents, keys, twitter; .lis, .keys, .csv and\n"
    "                         .sort need none\n"
    "  --requests N           only the first N requests of each trace\n"
    "  --tenants N|auto       N copies of the trace, interleaved, each with keys of its own; auto: "
    "so\n"
    "                         many that the least share of --share is above --rss-least (1)\n"
    "  --server NAME=COMMAND  a server to start; {port} or {socket}, and {memory_mb}, are "
    "replaced. May\n"
    "                         be repeated; the first is the one the others are compared with\n"
    "  --address ADDRESS      a server that runs already: HOST:PORT or the path of a UNIX socket\n"
    "  --memory MIB           {memory_mb}; may be repeated\n"
    "  --share PERCENT        resident memory, as a share of the working set; may be repeated. The "
    "first\n"
    "                         server gets the {memory_mb} that comes nearest to it, the others the "
    "most\n"
    "                         that takes no more than the first took\n"
    "  --rss-least MIB        for --tenants auto (40)\n"
    "  --value-size SIZES     bytes, of a trace that has no sizes: N, N-M, or etc (as in "
    "Facebook's "
    "pool)\n"
    "  --protocol text|meta   (text)\n"
    "  --window N             requests that go out together, 1..1024 (64)\n"
    "  --unix                 the servers listen on UNIX sockets\n"
    "  --cpu N                pins the servers\n"
    "  --json FILE            writes a result file as well\n"
    "  --progress             a line on standard error, once a second\n"
    "  -h, --help             this text\n"
    "\n"
    "examples:\n"
    "  mcbench replay --trace oltp.lis.zst --address 127.0.0.1:11211\n"
    "  mcbench replay --trace id32:w106.trace.xz --memory 16 --memory 64 \\\n"
    "      --server 'memcached=memcached {listen} {user} -m {memory_mb}' \\\n"
    "      --server 'larderd=larderd {listen} {user} -m {memory_mb}'\n"
    "  mcbench replay --trace cluster052.sort.zst --share 5 --share 20 --tenants auto --server "
    "...\n";

enum { LIST_MAX = 16, MIB = 1 << 20, VALUE_SIZE_MAX = 1 << 30 };

struct settings {
    struct base_option_list traces, servers, memories, shares;
    const char *address;
    const char *tenants;
    const char *json;
    const char *value_size;
    uint64_t requests, rss_least_mb;
    uint32_t window;
    enum bench_protocol protocol;
    int32_t cpu;
    bool unix_socket, progress;
};

#define FIELD(name)                                                                                \
    .stored = true, .offset = offsetof(struct settings, name),                                     \
    .size = sizeof(((struct settings *)NULL)->name)

static const struct base_option ROWS[] = {
    {.name = "trace", .kind = BASE_OPTION_LIST, FIELD(traces)},
    {.name = "requests", .kind = BASE_OPTION_NUMBER, .preset = "0", FIELD(requests)},
    {.name = "tenants", .kind = BASE_OPTION_TEXT, .preset = "1", FIELD(tenants)},
    {.name = "server", .kind = BASE_OPTION_LIST, FIELD(servers)},
    {.name = "address", .kind = BASE_OPTION_TEXT, FIELD(address)},
    {.name = "memory", .kind = BASE_OPTION_LIST, FIELD(memories)},
    {.name = "share", .kind = BASE_OPTION_LIST, FIELD(shares)},
    {.name = "rss-least",
     .kind = BASE_OPTION_NUMBER,
     .preset = "40",
     .min = 1,
     .max = 1 << 20,
     FIELD(rss_least_mb)},
    {.name = "value-size", .kind = BASE_OPTION_TEXT, .preset = "etc", FIELD(value_size)},
    {.name = "protocol",
     .kind = BASE_OPTION_CHOICE,
     .preset = "text",
     .choices = "text|meta",
     FIELD(protocol)},
    {.name = "window",
     .kind = BASE_OPTION_NUMBER,
     .preset = "64",
     .min = 1,
     .max = BENCH_REPLAY_WINDOW_MAX,
     FIELD(window)},
    {.name = "unix", .kind = BASE_OPTION_ON, FIELD(unix_socket)},
    {.name = "cpu", .kind = BASE_OPTION_NUMBER, .preset = "-1", .min = -1, .max = 4095, FIELD(cpu)},
    {.name = "json", .kind = BASE_OPTION_TEXT, FIELD(json)},
    {.name = "progress", .kind = BASE_OPTION_ON, FIELD(progress)},
    {.letter = 'h', .name = "help", .kind = BASE_OPTION_ACTION},
};

struct server {
    char name[BENCH_NAME_MAX];
    const char *line; /* NULL: it runs already */
};

struct session {
    struct settings settings;
    struct server servers[LIST_MAX];
    uint32_t server_count;
    json_t *results;
    const char *title; /* of the trace at hand: its file's name */
    struct bench_source_plan source_plan;
    struct bench_sizes value_sizes;
    struct bench_source_survey alone;  /* of one tenant */
    struct bench_source_survey survey; /* of all */
    uint64_t shown;                    /* requests in the last head; 0: none of this trace */
    char complaint[BENCH_REPLAY_ERROR_MAX];
};

/* ---- the command line ---- */

static int wrong(const char *option, const char *text, const char *what)
{
    (void)fprintf(stderr, "mcbench replay: --%s %s: %s\n", option, text, what);
    return -EINVAL;
}

static int read_servers(struct session *session)
{
    const struct settings *settings = &session->settings;

    if (settings->servers.count > LIST_MAX) {
        return wrong("server", "", "at most 16");
    }
    for (uint32_t i = 0; i < settings->servers.count; i++) {
        const char *text = settings->servers.items[i];
        const char *equals = strchr(text, '=');
        struct server *server = &session->servers[session->server_count++];

        if (equals == NULL || equals == text || equals[1] == '\0' ||
            (size_t)(equals - text) >= sizeof(server->name)) {
            return wrong("server", text, "must be NAME=COMMAND");
        }
        memcpy(server->name, text, (size_t)(equals - text));
        server->line = equals + 1;
    }
    if (settings->address != NULL) {
        (void)snprintf(session->servers[session->server_count++].name, BENCH_NAME_MAX, "server");
    }
    return 0;
}

static int check_settings(struct session *session)
{
    const struct settings *settings = &session->settings;
    const char *missing = NULL;

    if (!bench_words_sizes(settings->value_size, 0, VALUE_SIZE_MAX, &session->value_sizes)) {
        return wrong("value-size", settings->value_size,
                     "must be N, N-M or etc, at most 2^30 bytes");
    }

    if (settings->traces.count == 0) {
        missing = "--trace says what to replay";
    } else if ((settings->servers.count == 0) == (settings->address == NULL)) {
        missing = "either --server or --address says where to";
    } else if (settings->servers.count > 0 &&
               (settings->memories.count == 0) == (settings->shares.count == 0)) {
        missing = "either --memory or --share says at which size";
    } else if (settings->address != NULL && settings->memories.count + settings->shares.count > 0) {
        missing = "--memory and --share are for servers that are started here";
    } else if (strcmp(settings->tenants, "auto") == 0 && settings->shares.count == 0) {
        missing = "--tenants auto follows from --share";
    }
    if (missing != NULL) {
        (void)fprintf(stderr, "mcbench replay: %s\n", missing);
        return -EINVAL;
    }
    return 0;
}

/* "id32:FILE" or a name that tells. */
static int read_trace(struct session *session, const char *text)
{
    struct bench_source_plan *plan = &session->source_plan;
    const char *colon = strchr(text, ':');
    const char *slash;

    *plan = (struct bench_source_plan){.path = text,
                                       .requests_max = session->settings.requests,
                                       .value_sizes = &session->value_sizes};
    if (colon != NULL &&
        bench_trace_find_format((struct base_slice){text, (size_t)(colon - text)}, &plan->format)) {
        plan->path = colon + 1;
    } else if (!bench_trace_file_guess(text, &plan->format)) {
        return wrong("trace", text, "its name does not tell its format: id32:FILE, id64:FILE, ...");
    }
    slash = strrchr(plan->path, '/');
    session->title = slash == NULL ? plan->path : slash + 1;
    if (strlen(session->title) >= BENCH_NAME_MAX) {
        session->title +=
            strlen(session->title) + 1 - BENCH_NAME_MAX; /* names in results are no longer */
    }
    return 0;
}

static bool read_share(const char *text, double *ret_share)
{
    char *end;

    *ret_share = strtod(text, &end) / 100;
    return end != text && *end == '\0' && *ret_share > 0 && *ret_share <= 10;
}

/* One tenant's figures. */
static int survey_trace(struct session *session)
{
    int error;

    session->source_plan.tenant_count = 1;
    session->shown = 0;
    error = bench_source_survey(&session->source_plan, &session->alone, session->complaint);
    if (error != 0) {
        (void)fprintf(stderr, "mcbench replay: %s\n", session->complaint);
    }
    return error;
}

/* How many tenants the trace gets at a share of its working set (0: at a size), and how large that is. */
static int settle_tenants(struct session *session, double share)
{
    const char *text = session->settings.tenants;
    uint32_t count = 1;

    if (strcmp(text, "auto") == 0) {
        const double wanted = (double)session->settings.rss_least_mb * MIB;

        count = (uint32_t)fmin(ceil(wanted / (share * (double)(session->alone.bytes + 1))),
                               (double)BENCH_SOURCE_TENANTS_MAX);
    } else if (!base_num_parse_u32((struct base_slice){text, strlen(text)}, &count) || count == 0 ||
               count > BENCH_SOURCE_TENANTS_MAX) {
        return wrong("tenants", text, "must be 1..4096 or auto");
    }
    session->source_plan.tenant_count = count;
    session->survey.requests = session->alone.requests * count;
    session->survey.keys = session->alone.keys * count;
    session->survey.bytes = session->alone.bytes * count;
    return 0;
}

/* ---- bouts ---- */

/* Above the first size of a trace, and where the tenants have become others. */
static void print_head(struct session *session)
{
    if (session->shown != session->survey.requests) {
        session->shown = session->survey.requests;
        bench_replay_rows_head(stdout, session->title, session->source_plan.tenant_count,
                               &session->survey);
    }
}

/* Printed, and into the results, and those into their file: hours may be in it when a later replay fails. */
static int keep_row(struct session *session, const struct bench_replay_row *row)
{
    const char *path = session->settings.json;
    char complaint[BENCH_RESULTS_ERROR_MAX] = "no memory";

    bench_replay_rows_print(stdout, row);
    if (!bench_replay_rows_add(session->results, row) ||
        (path != NULL && !bench_results_save(path, session->results, complaint))) {
        (void)fprintf(stderr, "mcbench replay: %s\n", complaint);
        return -EIO;
    }
    return 0;
}

static struct bench_bout_plan plan_of(const struct session *session, const struct server *server,
                                      struct bench_source *source)
{
    const struct settings *settings = &session->settings;

    return (struct bench_bout_plan){
        .name = server->name,
        .line = server->line,
        .unix_socket = settings->unix_socket,
        .cpu = settings->cpu,
        .source = source,
        .replay = {.address = settings->address,
                   .protocol = settings->protocol,
                   .window = settings->window,
                   .progress = settings->progress && isatty(STDERR_FILENO) != 0},
    };
}

/* All servers at one size: share of the working set, or memory_mb when share is 0. */
static int compare_servers(struct session *session, struct bench_source *source, double share,
                           uint64_t memory_mb)
{
    uint64_t base_misses = 0;
    uint64_t base_peak_kib = (uint64_t)(share * (double)session->survey.bytes) / 1024;
    const uint64_t memory_bytes = share > 0 ? base_peak_kib * 1024 : memory_mb * MIB;

    for (uint32_t i = 0; i < session->server_count; i++) {
        const struct server *server = &session->servers[i];
        const struct bench_bout_plan plan = plan_of(session, server, source);
        struct bench_bout bout;
        int error;

        if (share > 0) {
            error = bench_bout_fit(&plan, i == 0 ? BENCH_BOUT_NEAREST : BENCH_BOUT_BELOW,
                                   base_peak_kib, &bout, session->complaint);
        } else {
            error = bench_bout_run(&plan, memory_mb, &bout, session->complaint);
        }
        if (error != 0) {
            (void)fprintf(stderr, "mcbench replay: %s: %s\n", session->title, session->complaint);
            return error;
        }
        error = keep_row(session, &(struct bench_replay_row){
                                      .trace = session->title,
                                      .server = server->name,
                                      .line = server->line,
                                      .share = share,
                                      .value_size = session->settings.value_size,
                                      .memory_bytes = memory_bytes,
                                      .base_misses = base_misses,
                                      .tenant_count = session->source_plan.tenant_count,
                                      .survey = &session->survey,
                                      .bout = &bout,
                                  });
        if (i == 0) {
            base_misses = bout.result.misses;
            base_peak_kib = bout.peak_rss_kib;
        }
        bench_replay_result_fini(&bout.result);
        if (error != 0) {
            return error;
        }
    }
    return 0;
}

static int compare(struct session *session, double share, uint64_t memory_mb)
{
    struct bench_source *source = NULL;
    int error = settle_tenants(session, share);

    if (error != 0) {
        return error;
    }
    error = bench_source_open(&session->source_plan, &source, session->complaint);
    if (error != 0) {
        (void)fprintf(stderr, "mcbench replay: %s\n", session->complaint);
        return error;
    }
    print_head(session);
    error = compare_servers(session, source, share, memory_mb);
    bench_source_close(&source);
    return error;
}

static int replay_trace(struct session *session, const char *text)
{
    const struct settings *settings = &session->settings;
    int error = read_trace(session, text);

    if (error == 0) {
        error = survey_trace(session);
    }
    for (uint32_t i = 0; error == 0 && i < settings->memories.count; i++) {
        const char *memory = settings->memories.items[i];
        uint32_t memory_mb = 0;

        error = base_num_parse_u32((struct base_slice){memory, strlen(memory)}, &memory_mb) &&
                        memory_mb > 0
                    ? compare(session, 0, memory_mb)
                    : wrong("memory", memory, "must be a number of MiB");
    }
    for (uint32_t i = 0; error == 0 && i < settings->shares.count; i++) {
        double share;

        error = read_share(settings->shares.items[i], &share)
                    ? compare(session, share, 0)
                    : wrong("share", settings->shares.items[i], "must be a percentage up to 1000");
    }
    if (error == 0 && settings->address != NULL) {
        error = compare(session, 0, 0);
    }
    return error;
}

/* The session begins with its settings. */
static int run(void *arg, size_t operand_count, const char *const *operands)
{
    struct session *session = arg;
    const struct settings *settings = &session->settings;
    int status = 0;

    (void)operand_count;
    (void)operands;
    if (read_servers(session) != 0 || check_settings(session) != 0) {
        return BENCH_STATUS_USAGE;
    }
    session->results = bench_results_create();
    if (session->results == NULL) {
        (void)fputs("mcbench replay: no memory\n", stderr);
        return 1;
    }
    for (uint32_t i = 0; status == 0 && i < settings->traces.count; i++) {
        const int error = replay_trace(session, settings->traces.items[i]);

        status = error == -EINVAL ? BENCH_STATUS_USAGE : error != 0 ? 1 : 0;
    }
    json_decref(session->results);
    return status;
}

int bench_command_replay(int argc, char *const *argv)
{
    static const struct bench_command_line line = {
        .name = "replay",
        .help = HELP,
        .row_count = sizeof(ROWS) / sizeof(ROWS[0]),
        .rows = ROWS,
        .run = run,
    };
    struct session *session = calloc(1, sizeof(*session));
    int status;

    if (session == NULL) {
        (void)fputs("mcbench replay: no memory for a session\n", stderr);
        return BENCH_STATUS_FAILED;
    }
    status = bench_command_do(&line, session, argc, argv);
    free(session);
    return status;
}

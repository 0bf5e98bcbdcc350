/* SPDX-License-Identifier: BSD-3-Clause */
/* Result files: each list is checked against a table of its members. */
#include "cli/mcbench/results.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "cli/mcbench/report.h"

enum {
    NAME_SIZE_MAX = 63,  /* bytes: BENCH_NAME_MAX of process.h without its NUL */
    ROUNDS_MAX = 100000, /* in a file */
    REAL_DIGITS = 10,    /* of a number in a file */
};

enum kind {
    NAME,   /* text of 1..NAME_SIZE_MAX bytes: a key, compared and printed */
    WORD,   /* a name of letters, digits, '-' and '_': a part of a file's name */
    TEXT,   /* any */
    COUNT,  /* an integer from 0 */
    NUMBER, /* from 0 */
    FLAG,
    OBJECT,
};

struct rule {
    const char *path; /* member, or member.member.member */
    enum kind kind;
    bool may_miss;
    bool may_be_null;
};

static const struct rule SERVER_RULES[] = {
    {"name", NAME, false, false},    {"version", TEXT, false, false},
    {"command", TEXT, false, false}, {"is_limit", FLAG, true, false},
    {NULL, NAME, false, false},
};

static const struct rule WORKLOAD_RULES[] = {
    {"name", NAME, false, false},
    {"title", TEXT, false, false},
    {"work", OBJECT, false, false},
    {"work.load", OBJECT, false, false},
    {"work.load.arrival", NAME, false, false},
    {"curve", OBJECT, true, true},
    {"curve.name", WORD, false, false},
    {"curve.title", TEXT, false, false},
    {"curve.axis", NAME, false, false},
    {"curve.x", NUMBER, false, false},
    {NULL, NAME, false, false},
};

#define LATENCY_RULES(path)                                                                        \
    {path, OBJECT, false, true}, {path ".count", COUNT, false, false},                             \
        {path ".mean_ns", NUMBER, false, false}, {path ".p50_ns", COUNT, false, false},            \
        {path ".p99_ns", COUNT, false, false}, {path ".p999_ns", COUNT, false, false},             \
    {                                                                                              \
        path ".max_ns", COUNT, false, false                                                        \
    }

static const struct rule ROUND_RULES[] = {
    {"round", COUNT, false, false},
    {"workload", NAME, false, false},
    {"server", NAME, false, false},
    {"result", OBJECT, false, false},
    {"result.void", FLAG, false, false},
    {"result.reason", TEXT, false, false},
    {"result.load_bound", FLAG, true, false},
    {"result.wall_s", NUMBER, false, false},
    {"result.requests", COUNT, false, false},
    {"result.requests_per_s", NUMBER, false, true},
    {"result.server_cpu", OBJECT, false, true},
    {"result.server_cpu.ns_per_request", NUMBER, false, true},
    {"result.load_cpu", OBJECT, false, false},
    {"result.load_cpu.busy_ns_per_request", NUMBER, false, true},
    {"result.latency", OBJECT, false, false},
    LATENCY_RULES("result.latency.service"),
    LATENCY_RULES("result.latency.intended"),
    LATENCY_RULES("result.latency.probe"),
    {NULL, NAME, false, false},
};

static const struct rule REPLAY_RULES[] = {
    {"trace", NAME, false, false},
    {"server", NAME, false, false},
    {"memory_bytes", COUNT, false, false},
    {"working_set_share", NUMBER, true, true},
    {"requests", COUNT, false, false},
    {"hits", COUNT, false, false},
    {"misses", COUNT, false, false},
    {"items", COUNT, true, true},
    {"bytes", COUNT, true, true},
    {"evictions", COUNT, true, true},
    {"rss_kib", COUNT, true, true},
    {"peak_rss_kib", COUNT, true, true},
    {NULL, NAME, false, false},
};

/* Where the check is: "rounds[3]". */
struct place {
    const char *list;
    size_t index;
    char *complaint;
};

static bool complain(const struct place *place, const char *member, const char *wrong)
{
    (void)snprintf(place->complaint, BENCH_RESULTS_ERROR_MAX, "%s[%zu]%s%s: %s", place->list,
                   place->index, member[0] != '\0' ? "." : "", member, wrong);
    return false;
}

static bool is_word(const json_t *value)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    const char *text = json_string_value(value);
    const size_t size = json_string_length(value);

    return text != NULL && size >= 1 && size <= NAME_SIZE_MAX && strspn(text, letters) == size;
}

static bool fits(const json_t *value, enum kind kind, const char **ret_wanted)
{
    switch (kind) {
    case NAME:
        *ret_wanted = "must be a text of 1 to 63 bytes";
        return json_is_string(value) && json_string_length(value) >= 1 &&
               json_string_length(value) <= NAME_SIZE_MAX;
    case WORD:
        *ret_wanted = "must be 1 to 63 letters, digits, '-' and '_'";
        return is_word(value);
    case TEXT:
        *ret_wanted = "must be a text";
        return json_is_string(value);
    case COUNT:
        *ret_wanted = "must be an integer, and not below 0";
        return json_is_integer(value) && json_integer_value(value) >= 0;
    case NUMBER:
        *ret_wanted = "must be a number, and not below 0";
        return json_is_number(value) && json_number_value(value) >= 0;
    case FLAG:
        *ret_wanted = "must be true or false";
        return json_is_boolean(value);
    case OBJECT:
        *ret_wanted = "must be an object";
        return json_is_object(value);
    }
    NEVER("a rule has a kind");
}

/* The member that a path names. *ret_parent: what holds it, null (the value) when there is nothing to hold it. */
static const json_t *walk(const json_t *value, const char *path, const json_t **ret_parent)
{
    *ret_parent = value;
    for (;;) {
        const size_t size = strcspn(path, ".");

        *ret_parent = value;
        value = json_object_getn(value, path, size);
        if (path[size] == '\0' || value == NULL) {
            /* A missing parent has been found fault with by its own rule, or may miss. */
            *ret_parent = path[size] == '\0' ? *ret_parent : NULL;
            return value;
        }
        path += size + 1;
    }
}

static bool check_members(const struct place *place, const json_t *entry, const struct rule *rules)
{
    if (!json_is_object(entry)) {
        return complain(place, "", "must be an object");
    }
    for (const struct rule *rule = rules; rule->path != NULL; rule++) {
        const json_t *parent;
        const json_t *value = walk(entry, rule->path, &parent);
        const char *wanted;

        if (value == NULL) {
            if (rule->may_miss || parent == NULL || json_is_null(parent)) {
                continue;
            }
            return complain(place, rule->path, "is missing");
        }
        if (!(rule->may_be_null && json_is_null(value)) && !fits(value, rule->kind, &wanted)) {
            return complain(place, rule->path, wanted);
        }
    }
    return true;
}

static const char *text_of(const json_t *entry, const char *member)
{
    return json_string_value(json_object_get(entry, member));
}

const json_t *bench_results_find(const json_t *results, const char *list, const char *name)
{
    size_t index;
    json_t *entry;

    json_array_foreach(json_object_get(results, list), index, entry)
    {
        const char *other = text_of(entry, "name");

        if (other != NULL && strcmp(other, name) == 0) {
            return entry;
        }
    }
    return NULL;
}

/* The first of its name? */
static bool check_named(const json_t *results, const struct place *place, const json_t *entry)
{
    if (bench_results_find(results, place->list, text_of(entry, "name")) != entry) {
        return complain(place, "name", "another one before has this name");
    }
    return true;
}

static bool check_server(const json_t *results, const struct place *place, const json_t *entry)
{
    return check_members(place, entry, SERVER_RULES) && check_named(results, place, entry);
}

static bool check_workload(const json_t *results, const struct place *place, const json_t *entry)
{
    return check_members(place, entry, WORKLOAD_RULES) && check_named(results, place, entry);
}

static bool check_known(const json_t *results, const struct place *place, const json_t *entry,
                        const char *member, const char *list)
{
    if (bench_results_find(results, list, text_of(entry, member)) == NULL) {
        return complain(place, member, "there is none of this name");
    }
    return true;
}

/* seen: an object with a member per round that was there. */
static bool check_round(const json_t *results, const struct place *place, const json_t *entry,
                        json_t *seen)
{
    char key[2 * NAME_SIZE_MAX + 32];

    if (!check_members(place, entry, ROUND_RULES) ||
        !check_known(results, place, entry, "workload", "workloads") ||
        !check_known(results, place, entry, "server", "servers")) {
        return false;
    }
    (void)snprintf(key, sizeof key, "%" PRIdMAX "\n%s\n%s",
                   (intmax_t)json_integer_value(json_object_get(entry, "round")),
                   text_of(entry, "workload"), text_of(entry, "server"));
    if (json_object_get(seen, key) != NULL) {
        return complain(place, "round", "this workload and server are there twice in it");
    }
    if (json_object_set_new(seen, key, json_true()) != 0) {
        return complain(place, "", "no memory");
    }
    return true;
}

static bool check_replay(const json_t *results, const struct place *place, const json_t *entry)
{
    if (!check_members(place, entry, REPLAY_RULES) ||
        !check_known(results, place, entry, "server", "servers")) {
        return false;
    }
    if (json_integer_value(json_object_get(entry, "memory_bytes")) == 0) {
        return complain(place, "memory_bytes", "must not be 0");
    }
    return true;
}

static bool check_lists(const json_t *results, json_t *seen, char *complaint)
{
    static const char *const lists[] = {"servers", "workloads", "rounds", "replay"};

    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        const json_t *list = json_object_get(results, lists[i]);
        struct place place = {lists[i], 0, complaint};
        json_t *entry;

        if (!json_is_array(list) || json_array_size(list) > ROUNDS_MAX) {
            (void)snprintf(complaint, BENCH_RESULTS_ERROR_MAX, "%s: must be a list of at most %d",
                           lists[i], ROUNDS_MAX);
            return false;
        }
        json_array_foreach(list, place.index, entry)
        {
            const bool good = i == 0   ? check_server(results, &place, entry)
                              : i == 1 ? check_workload(results, &place, entry)
                              : i == 2 ? check_round(results, &place, entry, seen)
                                       : check_replay(results, &place, entry);

            if (!good) {
                return false;
            }
        }
    }
    return true;
}

bool bench_results_check(const json_t *results, char complaint[static BENCH_RESULTS_ERROR_MAX])
{
    const json_t *schema = json_object_get(results, "schema");
    const char *wrong = NULL;
    json_t *seen;
    bool good;

    if (!json_is_object(results) || !json_is_integer(schema)) {
        wrong = "schema: is missing; this is no result file of mcbench";
    } else if (json_integer_value(schema) != BENCH_REPORT_SCHEMA) {
        wrong = "schema: is not 1; this file is of another version of mcbench";
    } else if (!json_is_string(json_object_get(results, "kind")) ||
               strcmp(text_of(results, "kind"), "results") != 0) {
        wrong = "kind: is not \"results\"; one run alone can neither be compared nor plotted";
    } else if (!json_is_string(json_object_get(results, "date"))) {
        wrong = "date: must be a text";
    } else if (!json_is_object(json_object_get(results, "machine"))) {
        wrong = "machine: must be an object";
    }
    if (wrong != NULL) {
        (void)snprintf(complaint, BENCH_RESULTS_ERROR_MAX, "%s", wrong);
        return false;
    }
    seen = json_object();
    good = check_lists(results, seen, complaint);
    json_decref(seen);
    return good;
}

json_t *bench_results_create(void)
{
    const time_t now = time(NULL);
    struct tm broken;
    char date[32];

    if (gmtime_r(&now, &broken) == NULL ||
        strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &broken) == 0) {
        return NULL;
    }
    return json_pack("{s:i, s:s, s:s, s:o, s:[], s:[], s:[], s:[]}", "schema", BENCH_REPORT_SCHEMA,
                     "kind", "results", "date", date, "machine", bench_report_machine(), "servers",
                     "workloads", "rounds", "replay");
}

json_t *bench_results_load(const char *path, char complaint[static BENCH_RESULTS_ERROR_MAX])
{
    json_error_t error;
    char wrong[BENCH_RESULTS_ERROR_MAX];
    json_t *results;
    FILE *file = fopen(path, "re");

    if (file == NULL) {
        (void)snprintf(complaint, BENCH_RESULTS_ERROR_MAX, "%s: %s", path, strerrordesc_np(errno));
        return NULL;
    }
    results = json_loadf(file, JSON_REJECT_DUPLICATES, &error);
    (void)fclose(file);
    if (results == NULL) {
        (void)snprintf(complaint, BENCH_RESULTS_ERROR_MAX, "%s:%d:%d: %s", path, error.line,
                       error.column, error.text);
        return NULL;
    }
    if (!bench_results_check(results, wrong)) {
        (void)snprintf(complaint, BENCH_RESULTS_ERROR_MAX, "%s: %.400s", path, wrong);
        json_decref(results);
        return NULL;
    }
    return results;
}

bool bench_results_save(const char *path, const json_t *results,
                        char complaint[static BENCH_RESULTS_ERROR_MAX])
{
    char beside[PATH_MAX];
    FILE *file;
    bool written;

    if (!bench_results_check(results, complaint)) {
        return false;
    }
    if ((size_t)snprintf(beside, sizeof beside, "%s.new", path) >= sizeof beside) {
        (void)snprintf(complaint, BENCH_RESULTS_ERROR_MAX, "the path is too long");
        return false;
    }
    errno = 0;
    file = fopen(beside, "we");
    if (file != NULL) {
        written =
            json_dumpf(results, file, JSON_INDENT(1) | JSON_REAL_PRECISION(REAL_DIGITS)) == 0 &&
            fputc('\n', file) != EOF;
        written = fclose(file) == 0 && written;
        if (written && rename(beside, path) == 0) {
            return true;
        }
    }
    (void)snprintf(complaint, BENCH_RESULTS_ERROR_MAX, "%s: %s", path, strerrordesc_np(errno));
    if (file != NULL) {
        (void)unlink(beside);
    }
    return false;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* What the suite decides without looking at anything: see suite.h. */
#include <ctype.h>
#include <string.h>

#include "base/check.h"
#include "cli/mcbench/suite.h"

/* Takes `count` of the usable CPUs that are not taken yet. */
static bool take_cpus(size_t usable_count, const int *usable, size_t *taken, uint32_t count,
                      int *ret_cpus)
{
    if (usable_count - *taken < count) {
        return false;
    }
    memcpy(ret_cpus, usable + *taken, count * sizeof(int));
    *taken += count;
    return true;
}

/* The usable CPUs that are not among the given ones, in place. */
static size_t drop_given(size_t usable_count, int *usable, size_t given_count, const int *given)
{
    size_t kept = 0;

    for (size_t i = 0; i < usable_count; i++) {
        bool is_given = false;

        for (size_t k = 0; k < given_count; k++) {
            is_given = is_given || given[k] == usable[i];
        }
        if (!is_given) {
            usable[kept++] = usable[i];
        }
    }
    return kept;
}

bool bench_suite_choose_cpus(const struct bench_suite_cpus *given, size_t usable_count,
                             const int *usable, uint32_t server_count, uint32_t load_count,
                             struct bench_suite_cpus *ret_cpus)
{
    struct bench_suite_cpus cpus = {.server_count = server_count, .load_count = load_count};
    int free_cpus[2 * BENCH_CPUS_MAX];
    size_t free_count = usable_count < 2 * BENCH_CPUS_MAX ? usable_count : 2 * BENCH_CPUS_MAX;
    size_t taken = 0;

    if (server_count > BENCH_CPUS_MAX || load_count > BENCH_CPUS_MAX ||
        (given->server_count > 0 && given->server_count < server_count) ||
        (given->load_count > 0 && given->load_count < load_count)) {
        return false;
    }
    memcpy(free_cpus, usable, free_count * sizeof(int));
    free_count = drop_given(free_count, free_cpus, given->server_count, given->server);
    free_count = drop_given(free_count, free_cpus, given->load_count, given->load);
    if (given->server_count > 0) {
        memcpy(cpus.server, given->server, server_count * sizeof(int));
    } else if (!take_cpus(free_count, free_cpus, &taken, server_count, cpus.server)) {
        return false;
    }
    if (given->load_count > 0) {
        memcpy(cpus.load, given->load, load_count * sizeof(int));
    } else if (!take_cpus(free_count, free_cpus, &taken, load_count, cpus.load)) {
        return false;
    }
    *ret_cpus = cpus;
    return true;
}

size_t bench_suite_turn(uint32_t round, size_t row, size_t place, size_t count)
{
    return (round + row + place) % count;
}

bool bench_suite_fits(const struct bench_suite_server *server,
                      const struct bench_workload *workload)
{
    const struct bench_work *work = &workload->work;

    switch (server->kind) {
    case BENCH_SUITE_CACHE:
        return true;
    case BENCH_SUITE_EMPTY:
        return bench_workload_fits_empty(workload);
    case BENCH_SUITE_REDIS:
        /* One thread runs its commands whatever it is told, and it has neither quiet sets nor two protocols. */
        return work->protocol == BENCH_TEXT && !work->noreply && workload->server_threads == 1;
    }
    NEVER("a server has a kind");
}

/* Words that every processor's name has, and that say nothing. */
static bool is_noise(const char *word)
{
    static const char *const noise[] = {"r", "tm", "processor", "cpu", "core", "with"};

    for (size_t i = 0; i < sizeof(noise) / sizeof(noise[0]); i++) {
        if (strcmp(word, noise[i]) == 0) {
            return true;
        }
    }
    return false;
}

void bench_suite_file_name(const char *day, const char *processor, long cpu_count,
                           char out[static BENCH_NAME_MAX])
{
    size_t used = (size_t)snprintf(out, BENCH_NAME_MAX, "%.10s", day);
    uint32_t words = 0;

    /* "@ 2.40GHz" and what follows are no name. */
    while (*processor != '\0' && *processor != '@' && words < 3) {
        char word[16];
        size_t size = 0;

        for (; isalnum((unsigned char)*processor) != 0; processor++) {
            if (size < sizeof(word) - 1) {
                word[size++] = (char)tolower((unsigned char)*processor);
            }
        }
        word[size] = '\0';
        if (size > 0 && !is_noise(word)) {
            used += (size_t)snprintf(out + used, BENCH_NAME_MAX - used, "-%s", word);
            words++;
        }
        processor +=
            *processor != '\0' && *processor != '@' && isalnum((unsigned char)*processor) == 0 ? 1
                                                                                               : 0;
    }
    (void)snprintf(out + used, BENCH_NAME_MAX - used, "-%ldcpu", cpu_count);
}

void bench_suite_show_line(const char *line, char out[static BENCH_COMMAND_MAX])
{
    const char quote = *line == '\'' || *line == '"' ? *line : '\0';
    const char *start = quote != '\0' ? line + 1 : line;
    const size_t size =
        quote != '\0' ? strcspn(start, quote == '"' ? "\"" : "'") : strcspn(start, " \t");
    const char *rest = start + size + (quote != '\0' && start[size] != '\0' ? 1 : 0);
    const char *name = start;

    for (const char *at = start; at < start + size; at++) {
        name = *at == '/' ? at + 1 : name;
    }
    (void)snprintf(out, BENCH_COMMAND_MAX, "%.*s%s", (int)(start + size - name), name, rest);
}

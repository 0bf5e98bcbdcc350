/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * larder-load: one case of load on one server, one line of JSON as the result.
 *
 * bench/run and bench/memory start it; by hand it is as good. One thread, one CPU, always busy.
 */
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/num.h"
#include "loop.h"
#include "work.h"

static const uint64_t milli_ns = 1000000;

/* Options with a number. */
enum number {
    CONNECTIONS,
    KEYS,
    FIRST_KEY,
    KEY_SIZE,
    VALUE_SIZE,
    WARMUP_MS,
    WINDOW_MS,
    REQUESTS,
    SERVER_PID,
    SEED,
    NUMBER_COUNT
};

static const struct {
    const char *name;
    uint64_t min;
    uint64_t max;
    uint64_t usual;
    const char *about;
} numbers[NUMBER_COUNT] = {
    [CONNECTIONS] = {"--connections", 1, LOAD_CONNECTIONS_MAX, 50, "each with a batch under way"},
    [KEYS] = {"--keys", 1, LOAD_KEY_COUNT_MAX, 10000, "different keys"},
    [FIRST_KEY] = {"--first-key", 0, LOAD_KEY_COUNT_MAX - 1, 0, "number of the first key"},
    [KEY_SIZE] = {"--key-size", LOAD_KEY_SIZE_MIN, BASE_KEY_SIZE_MAX, 32, "bytes"},
    [VALUE_SIZE] = {"--value-size", 0, LOAD_VALUE_SIZE_MAX, 100, "bytes"},
    [WARMUP_MS] = {"--warmup-ms", 0, UINT32_MAX, 200, "load before the counting starts"},
    [WINDOW_MS] = {"--window-ms", 1, UINT32_MAX, 800, "counting"},
    [REQUESTS] = {"--requests", 0, UINT64_MAX / 2, 0, "count so many instead of a time"},
    [SERVER_PID] = {"--server-pid", 0, INT32_MAX, 0, "process whose CPU time is measured"},
    [SEED] = {"--seed", 0, UINT64_MAX, 1, "of the random keys"},
};

struct options {
    const char *address;
    const struct load_case *load_case;
    bool is_sequential;
    bool is_help;
    uint64_t numbers[NUMBER_COUNT];
};

static void print_usage(FILE *to)
{
    const struct load_case *at;

    (void)fprintf(to, "usage: larder-load --address HOST:PORT|PATH --case NAME [option ...]\n"
                      "  --sequential         keys in order, not at random\n");
    for (size_t i = 0; i < NUMBER_COUNT; i++) {
        (void)fprintf(to, "  %-13s N      %s (%llu)\n", numbers[i].name, numbers[i].about,
                      (unsigned long long)numbers[i].usual);
    }
    (void)fprintf(to, "cases:");
    for (size_t i = 0; (at = load_work_case_at(i)) != NULL; i++) {
        (void)fprintf(to, " %s", at->name);
    }
    (void)fprintf(to, "\n");
}

static bool read_number(struct options *options, const char *name, const char *text)
{
    for (size_t i = 0; i < NUMBER_COUNT; i++) {
        uint64_t value;

        if (strcmp(name, numbers[i].name) != 0) {
            continue;
        }
        if (!base_num_parse_u64((struct base_slice){text, strlen(text)}, &value) ||
            value < numbers[i].min || value > numbers[i].max) {
            (void)fprintf(stderr, "larder-load: %s %s: not a number from %llu to %llu\n", name,
                          text, (unsigned long long)numbers[i].min,
                          (unsigned long long)numbers[i].max);
            return false;
        }
        options->numbers[i] = value;
        return true;
    }
    (void)fprintf(stderr, "larder-load: there is no option %s\n", name);
    return false;
}

static bool read_options(struct options *options, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        const char *text = i + 1 < argc ? argv[i + 1] : "";

        if (strcmp(name, "--help") == 0) {
            options->is_help = true;
            return true;
        }
        if (strcmp(name, "--sequential") == 0) {
            options->is_sequential = true;
            continue;
        }
        i++;
        if (strcmp(name, "--address") == 0) {
            options->address = text;
        } else if (strcmp(name, "--case") == 0) {
            options->load_case = load_work_find_case(text);
        } else if (!read_number(options, name, text)) {
            return false;
        }
    }
    return options->load_case != NULL && options->address != NULL &&
           options->numbers[KEYS] <= LOAD_KEY_COUNT_MAX - options->numbers[FIRST_KEY];
}

/* Runs the load and prints the result; the exit status. */
static int run(const struct options *options)
{
    const uint64_t *number = options->numbers;
    const struct load_plan plan = {
        .address = options->address,
        .connection_count = (uint32_t)number[CONNECTIONS],
        .warmup_ns = number[WARMUP_MS] * milli_ns,
        .window_ns = number[WINDOW_MS] * milli_ns,
        .request_count = number[REQUESTS],
        .server = (pid_t)number[SERVER_PID],
    };
    struct load_order order = {
        .first = number[FIRST_KEY], .count = number[KEYS], .sequential = options->is_sequential};
    struct load_result result;
    struct load_work work;
    bool is_good;

    base_rand_init(&order.rand, number[SEED]);
    if (!load_work_init(&work, options->load_case, (uint32_t)number[KEY_SIZE],
                        (uint32_t)number[VALUE_SIZE])) {
        (void)fprintf(stderr, "larder-load: out of memory\n");
        return 1;
    }
    is_good = load_loop_run(&plan, &work, &order, &result);
    load_work_fini(&work);
    if (!is_good) {
        return 1;
    }
    (void)printf("{\"case\": \"%s\", \"requests\": %llu, \"wall_ns\": %llu, "
                 "\"server_cpu_ns\": %llu, \"server_wait_ns\": %llu, \"load_wait_ns\": %llu}\n",
                 options->load_case->name, (unsigned long long)result.request_count,
                 (unsigned long long)result.wall_ns, (unsigned long long)result.server.run_ns,
                 (unsigned long long)result.server.wait_ns,
                 (unsigned long long)result.load.wait_ns);
    return 0;
}

int main(int argc, char **argv)
{
    struct options options = {0};

    for (size_t i = 0; i < NUMBER_COUNT; i++) {
        options.numbers[i] = numbers[i].usual;
    }
    if (!read_options(&options, argc, argv)) {
        print_usage(stderr);
        return 2;
    }
    if (options.is_help) {
        print_usage(stdout);
        return 0;
    }
    return run(&options);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests and replies, byte for byte: see work.h. */
#include "work.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"

enum {
    VALUE_STARTS = 4096, /* different values; a power of two */
    FRAME_SIZE_MAX = 128 /* bytes around a key or a value: command, flags, sizes, line ends */
};

static const struct load_case cases[] = {
    {"get", LOAD_GET, 1, 1},
    {"get-p16", LOAD_GET, 16, 1},
    {"get-p64", LOAD_GET, 64, 1},
    {"multiget-50", LOAD_GET, 1, 50},
    {"set", LOAD_SET, 1, 1},
    {"set-p16", LOAD_SET, 16, 1},
    {"set-noreply-p64", LOAD_SET_NOREPLY, 64, 1},
    {"mg", LOAD_META_GET, 1, 1},
    {"mg-p16", LOAD_META_GET, 16, 1},
};

const struct load_case *load_work_case_at(size_t index)
{
    return index < sizeof(cases) / sizeof(cases[0]) ? &cases[index] : NULL;
}

const struct load_case *load_work_find_case(const char *name)
{
    const struct load_case *found;

    for (size_t i = 0; (found = load_work_case_at(i)) != NULL; i++) {
        if (strcmp(found->name, name) == 0) {
            return found;
        }
    }
    return NULL;
}

bool load_work_init(struct load_work *work, const struct load_case *load_case, uint32_t key_size,
                    uint32_t value_size)
{
    const size_t values_size = (size_t)value_size + VALUE_STARTS;
    struct base_rand rand;
    int size;

    *work =
        (struct load_work){.load_case = load_case, .key_size = key_size, .value_size = value_size};
    for (size_t i = 0; i < key_size; i++) {
        work->key_prefix[i] = "larder-bench:"[i % 13];
    }
    work->values = malloc(values_size);
    if (work->values == NULL) {
        return false;
    }
    base_rand_init(&rand, 1);
    for (size_t i = 0; i < values_size; i++) {
        work->values[i] = (char)('!' + base_rand_below(&rand, '~' - '!'));
    }

    /* One text holds all three: the end of a hit is the beginning of a set's. */
    size = snprintf(work->tails, sizeof(work->tails), " 0 0 %u\r\n 0 0 %u noreply\r\n", value_size,
                    value_size);
    work->set_tail = (struct base_slice){work->tails, strcspn(work->tails, "\n") + 1};
    work->hit_tail = (struct base_slice){work->tails + 2, work->set_tail.size - 2};
    work->quiet_tail =
        (struct base_slice){work->tails + work->set_tail.size, (size_t)size - work->set_tail.size};
    return true;
}

void load_work_fini(struct load_work *work)
{
    free(work->values);
    work->values = NULL;
}

size_t load_work_batch_size_max(const struct load_work *work)
{
    const struct load_case *of = work->load_case;

    return (size_t)of->request_count *
           (FRAME_SIZE_MAX +
            (size_t)of->key_count * (FRAME_SIZE_MAX + (size_t)work->key_size + work->value_size));
}

static uint64_t next_key(struct load_order *order)
{
    if (!order->sequential) {
        return order->first + base_rand_below(&order->rand, order->count);
    }
    return order->first + order->next++ % order->count;
}

static char *put(char *out, struct base_slice bytes)
{
    memcpy(out, bytes.data, bytes.size);
    return out + bytes.size;
}

static char *put_key(const struct load_work *work, char *out, uint64_t number)
{
    memcpy(out, work->key_prefix, work->key_size - LOAD_KEY_SIZE_MIN);
    out += work->key_size - LOAD_KEY_SIZE_MIN;
    /* Always the same number of digits: the first is 1. */
    return out + base_num_write_u64(out, LOAD_KEY_COUNT_MAX + number);
}

static char *put_value(const struct load_work *work, char *out, uint64_t number)
{
    memcpy(out, work->values + number % VALUE_STARTS, work->value_size);
    return put(out + work->value_size, BASE_SLICE("\r\n"));
}

static char *put_get(const struct load_work *work, struct load_order *order, char *out)
{
    out = put(out, BASE_SLICE("get"));
    for (uint32_t i = 0; i < work->load_case->key_count; i++) {
        *out++ = ' ';
        out = put_key(work, out, next_key(order));
    }
    return put(out, BASE_SLICE("\r\n"));
}

static char *put_set(const struct load_work *work, struct load_order *order, char *out,
                     struct base_slice tail)
{
    const uint64_t number = next_key(order);

    out = put(out, BASE_SLICE("set "));
    out = put_key(work, out, number);
    out = put(out, tail);
    return put_value(work, out, number);
}

size_t load_work_write_batch(const struct load_work *work, struct load_order *order, char *out)
{
    const uint32_t count = work->load_case->request_count;
    char *end = out;

    for (uint32_t i = 0; i < count; i++) {
        switch (work->load_case->verb) {
        case LOAD_GET:
            end = put_get(work, order, end);
            break;
        case LOAD_SET:
            end = put_set(work, order, end, work->set_tail);
            break;
        case LOAD_SET_NOREPLY:
            end = put_set(work, order, end, i + 1 < count ? work->quiet_tail : work->set_tail);
            break;
        case LOAD_META_GET:
            end = put_key(work, put(end, BASE_SLICE("mg ")), next_key(order));
            end = put(end, BASE_SLICE(" v\r\n"));
            break;
        }
    }
    return (size_t)(end - out);
}

static char *put_hits(const struct load_work *work, struct load_order *order, char *out)
{
    for (uint32_t i = 0; i < work->load_case->key_count; i++) {
        const uint64_t number = next_key(order);

        out = put_key(work, put(out, BASE_SLICE("VALUE ")), number);
        out = put_value(work, put(out, work->hit_tail), number);
    }
    return put(out, BASE_SLICE("END\r\n"));
}

size_t load_work_write_replies(const struct load_work *work, struct load_order *order, char *out)
{
    const uint32_t count = work->load_case->request_count;
    char *end = out;

    for (uint32_t i = 0; i < count; i++) {
        switch (work->load_case->verb) {
        case LOAD_GET:
            end = put_hits(work, order, end);
            break;
        case LOAD_SET:
            (void)next_key(order);
            end = put(end, BASE_SLICE("STORED\r\n"));
            break;
        case LOAD_SET_NOREPLY:
            (void)next_key(order);
            end = i + 1 < count ? end : put(end, BASE_SLICE("STORED\r\n"));
            break;
        case LOAD_META_GET:
            /* "VA 100\r\n": the size and line end of a text hit, without its flags. */
            end = put(end, BASE_SLICE("VA"));
            end = put(end, (struct base_slice){work->hit_tail.data + 2, work->hit_tail.size - 2});
            end = put_value(work, end, next_key(order));
            break;
        }
    }
    return (size_t)(end - out);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Values of options. A row says where its field is and how wide; the kinds say what may be there.
 * Fields are copied with memcpy(), so a row may point at any type of the right size.
 */
#include "base/option_value.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/num.h"
#include "base/slice.h"

static void put(const struct base_option *row, void *target, const void *value)
{
    if (row->stored) {
        memcpy((char *)target + row->offset, value, row->size);
    }
}

static void get(const struct base_option *row, const void *target, void *ret_value)
{
    CHECK(row->stored);
    memcpy(ret_value, (const char *)target + row->offset, row->size);
}

bool base_option_value_wanted(const struct base_option *row)
{
    switch (row->kind) {
    case BASE_OPTION_ON:
    case BASE_OPTION_OFF:
    case BASE_OPTION_COUNT:
    case BASE_OPTION_ACTION:
        return false;
    case BASE_OPTION_NUMBER:
    case BASE_OPTION_OCTAL:
    case BASE_OPTION_REAL:
    case BASE_OPTION_CHAR:
    case BASE_OPTION_TEXT:
    case BASE_OPTION_LIST:
    case BASE_OPTION_CHOICE:
    case BASE_OPTION_GROUP:
        return !row->refused;
    }
    NEVER("an option has a kind");
}

/* ---- text to field ---- */

static bool fail(const char *text, const char *what, char error[BASE_OPTION_ERROR_MAX])
{
    (void)snprintf(error, BASE_OPTION_ERROR_MAX, "'%s' %s", text, what);
    return false;
}

static bool complain(const struct base_option *row, const char *text, const char *what,
                     char error[BASE_OPTION_ERROR_MAX])
{
    if (row->complaint == NULL) {
        return fail(text, what, error);
    }
    (void)snprintf(error, BASE_OPTION_ERROR_MAX, "%s", row->complaint);
    return false;
}

/* `value` in the user's unit. Doubles hold every bound a row can have exactly. */
static bool check_bounds(const struct base_option *row, const char *text, double value,
                         bool above_min, char error[BASE_OPTION_ERROR_MAX])
{
    char what[64];

    if (value < row->min || (above_min && value <= row->min)) {
        (void)snprintf(what, sizeof what, "is not %s %.15g", above_min ? "above" : "at least",
                       row->min);
        return complain(row, text, what, error);
    }
    if (row->max > 0 && value > row->max) {
        (void)snprintf(what, sizeof what, "is more than %.15g", row->max);
        return fail(text, what, error);
    }
    return true;
}

static bool set_number(const struct base_option *row, const char *text, void *target,
                       char error[BASE_OPTION_ERROR_MAX])
{
    const struct base_slice slice = {text, strlen(text)};
    const int64_t unit = row->unit > 0 ? (int64_t)row->unit : 1;
    const int64_t type_max = row->size != 4 ? INT64_MAX : row->min < 0 ? INT32_MAX : UINT32_MAX;
    int64_t value;
    uint64_t bytes;

    if (row->suffix && slice.size > 1 && strchr("kKmMgGtT", text[slice.size - 1]) != NULL) {
        if (!base_num_parse_size(slice, &bytes) || bytes > INT64_MAX) {
            return fail(text, "is not a size", error);
        }
        value = (int64_t)bytes;
    } else if (!base_num_parse_i64(slice, &value)) {
        return fail(text, "is not a number", error);
    } else if (__builtin_mul_overflow(value, unit, &value)) {
        return fail(text, "is too large", error);
    }
    if (!check_bounds(row, text, (double)value / (double)unit, false, error)) {
        return false;
    }
    if (value > type_max) {
        return fail(text, "is too large", error);
    }
    if (row->size == 4) {
        const uint32_t narrow = (uint32_t)value;

        put(row, target, &narrow);
    } else {
        put(row, target, &value);
    }
    return true;
}

static bool set_octal(const struct base_option *row, const char *text, void *target,
                      char error[BASE_OPTION_ERROR_MAX])
{
    const size_t size = strlen(text);
    uint32_t value;

    /* Ten octal digits fit into 32 bits. */
    if (size == 0 || size > 10 || strspn(text, "01234567") != size) {
        return fail(text, "is not an octal number", error);
    }
    value = (uint32_t)strtoul(text, NULL, 8);
    if (!check_bounds(row, text, value, false, error)) {
        return false;
    }
    put(row, target, &value);
    return true;
}

static bool set_real(const struct base_option *row, const char *text, void *target,
                     char error[BASE_OPTION_ERROR_MAX])
{
    char *end;
    double value;

    errno = 0;
    value = strtod(text, &end);
    if (end == text || *end != '\0' || errno != 0 || !isfinite(value)) {
        return fail(text, "is not a number", error);
    }
    if (!check_bounds(row, text, value, true, error)) {
        return false;
    }
    put(row, target, &value);
    return true;
}

/* The index-th word of "a|b|c"; empty when there are not so many. */
static struct base_slice choice_at(const char *choices, uint32_t index)
{
    struct base_slice choice = {choices, strcspn(choices, "|")};

    for (; index > 0 && choice.data[choice.size] == '|'; index--) {
        choice.data += choice.size + 1;
        choice.size = strcspn(choice.data, "|");
    }
    return index == 0 ? choice : (struct base_slice){choices, 0};
}

static bool set_choice(const struct base_option *row, const char *text, void *target,
                       char error[BASE_OPTION_ERROR_MAX])
{
    const struct base_slice wanted = {text, strlen(text)};
    struct base_slice choice;

    for (uint32_t i = 0; (choice = choice_at(row->choices, i)).size > 0; i++) {
        if (base_slice_equal(choice, wanted)) {
            put(row, target, &i);
            return true;
        }
    }
    if (row->complaint != NULL) {
        return complain(row, text, "", error);
    }
    (void)snprintf(error, BASE_OPTION_ERROR_MAX, "'%s' is not one of %s", text, row->choices);
    return false;
}

static bool add_to_list(const struct base_option *row, const char *text, void *target,
                        char error[BASE_OPTION_ERROR_MAX])
{
    struct base_option_list *list = (void *)((char *)target + row->offset);

    if (!row->stored) {
        return true;
    }
    if (list->count == BASE_OPTION_LIST_MAX) {
        return fail(text, "is one too many", error);
    }
    list->items[list->count++] = text;
    return true;
}

static void count_up(const struct base_option *row, void *target)
{
    uint32_t count;

    get(row, target, &count);
    count++;
    put(row, target, &count);
}

bool base_option_value_set(const struct base_option *row, const char *text, void *target,
                           char error[BASE_OPTION_ERROR_MAX])
{
    const bool on = row->kind == BASE_OPTION_ON;

    switch (row->kind) {
    case BASE_OPTION_ON:
    case BASE_OPTION_OFF:
        put(row, target, &on);
        return true;
    case BASE_OPTION_COUNT:
        if (text == NULL) {
            count_up(row, target);
            return true;
        }
        return set_number(row, text, target, error);
    case BASE_OPTION_NUMBER:
        return set_number(row, text, target, error);
    case BASE_OPTION_OCTAL:
        return set_octal(row, text, target, error);
    case BASE_OPTION_REAL:
        return set_real(row, text, target, error);
    case BASE_OPTION_CHAR:
        if (text[0] == '\0') {
            return complain(row, text, "is not a character", error);
        }
        put(row, target, text);
        return true;
    case BASE_OPTION_TEXT:
        put(row, target, &text);
        return true;
    case BASE_OPTION_LIST:
        return add_to_list(row, text, target, error);
    case BASE_OPTION_CHOICE:
        return set_choice(row, text, target, error);
    case BASE_OPTION_GROUP:
    case BASE_OPTION_ACTION:
        break;
    }
    NEVER("groups and actions have no value");
}

/* ---- field to text ---- */

static void show_choice(const char *choices, uint32_t index, char *out, size_t size)
{
    const struct base_slice choice = choice_at(choices, index);

    (void)snprintf(out, size, "%.*s", (int)choice.size, choice.data);
}

static void show_number(const struct base_option *row, const void *target, char *out, size_t size)
{
    int64_t wide = 0;
    uint32_t narrow = 0;

    if (row->size == 8) {
        get(row, target, &wide);
    } else {
        get(row, target, &narrow);
        wide = row->min < 0 ? (int64_t)(int32_t)narrow : (int64_t)narrow;
    }
    (void)snprintf(out, size, row->kind == BASE_OPTION_OCTAL ? "%llo" : "%lld", (long long)wide);
}

static void show_list(const struct base_option *row, const void *target, char *out, size_t size)
{
    const struct base_option_list *list = (const void *)((const char *)target + row->offset);
    size_t used = 0;

    (void)snprintf(out, size, "%s", "NULL");
    for (uint32_t i = 0; i < list->count && used < size; i++) {
        used += (size_t)snprintf(out + used, size - used, "%s%s", i > 0 ? "," : "", list->items[i]);
    }
}

void base_option_value_show(const struct base_option *row, const void *target, char *out,
                            size_t size)
{
    bool flag = false;
    double real = 0;
    const char *text = NULL;
    uint32_t index = 0;
    char byte = 0;

    CHECK(row->stored && size > 0);
    switch (row->kind) {
    case BASE_OPTION_ON:
    case BASE_OPTION_OFF:
        get(row, target, &flag);
        show_choice(row->shown != NULL ? row->shown : "no|yes", flag, out, size);
        return;
    case BASE_OPTION_COUNT:
    case BASE_OPTION_NUMBER:
    case BASE_OPTION_OCTAL:
        show_number(row, target, out, size);
        return;
    case BASE_OPTION_REAL:
        get(row, target, &real);
        (void)snprintf(out, size, "%.2f", real);
        return;
    case BASE_OPTION_CHAR:
        get(row, target, &byte);
        (void)snprintf(out, size, "%c", byte);
        return;
    case BASE_OPTION_TEXT:
        get(row, target, &text);
        (void)snprintf(out, size, "%s", text != NULL ? text : "NULL");
        return;
    case BASE_OPTION_LIST:
        show_list(row, target, out, size);
        return;
    case BASE_OPTION_CHOICE:
        get(row, target, &index);
        show_choice(row->shown != NULL ? row->shown : row->choices, index, out, size);
        return;
    case BASE_OPTION_GROUP:
    case BASE_OPTION_ACTION:
        break;
    }
    NEVER("groups and actions have no field");
}

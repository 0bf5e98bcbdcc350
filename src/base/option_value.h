/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One option's value: text into the field of a row, and the field back into text.
 *
 * Pure functions of the row, the text and the structure the row points into.
 */
#ifndef LARDER_BASE_OPTION_VALUE_H
#define LARDER_BASE_OPTION_VALUE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/option.h"

/* Does a value belong to an option of this row? */
bool base_option_value_wanted(const struct base_option *row);

/*
 * Check `text` against the row and, when the row has a field, store it in `target`. A TEXT or LIST
 * field keeps the pointer: the caller lends `text` as long as `target` lives. False, and what is
 * wrong with the value in `error`, when it does not fit; `target` is then unchanged.
 */
BASE_MUST_USE bool base_option_value_set(const struct base_option *row, const char *text,
                                         void *target, char error[BASE_OPTION_ERROR_MAX]);

/*
 * The value that `target` holds for a row with a field, as text; cut to `size` bytes, NUL
 * included. No text and an empty list show as "NULL".
 */
void base_option_value_show(const struct base_option *row, const void *target, char *out,
                            size_t size);

#endif

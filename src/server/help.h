/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What -h and -i print.
 */
#ifndef LARDER_SERVER_HELP_H
#define LARDER_SERVER_HELP_H

#include <stddef.h>
#include <stdio.h>

#include "base/option.h"

/*
 * The options that do something, each with its default, in memcached's layout; then the names of
 * those that are accepted without effect. Test suites decide by words in here what to try, so
 * what is not there is not named.
 */
void server_help_write(size_t row_count, const struct base_option *rows, FILE *out);
void server_help_write_license(FILE *out);

#endif

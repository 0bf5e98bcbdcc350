/* SPDX-License-Identifier: BSD-3-Clause */
/* The end of a process whose own rules are broken. Any thread. */
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void base_check_failed(const char *rule, const char *file, int line, const char *function)
{
    /* No stdio stream: its lock may be held by the very thread that got here. */
    dprintf(STDERR_FILENO, "check failed: %s, in %s() at %s:%d\n", rule, function, file, line);
    abort();
}

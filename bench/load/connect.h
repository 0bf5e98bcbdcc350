/* SPDX-License-Identifier: BSD-3-Clause */
/* Connecting, and the one exchange that is looked at closely. */
#ifndef LARDER_BENCH_LOAD_CONNECT_H
#define LARDER_BENCH_LOAD_CONNECT_H

#include <stdbool.h>

#include "work.h"

/*
 * Connects to "HOST:PORT" or to the path of a UNIX socket. Returns a descriptor that blocks, with
 * a time limit; -1 after a line on standard error.
 */
int load_connect_open(const char *address);

/*
 * Sends one batch on the fresh connection and compares the answer with the right one, byte for
 * byte. False after a line on standard error that shows both.
 * batch, replies   scratch of load_work_batch_size_max() bytes each
 * ret_reply_size   bytes that the answer to every batch of this work has
 */
bool load_connect_verify(int fd, const struct load_work *work, struct load_order *order,
                         char *batch, char *replies, size_t *ret_reply_size);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the server is, and descriptors connected to it.
 *
 * TCP (with TCP_NODELAY), IPv6, UNIX sockets. Nothing here waits but bench_connect_resolve(). Any thread; a target is not changed
 * once bench_connect_spread() has returned.
 */
#ifndef LARDER_MCBENCH_CONNECT_H
#define LARDER_MCBENCH_CONNECT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

enum {
    BENCH_SOURCES_MAX = 250
}; /* addresses of the loopback that connections come from: 127.0.0.2 and on */

struct bench_target {
    struct sockaddr_storage address;
    socklen_t address_size;
    uint32_t source_count; /* 0: the kernel chooses the source address */
};

/*
 * address is "HOST:PORT", "[V6]:PORT", or the path of a UNIX socket. Of several addresses that a name has, the first that takes a
 * connection is the target. 0 or a negative errno and a line without a newline in `complaint`.
 */
int bench_connect_resolve(const char *address, struct bench_target *ret_target,
                          char complaint[static 4096]);

/*
 * Makes the target fit for so many connections at once, or for opening and closing without end: one source address has less than
 * 2^16 ports, and one that was closed is not free for a while. Only the loopback of IPv4 has more source addresses to give.
 */
void bench_connect_spread(struct bench_target *target, uint32_t connection_count, bool is_churning);

/* Lets this process have so many descriptors. As above. */
int bench_connect_reserve(uint32_t descriptor_count, char complaint[static 4096]);

/*
 * A descriptor that does not block, connected or on the way to it (then it becomes writable). serial: any number, another one
 * each time. -EAGAIN: the server's queue is full, try again later (UNIX sockets); or another negative errno.
 */
int bench_connect_start(const struct bench_target *target, uint64_t serial);

#endif

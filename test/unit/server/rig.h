/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A whole server on the loopback, in this process, over the fake engine; the test plays its
 * clients with blocking sockets. Everything waits ten seconds at most, then the test fails.
 */
#ifndef LARDER_TEST_SERVER_RIG_H
#define LARDER_TEST_SERVER_RIG_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/config.h"
#include "server/server.h"

/* The two modules; the build says where they lie. Options follow a colon. */
#define RIG_NOW   FAKE_ENGINE_PATH
#define RIG_LATER FAKE_ASYNC_ENGINE_PATH

struct rig {
    struct server_config config;
    struct server *server;
    pthread_t thread;
    uint16_t port;
    int result; /* of server_run() */
    char engine[512];
};

/*
 * engine: one of the above with its options. arguments: more of the command line, separated by
 * single blanks; may be empty. Two workers unless it says otherwise.
 */
void rig_start(struct rig *rig, const char *engine, const char *arguments);
/* Stops and destroys; the engine aborts when something was left. */
void rig_stop(struct rig *rig);
/* The same, but connections get what they are owed. */
void rig_stop_gracefully(struct rig *rig);

/* A new connection of a client. */
int rig_connect(const struct rig *rig);
/* One whose socket takes little, so that the server is soon stuck with what it owes. */
int rig_connect_narrow(const struct rig *rig);
void rig_send(int fd, const char *text);
void rig_send_bytes(int fd, const void *data, size_t size);
/* Exactly these bytes come next. */
void rig_expect(int fd, const char *text);
void rig_expect_bytes(int fd, const void *data, size_t size);
/* Both. */
void rig_ask(int fd, const char *text, const char *answer);
/* The server closed, and nothing more was there. */
void rig_expect_end(int fd);
/* Nothing comes for a while. */
void rig_expect_silence(int fd);
/* One line, its \r\n or \n cut off; lent until the next call on this thread. */
const char *rig_line(int fd);
/* One number of `stats`; fails when there is none of this name. */
uint64_t rig_stat(int fd, const char *name);
/* Until it has at least this value. */
void rig_wait_stat(int fd, const char *name, uint64_t value);
void rig_sleep_ms(unsigned ms);
/* Bytes that only this seed gives, letters only. Given. */
char *rig_value(size_t size, unsigned seed);
/* "set key 0 0 size\r\n" value "\r\n" and its STORED. */
void rig_store(int fd, const char *key, const char *value, size_t size);
/* "VALUE key 0 size\r\n" value "\r\n", as the reply to a get begins. */
void rig_expect_value(int fd, const char *key, const char *value, size_t size);

#endif

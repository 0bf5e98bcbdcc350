/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One thread that gives the engine its slices of upkeep: expiry, reclaim, growth.
 *
 * It sleeps until the engine asks for it, at most a second (expiry must not wait for traffic).
 * While there is more to do it goes on in slices, so that a stop is never far away.
 */
#include "server/upkeep.h"

#include <errno.h>
#include <time.h>

enum {
    SLICE_NS = 2000000,   /* of one tick() */
    SLEEP_NS = 1000000000 /* between ticks when nobody asks */
};

static void sleep_until_wanted(struct server *server)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += SLEEP_NS % 1000000000;
    until.tv_sec += SLEEP_NS / 1000000000 + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&server->upkeep_lock);
    while (!atomic_load(&server->upkeep_wanted) && !server->upkeep_ending) {
        if (pthread_cond_timedwait(&server->upkeep_wake, &server->upkeep_lock, &until) != 0) {
            break;
        }
    }
    atomic_store(&server->upkeep_wanted, false);
    pthread_mutex_unlock(&server->upkeep_lock);
}

static void *upkeep_main(void *arg)
{
    struct server *server = arg;
    for (;;) {
        pthread_mutex_lock(&server->upkeep_lock);
        bool ending = server->upkeep_ending;
        pthread_mutex_unlock(&server->upkeep_lock);
        if (ending) {
            return NULL;
        }
        uint32_t now_s = server_clock_update(server);
        if (!server->engine_ops->tick(server->engine, now_s, SLICE_NS)) {
            sleep_until_wanted(server);
        }
    }
}

int server_upkeep_start(struct server *server)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&server->upkeep_lock, NULL);
    pthread_cond_init(&server->upkeep_wake, &attributes);
    pthread_condattr_destroy(&attributes);
    server->upkeep_ending = false;
    server->upkeep_running = true; /* before: its first tick() may already ask for the next */
    int result = pthread_create(&server->upkeep, NULL, upkeep_main, server);
    if (result != 0) {
        server->upkeep_running = false;
    }
    return -result;
}

void server_upkeep_stop(struct server *server)
{
    if (!server->upkeep_running) {
        return;
    }
    pthread_mutex_lock(&server->upkeep_lock);
    server->upkeep_ending = true;
    pthread_cond_signal(&server->upkeep_wake);
    pthread_mutex_unlock(&server->upkeep_lock);
    pthread_join(server->upkeep, NULL);
    server->upkeep_running = false;
    pthread_cond_destroy(&server->upkeep_wake);
    pthread_mutex_destroy(&server->upkeep_lock);
}

void server_upkeep_wake(void *arg)
{
    struct server *server = arg;
    /* Asked for already: a store per item must not cost a lock each. */
    if (!server->upkeep_running || atomic_exchange(&server->upkeep_wanted, true)) {
        return;
    }
    pthread_mutex_lock(&server->upkeep_lock);
    pthread_cond_signal(&server->upkeep_wake);
    pthread_mutex_unlock(&server->upkeep_lock);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Accepting. A listener is watched unless its owner paused it or the process is out of
 * descriptors; then it rests until the next tick instead of failing in every turn.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/net_priv.h"

static void listener_update(struct net_listener *listener)
{
    const struct net_loop_ops *ops = listener->loop->ops;
    bool wanted = !listener->paused && !listener->starved && !listener->closed;
    if (wanted && !listener->started) {
        listener->started = true;
        if (ops->listener_start(listener) != 0) {
            listener->started = false;
            listener->starved = true; /* no memory in the kernel: as good as no descriptors */
            listener->loop->listener_starved = true;
        }
    } else if (!wanted && listener->started) {
        listener->started = false;
        ops->listener_stop(listener);
    }
}

int net_loop_listen(struct net_loop *loop, int fd, net_accept_fn on_accept, void *arg,
                    struct net_listener **ret_listener)
{
    CHECK_OBJ(loop, NET_LOOP_MAGIC);
    struct net_listener *listener = malloc(sizeof(*listener));
    if (listener == NULL) {
        return -ENOMEM;
    }
    *listener = (struct net_listener){.magic = NET_LISTENER_MAGIC,
                                      .fd = fd,
                                      .loop = loop,
                                      .on_accept = on_accept,
                                      .arg = arg,
                                      .next = loop->listeners,
                                      .started = true};
    int rc = loop->ops->listener_start(listener);
    if (rc != 0) {
        free(listener);
        return rc;
    }
    loop->listeners = listener;
    *ret_listener = listener;
    return 0;
}

void net_listener_pause(struct net_listener *listener)
{
    CHECK_OBJ(listener, NET_LISTENER_MAGIC);
    listener->paused = true;
    listener_update(listener);
}

void net_listener_resume(struct net_listener *listener)
{
    CHECK_OBJ(listener, NET_LISTENER_MAGIC);
    listener->paused = false;
    listener->loop->listener_held |= listener->held_count > 0;
    listener_update(listener);
}

void net_listener_close(struct net_listener **listener)
{
    struct net_listener *doomed = *listener;
    if (doomed == NULL) {
        return;
    }
    CHECK_OBJ(doomed, NET_LISTENER_MAGIC);
    *listener = NULL;
    doomed->closed = true;
    doomed->started = false;
    doomed->loop->listener_closed = true; /* events of this turn may still name it */
    doomed->loop->ops->listener_stop(doomed);
    while (doomed->held_count > 0) {
        (void)close(doomed->held[--doomed->held_count]);
    }
}

/*
 * io_uring accepts ahead of us; what comes after net_listener_pause() waits here as it would have
 * waited in the kernel's backlog.
 */
static void hold(struct net_listener *listener, int fd)
{
    if (listener->held_count == listener->held_max) {
        size_t max = listener->held_max == 0 ? 16 : listener->held_max * 2;
        int *held = realloc(listener->held, max * sizeof(*held));
        if (held == NULL) {
            (void)close(fd);
            return;
        }
        listener->held = held;
        listener->held_max = max;
    }
    listener->held[listener->held_count++] = fd;
}

static void hand_over(struct net_listener *listener, int fd, const struct net_address *peer)
{
    struct net_address asked;
    if (peer == NULL) {
        asked = (struct net_address){.size = sizeof(asked.storage)};
        if (getpeername(fd, &asked.any, &asked.size) != 0) {
            asked = (struct net_address){0}; /* gone already; the stream will say so */
        }
        peer = &asked;
    }
    net_count(&listener->loop->counters.accepts, 1);
    listener->on_accept(listener->arg, fd, peer);
}

void net_listener_accepted(struct net_listener *listener, int fd, const struct net_address *peer)
{
    if (listener->paused || listener->held_count > 0) {
        hold(listener, fd);
        listener->loop->listener_held |= !listener->paused;
    } else {
        hand_over(listener, fd, peer);
    }
}

void net_listener_hand_over(struct net_loop *loop)
{
    if (!loop->listener_held) {
        return;
    }
    loop->listener_held = false;
    for (struct net_listener *listener = loop->listeners; listener != NULL;
         listener = listener->next) {
        size_t next = 0;
        while (next < listener->held_count && !listener->paused) {
            hand_over(listener, listener->held[next++], NULL);
        }
        if (next > 0 && listener->held_count > 0) {
            listener->held_count -= next;
            memmove(listener->held, listener->held + next, listener->held_count * sizeof(int));
        }
    }
}

bool net_listener_failed(struct net_listener *listener, int error)
{
    if (error == ECONNABORTED || error == EINTR || error == EPROTO || error == EPERM ||
        error == ENETDOWN || error == EHOSTUNREACH || error == ENETUNREACH || error == EOPNOTSUPP ||
        error == ETIMEDOUT) {
        return true; /* that one connection's failure: accept(2), "Error handling" */
    }
    net_count(&listener->loop->counters.accept_failures, 1);
    listener->starved = true;
    listener->loop->listener_starved = true;
    listener_update(listener);
    return false;
}

void net_listener_retry(struct net_loop *loop)
{
    if (!loop->listener_starved) {
        return;
    }
    loop->listener_starved = false;
    for (struct net_listener *listener = loop->listeners; listener != NULL;
         listener = listener->next) {
        listener->starved = false;
        listener_update(listener);
    }
}

void net_listener_reap(struct net_loop *loop)
{
    if (!loop->listener_closed) {
        return;
    }
    loop->listener_closed = false;
    struct net_listener **link = &loop->listeners;
    while (*link != NULL) {
        struct net_listener *listener = *link;
        if (!listener->closed) {
            link = &listener->next;
            continue;
        }
        *link = listener->next;
        listener->magic = 0;
        free(listener->held);
        free(listener);
    }
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The turn of a loop, the same for both kinds:
 *
 *      service what is dirty -> before_wait() -> wait -> after_wait() -> dispatch events
 *           ^                                                                 |
 *           '------------ tick, once a second <- posted functions <-----------'
 *
 * net_loop_post() and net_loop_stop() come from other threads: a locked list and a flag, and an
 * eventfd that ends the wait. Everything else belongs to the loop's thread.
 */
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "net/datagram_priv.h"
#include "net/net_priv.h"

/* What AUTO tries first; measured in doc/design/0005-event-loops.md. epoll where it is refused. */
static const enum net_loop_kind AUTO_KIND = NET_LOOP_URING;

static uint64_t now_ms(void)
{
    struct timespec now;
    CHECK(clock_gettime(CLOCK_MONOTONIC_COARSE, &now) == 0);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- life ---- */

int net_loop_create(const struct net_loop_config *config, struct net_loop **ret_loop)
{
    enum net_loop_kind kind = config->kind == NET_LOOP_AUTO ? AUTO_KIND : config->kind;
    if (kind == NET_LOOP_URING) {
        int rc = net_uring_create(config, ret_loop);
        if (rc == 0 || config->kind == NET_LOOP_URING) {
            return rc;
        }
    }
    return net_epoll_create(config, ret_loop);
}

int net_loop_init(struct net_loop *loop, const struct net_loop_ops *ops,
                  const struct net_loop_config *config)
{
    *loop = (struct net_loop){.magic = NET_LOOP_MAGIC, .ops = ops, .config = *config};
    if (loop->config.receive_size == 0) {
        loop->config.receive_size = NET_RECEIVE_SIZE_DEFAULT;
    }
    loop->buffer_size = (size_t)BASE_BLOCK_ROOM + loop->config.receive_size;
    loop->buffer = malloc(loop->buffer_size);
    if (loop->buffer == NULL) {
        return -ENOMEM;
    }
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (loop->wake_fd < 0) {
        int rc = -errno;
        free(loop->buffer);
        return rc;
    }
    base_block_pool_init(&loop->pool, NET_BLOCKS_IDLE_MAX);
    CHECK(pthread_mutex_init(&loop->post_lock, NULL) == 0);
    loop->tick_next_ms = now_ms() + NET_TICK_MS;
    return 0;
}

void net_loop_fini(struct net_loop *loop)
{
    net_output_fini(loop);
    free(loop->tls.gathered);
    base_block_pool_fini(&loop->pool);
    CHECK(pthread_mutex_destroy(&loop->post_lock) == 0);
    (void)close(loop->wake_fd);
    free(loop->buffer);
    loop->magic = 0;
}

const char *net_loop_name(const struct net_loop *loop)
{
    return loop->ops->name;
}

const struct net_loop_counters *net_loop_counters(const struct net_loop *loop)
{
    return &loop->counters;
}

struct base_block_pool *net_loop_pool(struct net_loop *loop)
{
    return &loop->pool;
}

/* ---- dirty streams ---- */

static void queue_push(struct net_stream_queue *queue, struct net_stream *stream)
{
    stream->state |= STREAM_DIRTY;
    stream->next_dirty = NULL;
    if (queue->tail == NULL) {
        queue->head = stream;
    } else {
        queue->tail->next_dirty = stream;
    }
    queue->tail = stream;
}

void net_loop_mark_dirty(struct net_stream *stream)
{
    if (!net_stream_is(stream, STREAM_DIRTY | STREAM_BUSY)) {
        queue_push(&stream->loop->dirty, stream);
    }
}

void net_loop_mark_later(struct net_stream *stream)
{
    if (!net_stream_is(stream, STREAM_DIRTY)) {
        queue_push(&stream->loop->later, stream);
    }
}

static void service_dirty(struct net_loop *loop)
{
    while (loop->dirty.head != NULL) {
        struct net_stream *stream = loop->dirty.head;
        loop->dirty.head = stream->next_dirty;
        if (loop->dirty.head == NULL) {
            loop->dirty.tail = NULL;
        }
        stream->state &= ~(uint32_t)STREAM_DIRTY;
        net_stream_service(stream);
    }
    /* What another stream's callback lent to one that waits for its next turn. */
    for (struct net_stream *stream = loop->later.head; stream != NULL;
         stream = stream->next_dirty) {
        if (stream->lent != NULL) {
            net_stream_settle(stream);
        }
    }
}

/* Those put off are the first of the new turn. */
static void revive_later(struct net_loop *loop)
{
    if (loop->later.head != NULL) {
        loop->later.tail->next_dirty = loop->dirty.head;
        if (loop->dirty.tail == NULL) {
            loop->dirty.tail = loop->later.tail;
        }
        loop->dirty.head = loop->later.head;
        loop->later = (struct net_stream_queue){0};
    }
}

/* ---- other threads ---- */

static void wake(struct net_loop *loop)
{
    /* Async-signal-safe. EAGAIN means that the counter is full of wake-ups: just as good. */
    int saved = errno;
    uint64_t one = 1;
    ssize_t written = write(loop->wake_fd, &one, sizeof(one));
    (void)written;
    errno = saved;
}

int net_loop_post(struct net_loop *loop, void (*fn)(void *arg), void *arg)
{
    struct net_post *post = malloc(sizeof(*post));
    if (post == NULL) {
        return -ENOMEM;
    }
    *post = (struct net_post){.fn = fn, .arg = arg};
    CHECK(pthread_mutex_lock(&loop->post_lock) == 0);
    bool first = loop->post_head == NULL;
    if (first) {
        loop->post_head = post;
    } else {
        loop->post_tail->next = post;
    }
    loop->post_tail = post;
    CHECK(pthread_mutex_unlock(&loop->post_lock) == 0);
    if (first) {
        wake(loop);
    }
    return 0;
}

void net_loop_stop(struct net_loop *loop)
{
    atomic_store_explicit(&loop->stop, true, memory_order_release);
    wake(loop);
}

void net_loop_woken(struct net_loop *loop)
{
    /* Read before the list is taken: a post after that wakes again. */
    uint64_t count;
    ssize_t size = read(loop->wake_fd, &count, sizeof(count));
    (void)size;
    loop->woken = true;
}

static void run_posts(struct net_loop *loop)
{
    loop->woken = false;
    CHECK(pthread_mutex_lock(&loop->post_lock) == 0);
    struct net_post *post = loop->post_head;
    loop->post_head = NULL;
    loop->post_tail = NULL;
    CHECK(pthread_mutex_unlock(&loop->post_lock) == 0);
    while (post != NULL) {
        struct net_post *next = post->next;
        post->fn(post->arg);
        free(post);
        post = next;
    }
}

/* ---- the turn ---- */

static void call(const struct net_loop *loop, void (*callback)(void *context))
{
    if (callback != NULL) {
        callback(loop->config.context);
    }
}

static void tick_if_due(struct net_loop *loop)
{
    uint64_t now = now_ms();
    if (now >= loop->tick_next_ms) {
        loop->tick_next_ms = now + NET_TICK_MS;
        net_listener_retry(loop);
        net_tls_tick(loop);
        call(loop, loop->config.callbacks.on_tick);
    }
}

static int wait_timeout_ms(const struct net_loop *loop)
{
    if (loop->dirty.head != NULL || loop->later.head != NULL || loop->listener_held) {
        return 0;
    }
    uint64_t now = now_ms();
    return now >= loop->tick_next_ms ? 0 : (int)(loop->tick_next_ms - now);
}

static void end_turn(struct net_loop *loop)
{
    service_dirty(loop);
    net_listener_reap(loop);
    net_datagram_reap(loop);
}

void net_loop_run(struct net_loop *loop)
{
    CHECK_OBJ(loop, NET_LOOP_MAGIC);
    loop->running = true;
    while (!atomic_load_explicit(&loop->stop, memory_order_acquire)) {
        end_turn(loop);
        call(loop, loop->config.callbacks.before_wait);
        loop->ops->wait(loop, wait_timeout_ms(loop));
        net_count(&loop->counters.waits, 1);
        call(loop, loop->config.callbacks.after_wait);
        loop->tls.step_count = 0;
        revive_later(loop);
        net_listener_hand_over(loop);
        loop->ops->dispatch(loop);
        if (loop->woken) {
            run_posts(loop);
        }
        tick_if_due(loop);
    }
    loop->running = false;
    end_turn(loop);
    if (loop->ops->leave != NULL) {
        loop->ops->leave(loop);
    }
    atomic_store_explicit(&loop->stop, false, memory_order_relaxed);
}

void net_loop_destroy(struct net_loop **loop)
{
    struct net_loop *doomed = *loop;
    if (doomed == NULL) {
        return;
    }
    CHECK_OBJ(doomed, NET_LOOP_MAGIC);
    *loop = NULL;
    run_posts(doomed);
    while (doomed->streams != NULL) {
        net_stream_close(doomed->streams, true);
        revive_later(doomed);
        service_dirty(doomed);
    }
    run_posts(doomed); /* what on_close() had to say */
    net_listener_reap(doomed);
    while (doomed->listeners != NULL) {
        struct net_listener *listener = doomed->listeners;
        net_listener_close(&listener);
        net_listener_reap(doomed);
    }
    net_datagram_reap(doomed);
    while (doomed->datagrams != NULL) {
        struct net_datagram *datagram = doomed->datagrams;
        net_datagram_close(&datagram);
        net_datagram_reap(doomed);
    }
    doomed->ops->destroy(doomed);
}

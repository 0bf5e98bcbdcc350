/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What ThreadSanitizer cannot see in ck_epoch's assembler: leaving happens before the deferred
 * call that follows it. Nothing in other builds.
 */
#ifndef LARDER_ENGINE_EPOCH_TSAN_H
#define LARDER_ENGINE_EPOCH_TSAN_H

#if defined(__SANITIZE_THREAD__)
#define EPOCH_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define EPOCH_TSAN 1
#endif
#endif

#ifdef EPOCH_TSAN
#include <sanitizer/tsan_interface.h>
#define EPOCH_RELEASE(address) __tsan_release(address)
#define EPOCH_ACQUIRE(address) __tsan_acquire(address)
#else
#define EPOCH_RELEASE(address) ((void)(address))
#define EPOCH_ACQUIRE(address) ((void)(address))
#endif

#endif

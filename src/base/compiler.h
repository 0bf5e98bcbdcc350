/* SPDX-License-Identifier: BSD-3-Clause */
/* The only place for what is not in the language: attributes and branch hints. */
#ifndef LARDER_BASE_COMPILER_H
#define LARDER_BASE_COMPILER_H

#define BASE_LIKELY(x)               __builtin_expect(!!(x), 1)
#define BASE_UNLIKELY(x)             __builtin_expect(!!(x), 0)
#define BASE_MUST_USE                __attribute__((warn_unused_result))
#define BASE_PRINTF(text, first)     __attribute__((format(printf, text, first)))
#define BASE_NORETURN                __attribute__((noreturn))
#define BASE_COLD                    __attribute__((cold))
#define BASE_ALWAYS_INLINE           inline __attribute__((always_inline))
#define BASE_NEVER_INLINE            __attribute__((noinline))
#define BASE_INLINE                  inline __attribute__((always_inline)) /* where measured */
#define BASE_UNUSED                  __attribute__((unused))
#define BASE_FALLTHROUGH             __attribute__((fallthrough))
#define BASE_ALIGNED(bytes)          __attribute__((aligned(bytes)))
#define BASE_PREFETCH(address)       __builtin_prefetch((address), 0, 3)
#define BASE_PREFETCH_WRITE(address) __builtin_prefetch((address), 1, 3)

#endif

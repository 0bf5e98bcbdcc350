/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where a word ends: the first blank or control character (0..32) at or behind `at`, or `end` when
 * there is none. Pure.
 *
 *      const char *proto_scan_blank(const char *at, const char *end);
 *
 * memchr() looks at more bytes at once, but for one byte value only, and a key is too short to make
 * up for the call: three of them took 66 instructions, this takes 37 (47 without SSE2).
 */
#ifndef LARDER_PROTO_SCAN_H
#define LARDER_PROTO_SCAN_H

#ifdef __SSE2__
#include "proto/scan_sse2.h"
#else
#include "proto/scan_word.h"
#endif

#endif

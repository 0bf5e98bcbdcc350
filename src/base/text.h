/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bytes made printable. Pure functions; any thread.
 */
#ifndef LARDER_BASE_TEXT_H
#define LARDER_BASE_TEXT_H

#include <stddef.h>

#include "base/slice.h"

enum { BASE_TEXT_URI_GROWTH = 3 }; /* one byte becomes at most so many */

/*
 * URI encoding as memcached shows keys in metadump and watch lines: the unreserved characters of
 * RFC 3986 (letters, digits, - . _ ~) stay, any other byte becomes %XX in capitals.
 *
 * Stops before the first byte that does not fit; room >= BASE_TEXT_URI_GROWTH * size always fits.
 * Returns the bytes written; no NUL.
 */
size_t base_text_uri_encode(char *out, size_t room, struct base_slice bytes);

#endif

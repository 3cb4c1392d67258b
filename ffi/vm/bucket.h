/*
 * bucket: how many packets and bytes may pass in a time, as two token buckets over one clock.
 *
 *   each millisecond adds rate / 1000 tokens, up to a burst; a packet takes one, and its bytes
 *
 * A packet passes only if both have enough.
 */
#ifndef OMERTA_BUCKET_H
#define OMERTA_BUCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bucket {
  int64_t packets_rate, bytes_rate; /* per second */
  int64_t packets, bytes;           /* thousandths of tokens */
  int64_t filled_ms;
};

/* Full, with rates of at least 1. */
struct bucket bucket_begin(int64_t packets_rate, int64_t bytes_rate, int64_t now_ms);
void bucket_fill(struct bucket *bucket, int64_t now_ms);
/* Whether a packet of so many bytes may pass; if so, it has. */
bool bucket_take(struct bucket *bucket, size_t bytes);

#endif

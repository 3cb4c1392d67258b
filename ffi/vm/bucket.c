/* bucket: see bucket.h. */
#include "bucket.h"

/* What may come at once: a tenth of a second's worth, so that nobody feels who keeps to the rate;
 * and at least what is read in one piece. */
#define BURST_MS 100
#define PACKETS_LEAST 32
#define BYTES_LEAST (PACKETS_LEAST * 2048)
#define THOUSAND 1000

static int64_t burst(int64_t rate, int64_t least) {
  int64_t tokens = rate * BURST_MS;
  return tokens > least * THOUSAND ? tokens : least * THOUSAND;
}

static int64_t more(int64_t tokens, int64_t rate, int64_t passed_ms, int64_t most) {
  int64_t missing = most - tokens;
  /* Compared by division: a machine that slept for a year must not overflow. */
  return missing / rate < passed_ms ? most : tokens + rate * passed_ms;
}

struct bucket bucket_begin(int64_t packets_rate, int64_t bytes_rate, int64_t now_ms) {
  return (struct bucket){
      .packets_rate = packets_rate,
      .bytes_rate = bytes_rate,
      .packets = burst(packets_rate, PACKETS_LEAST),
      .bytes = burst(bytes_rate, BYTES_LEAST),
      .filled_ms = now_ms,
  };
}

void bucket_fill(struct bucket *bucket, int64_t now_ms) {
  int64_t passed_ms = now_ms - bucket->filled_ms;
  if (passed_ms <= 0) return;
  bucket->filled_ms = now_ms;
  bucket->packets = more(bucket->packets, bucket->packets_rate, passed_ms,
                         burst(bucket->packets_rate, PACKETS_LEAST));
  bucket->bytes = more(bucket->bytes, bucket->bytes_rate, passed_ms,
                       burst(bucket->bytes_rate, BYTES_LEAST));
}

bool bucket_take(struct bucket *bucket, size_t bytes) {
  int64_t size = (int64_t)bytes * THOUSAND;
  if (bucket->packets < THOUSAND || bucket->bytes < size) return false;
  bucket->packets -= THOUSAND;
  bucket->bytes -= size;
  return true;
}

/*
 * Fuzzing of the frame filter: whatever bytes come, it reads only them, and what it lets pass is
 * exactly the one flow, by a second, naive reading of the same bytes.
 *
 * With libFuzzer (`make fuzz`, clang): guided by coverage, until stopped. Else (`make test`) it
 * drives itself: good frames with random mutations, from a seed that is printed.
 */
#include "sample_frames.h"
#include "test.h"

#include <stdint.h>
#include <time.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Nothing but comparisons with constants: slower, and not the code under test. */
static int is_the_flow(const uint8_t *f, size_t size, size_t length) {
  static const uint8_t gateway_guest[14] = {2, 0, 0, 0, 0, 1, 0x52, 0x54, 0, 0x12, 0x34, 0x56, 8, 0};
  static const uint8_t addresses[8] = {10, 0, 2, 15, 10, 0, 2, 2};
  static const uint8_t ports[4] = {0xca, 0x6c, 0xca, 0x6c};
  uint8_t copy[42];
  if (size < 43 || length < 1 || length > 1472) return 0;
  memcpy(copy, f, 42);
  sample_ip_checksum(copy);
  int same_sum = (f[24] == copy[24] && f[25] == copy[25]) || (f[24] == 0xff && f[25] == 0xff);
  return memcmp(f, gateway_guest, 14) == 0 && f[14] == 0x45 && (f[20] & 0xbf) == 0 && f[21] == 0 &&
         f[23] == 17 && memcmp(f + 26, addresses, 8) == 0 && memcmp(f + 34, ports, 4) == 0 &&
         f[16] * 256u + f[17] == 28 + length && f[38] * 256u + f[39] == 8 + length &&
         42 + length <= size && same_sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  uint8_t *exact = malloc(size ? size : 1); /* so that a byte read too many is seen */
  memcpy(exact, data, size);
  struct verdict verdict = frame_judge(exact, size);
  if (verdict.kind == VERDICT_PASS) {
    CHECK(verdict.payload == exact + 42);
    CHECK(is_the_flow(exact, size, verdict.length));
  } else if (verdict.kind == VERDICT_ARP) {
    CHECK(size >= 42 && memcmp(exact + 6, SAMPLE_ARP + 6, 26) == 0);
    CHECK(memcmp(exact + 38, SAMPLE_ARP + 38, 4) == 0);
  } else {
    CHECK(verdict.reason < DROP_COUNT);
  }
  free(exact);
  return 0;
}

#ifndef LIBFUZZER
static uint64_t state;

/* xorshift64*, Vigna 2016. */
static uint32_t random32(void) {
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  return (uint32_t)((state * 0x2545F4914F6CDD1DULL) >> 32);
}

static size_t mutate(uint8_t *frame, size_t length) {
  for (unsigned changes = random32() % 4; changes > 0; changes--) {
    size_t at = random32() % (random32() % 4 ? 44 : length);
    static const uint8_t special[] = {0, 1, 0x45, 0x7f, 0x80, 0xff};
    frame[at] = random32() % 2 ? (uint8_t)random32() : special[random32() % sizeof special];
  }
  if (random32() % 8 == 0) length = random32() % (length + 1);
  if (random32() % 2) sample_ip_checksum(frame);
  return length;
}

int main(int argc, char **argv) {
  static uint8_t frame[2048];
  unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000, passed = 0;
  state = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)time(NULL) * 2654435761u + 1;
  printf("fuzz frames: %lu rounds; again: frames_fuzz %lu %llu\n", rounds, rounds,
         (unsigned long long)state);
  fflush(stdout);
  for (unsigned long i = 0; i < rounds; i++) {
    size_t length = sizeof SAMPLE_ARP;
    memcpy(frame, SAMPLE_ARP, length);
    if (random32() % 4) length = sample_udp(frame, 1 + random32() % 200);
    length = mutate(frame, length);
    LLVMFuzzerTestOneInput(frame, length);
    passed += frame_judge(frame, length).kind != VERDICT_DROP;
  }
  printf("ok fuzz: %lu of %lu frames were judged good, each rightly\n", passed, rounds);
  return passed == 0;
}
#endif

/* tsc: see tsc.h. */
#include "tsc.h"

#include <time.h>
#ifdef __x86_64__
#include <x86intrin.h>
#endif

/* Two readings 20 ms apart, each exact to about 100 ns: an error of some 10 ppm. */
#define SPAN_NS 20e6
/* A reading during which we lost the CPU is taken again. */
#define READING_NS_MAX 2000
#define TRIES_MAX 50

static double now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC_RAW, &now);
  return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static uint64_t ticks(void) {
#ifdef __x86_64__
  return __rdtsc();
#else
  return 0;
#endif
}

struct tsc_sample tsc_sample(void) {
  struct tsc_sample best = {0, 0};
  double best_width = 1e18;
  for (int i = 0; i < TRIES_MAX && best_width > READING_NS_MAX; i++) {
    double before = now_ns();
    uint64_t count = ticks();
    double width = now_ns() - before;
    if (width >= best_width) continue;
    best_width = width;
    best = (struct tsc_sample){before + width / 2, count};
  }
  return best;
}

long tsc_khz_since(struct tsc_sample begin) {
  double left = SPAN_NS - (now_ns() - begin.ns);
  if (left > 0) nanosleep(&(struct timespec){0, (long)left}, 0);
  struct tsc_sample end = tsc_sample();
  return (long)((double)(end.ticks - begin.ticks) / (end.ns - begin.ns) * 1e6 + 0.5);
}

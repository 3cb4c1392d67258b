/*
 * tsc: how fast this machine's time stamp counter runs.
 *
 * QEMU's emulation (TCG) hands the host's counter to the guest, but microvm has no other clock to
 * calibrate it by: without tsc_early_khz= about every fifth boot hangs for ever (measured).
 */
#ifndef OMERTA_TSC_H
#define OMERTA_TSC_H

#include <stdint.h>

struct tsc_sample {
  double ns;
  uint64_t ticks;
};

/* Both clocks at one moment. */
struct tsc_sample tsc_sample(void);
/* Waits until 20 ms have passed since `begin`; the counter's kHz, or 0 where there is none. */
long tsc_khz_since(struct tsc_sample begin);

#endif

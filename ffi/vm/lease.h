/*
 * lease: until when the VM may live, on CLOCK_BOOTTIME, which runs on while the machine sleeps.
 *
 *   deadline = min(end of life, max(deadline, now + lease))
 *
 * So nobody can shorten a lease by renewing it, and nobody can outlive the end of life.
 */
#ifndef OMERTA_LEASE_H
#define OMERTA_LEASE_H

#include <stdint.h>

struct lease {
  int64_t deadline_ms;
  int64_t life_end_ms;
};

struct lease lease_begin(int64_t now_ms, int64_t lease_ms, int64_t life_ms);
void lease_renew(struct lease *lease, int64_t now_ms, int64_t lease_ms);
/* What is left of either, never negative. */
int64_t lease_left(const struct lease *lease, int64_t now_ms);
int64_t lease_life_left(const struct lease *lease, int64_t now_ms);
/* Sets a timerfd of CLOCK_BOOTTIME to the deadline; -1 with errno. */
int lease_arm(const struct lease *lease, int timer);

#endif

/* lease: see lease.h. */
#include "lease.h"

#include <sys/timerfd.h>

static int64_t min(int64_t a, int64_t b) {
  return a < b ? a : b;
}

static int64_t max(int64_t a, int64_t b) {
  return a > b ? a : b;
}

struct lease lease_begin(int64_t now_ms, int64_t lease_ms, int64_t life_ms) {
  struct lease lease = {.deadline_ms = now_ms, .life_end_ms = now_ms + life_ms};
  lease_renew(&lease, now_ms, lease_ms);
  return lease;
}

void lease_renew(struct lease *lease, int64_t now_ms, int64_t lease_ms) {
  lease->deadline_ms = min(lease->life_end_ms, max(lease->deadline_ms, now_ms + lease_ms));
}

int64_t lease_left(const struct lease *lease, int64_t now_ms) {
  return max(0, lease->deadline_ms - now_ms);
}

int64_t lease_life_left(const struct lease *lease, int64_t now_ms) {
  return max(0, lease->life_end_ms - now_ms);
}

int lease_arm(const struct lease *lease, int timer) {
  int64_t at = max(1, lease->deadline_ms);
  struct itimerspec when = {.it_value = {at / 1000, (at % 1000) * 1000000}};
  return timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
}

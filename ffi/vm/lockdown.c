/* lockdown: see lockdown.h. */
#include "lockdown.h"

#include "landlock.h"
#include "seccomp.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int keep_capabilities(uint32_t keep) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct now[2] = {{0, 0, 0}, {0, 0, 0}};
  if (syscall(SYS_capget, &header, now) < 0) return -1;
  for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
    if (!(cap < 32 && (keep >> cap) & 1u) && prctl(PR_CAPBSET_DROP, cap) < 0 && errno != EPERM)
      return -1;
  uint32_t left = now[0].permitted & keep;
  struct __user_cap_data_struct kept[2] = {{left, left, 0}, {0, 0, 0}};
  return (int)syscall(SYS_capset, &header, kept);
}

int lockdown(int dir, bool foreign, struct failure *failure) {
  uint32_t keep = 1u << CAP_KILL | (foreign ? 1u << CAP_DAC_OVERRIDE : 0);
  bool ok = prctl(PR_SET_DUMPABLE, 0) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
            keep_capabilities(keep) == 0;
  if (!ok) return fail_errno(failure, "vm-failed", errno, "cannot give up privileges");
  int ignored = landlock_remover(dir); /* an older kernel: the call filter remains */
  (void)ignored;
#ifndef OMERTA_SANITIZE
  if (seccomp_lock_helper() < 0)
    return fail_errno(failure, "vm-failed", errno, "cannot restrict system calls");
#endif
  return 0;
}

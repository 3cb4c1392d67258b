/*
 * jail: what the child does between its birth and the exec of QEMU.
 *
 *   clone (namespaces) → own session → descriptors 0…8, all others closed → private root
 *     → own uid → (as root: user namespace) → limits → no_new_privs → Landlock
 *     → no capabilities → (with a PID namespace: init, and this is its child)
 *     → dies with its parent → call filter → exec
 *
 * A step that fails is reported to the parent, which tries again without it where it is one of
 * `features.h`; all others are not negotiable.
 */
#ifndef OMERTA_JAIL_H
#define OMERTA_JAIL_H

#include "features.h"
#include "reach.h"

/* QEMU's descriptors; 0 is /dev/null, 1 and 2 go to the helper's log. */
enum qemu_fd {
  QEMU_FD_STDIN,
  QEMU_FD_STDOUT,
  QEMU_FD_STDERR,
  QEMU_FD_KERNEL,
  QEMU_FD_INITRD,
  QEMU_FD_SERIAL,
  QEMU_FD_QMP,
  QEMU_FD_NIC,
  QEMU_FD_DISK,
  QEMU_FD_COUNT
};

struct jail {
  unsigned features;
  bool root; /* the helper runs as root, so QEMU gets another user */
  uid_t uid; /* of QEMU, where root */
  unsigned caller_uid, caller_gid; /* of the helper */
  bool kvm;
  int64_t kvm_group; /* of those who may use /dev/kvm; -1: none */
  uint64_t file_bytes; /* RLIMIT_FSIZE: as much as its disk holds */
  const char *qemu;    /* real path */
  char *const *argv;
  const struct reach *reach;
  int fds[QEMU_FD_COUNT]; /* what shall be at 0…8; -1: nothing */
  int lock;               /* for init to hold; -1: none */
};

/* What the child says: `step` is a feature, or one of these. */
enum { STEP_READY = 100, STEP_CLONE, STEP_EXEC, STEP_MANDATORY };

struct jail_report {
  int step;
  int error;
  char what[32];
};

/* Never returns. `sync` is a SEQPACKET socket to the parent. */
_Noreturn void jail_enter(const struct jail *jail, int sync);

#endif

/*
 * linux_abi: system calls and constants younger than the oldest C library we build with.
 *
 * Source: include/uapi/linux/{mount,landlock,sched,close_range,memfd}.h of Linux 6.18. The numbers are
 * the same on every architecture from 424 on.
 */
#ifndef OMERTA_LINUX_ABI_H
#define OMERTA_LINUX_ABI_H

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#define NR_PIDFD_SEND_SIGNAL 424
#define NR_OPEN_TREE 428
#define NR_MOVE_MOUNT 429
#define NR_FSOPEN 430
#define NR_FSCONFIG 431
#define NR_FSMOUNT 432
#define NR_CLOSE_RANGE 436
#define NR_MOUNT_SETATTR 442
#define NR_LANDLOCK_CREATE_RULESET 444
#define NR_LANDLOCK_ADD_RULE 445
#define NR_LANDLOCK_RESTRICT_SELF 446

#define ABI_OPEN_TREE_CLONE 1u
#define ABI_AT_RECURSIVE 0x8000u
#define ABI_AT_EMPTY_PATH 0x1000u
#define ABI_MOVE_FROM_EMPTY 0x4u
#define ABI_FSCONFIG_SET_STRING 1u
#define ABI_FSCONFIG_CREATE 6u
#define ABI_MOUNT_RDONLY 0x1u
#define ABI_MOUNT_NOSUID 0x2u
#define ABI_MOUNT_NODEV 0x4u
#define ABI_MOUNT_NOEXEC 0x8u
#define ABI_CLONE_PIDFD 0x1000u
#define ABI_MFD_NOEXEC_SEAL 0x8u

struct abi_mount_attr {
  uint64_t set, clear, propagation, userns_fd;
};

struct abi_landlock_ruleset {
  uint64_t fs, net, scoped;
};

struct abi_landlock_path {
  uint64_t access;
  int32_t fd;
} __attribute__((packed));

static inline int abi_pidfd_signal(int pidfd, int signal) {
  return (int)syscall(NR_PIDFD_SEND_SIGNAL, pidfd, signal, NULL, 0);
}
static inline int abi_open_tree(int dir, const char *path, unsigned flags) {
  return (int)syscall(NR_OPEN_TREE, dir, path, flags | O_CLOEXEC);
}
static inline int abi_move_mount(int from, int dir, const char *path) {
  return (int)syscall(NR_MOVE_MOUNT, from, "", dir, path, ABI_MOVE_FROM_EMPTY);
}
static inline int abi_mount_setattr(int dir, const char *path, unsigned flags, uint64_t set) {
  struct abi_mount_attr attr = {.set = set};
  return (int)syscall(NR_MOUNT_SETATTR, dir, path, flags, &attr, sizeof attr);
}
static inline int abi_close_range(unsigned first, unsigned last) {
  return (int)syscall(NR_CLOSE_RANGE, first, last, 0);
}
/* The older of the two calls: containers often refuse clone3, whose flags a filter cannot see. */
static inline pid_t abi_clone(uint64_t flags, int *pidfd) {
  return (pid_t)syscall(SYS_clone, flags | ABI_CLONE_PIDFD | SIGCHLD, NULL, pidfd, NULL, 0);
}

#endif

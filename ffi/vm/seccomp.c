/*
 * seccomp: see seccomp.h.
 *
 *   arch = x86-64? else kill · number of the x32 table? kill
 *     · (QEMU) by argument: clone, prctl · listed? → action · else default
 */
#include "seccomp.h"

#include "util.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define X32_BIT 0x40000000u
#define CALLS_MAX 80

/* Not for QEMU: each is either a way out of a jail or kernel surface without use to it. */
static const unsigned short DENIED[] = {
    SYS_socket, SYS_connect, SYS_bind, SYS_listen, SYS_accept, SYS_accept4, SYS_ptrace,
    SYS_process_vm_readv, SYS_process_vm_writev, SYS_mount, SYS_umount2, SYS_pivot_root,
    SYS_execveat, SYS_modify_ldt, SYS_vmsplice, /* older QEMUs' own filter lets them pass */
    SYS_chroot, SYS_unshare, SYS_setns, SYS_bpf, SYS_perf_event_open, SYS_userfaultfd,
    SYS_add_key, SYS_request_key, SYS_keyctl, SYS_init_module, SYS_finit_module,
    SYS_delete_module, SYS_kexec_load, SYS_kexec_file_load, SYS_reboot, SYS_swapon, SYS_swapoff,
    SYS_acct, SYS_quotactl, SYS_settimeofday, SYS_clock_settime, SYS_adjtimex, SYS_clock_adjtime,
    SYS_open_by_handle_at, SYS_name_to_handle_at, SYS_fanotify_init, SYS_iopl, SYS_ioperm,
    SYS_mknod, SYS_mknodat, SYS_syslog, SYS_vhangup, SYS_personality, SYS_lookup_dcookie,
    SYS_move_pages, SYS_migrate_pages, SYS_kcmp, SYS_io_uring_setup, SYS_io_uring_enter,
    SYS_io_uring_register, SYS_pidfd_open, 428 /* open_tree */, 429 /* move_mount */,
    430 /* fsopen */, 431 /* fsconfig */, 432 /* fsmount */, 433 /* fspick */,
    438 /* pidfd_getfd */, 442 /* mount_setattr */, 443 /* quotactl_fd */, 467 /* open_tree_attr */,
    SYS_fork, SYS_vfork, /* a child would not be bound to our death signal */
};

/* For the helper: moving bytes, timers, ending QEMU, and putting its own folder in order. */
static const unsigned short ALLOWED[] = {
    SYS_read, SYS_write, SYS_pwrite64, SYS_close, SYS_poll, SYS_ppoll, SYS_recvmsg, SYS_sendmsg,
    SYS_recvmmsg, SYS_sendmmsg, SYS_recvfrom, SYS_sendto, SYS_accept4, SYS_getsockopt,
    SYS_setsockopt, SYS_timerfd_settime, SYS_clock_gettime, 424 /* pidfd_send_signal */,
    SYS_waitid, SYS_wait4, SYS_ftruncate, SYS_fsync, SYS_renameat, SYS_renameat2, SYS_unlinkat, SYS_fstat,
    SYS_newfstatat, SYS_restart_syscall, SYS_rt_sigreturn, SYS_exit, SYS_exit_group, SYS_getpid, SYS_geteuid,
    SYS_dup2,
};

/* For init: waiting, and ending what it waits for. */
static const unsigned short ALLOWED_TO_INIT[] = {
    SYS_rt_sigtimedwait, SYS_wait4, SYS_kill, SYS_rt_sigreturn, SYS_restart_syscall, SYS_exit, SYS_exit_group,
};

_Static_assert(COUNT_OF(DENIED) <= CALLS_MAX && COUNT_OF(ALLOWED) <= CALLS_MAX, "too many calls");

struct program {
  struct sock_filter code[2 * CALLS_MAX + 40];
  unsigned short length;
};

static void emit(struct program *program, struct sock_filter instruction) {
  program->code[program->length++] = instruction;
}

static void load(struct program *program, size_t offset) {
  emit(program, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offset));
}

static void give(struct program *program, unsigned action) {
  emit(program, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action));
}

static void skip_unless(struct program *program, unsigned short test, unsigned value) {
  emit(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_K | test, value, 0, 1));
}

static void refuse(struct program *program, int error) {
  give(program, SECCOMP_RET_ERRNO | (unsigned)error);
}

/* Jumps over what judges the arguments of `call`, `length` instructions, if it is another. */
static void begin_call(struct program *program, unsigned call, unsigned char length) {
  emit(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, length));
}

/* The half of an argument that holds its lower bits comes first: x86-64 is little endian. */
static void load_argument(struct program *program, unsigned index, bool upper) {
  load(program, offsetof(struct seccomp_data, args) + 8 * index + (upper ? 4 : 0));
}

/* Threads only, in the namespaces that are there. The kernel looks at 32 bits of the flags. */
static void judge_clone(struct program *program) {
  const unsigned spaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                          CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
  begin_call(program, SYS_clone, 6);
  load_argument(program, 0, false);
  skip_unless(program, BPF_JSET, spaces);
  refuse(program, EPERM);
  emit(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 1, 0));
  refuse(program, EPERM);
  load(program, offsetof(struct seccomp_data, nr));
}

/* The death signal stays what it is. Of the option the kernel looks at 32 bits, of the signal at 64. */
static void judge_prctl(struct program *program) {
  begin_call(program, SYS_prctl, 8);
  load_argument(program, 0, false);
  emit(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PR_SET_PDEATHSIG, 0, 5));
  load_argument(program, 1, true);
  emit(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 2));
  load_argument(program, 1, false);
  emit(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SIGKILL, 1, 0));
  refuse(program, EPERM);
  load(program, offsetof(struct seccomp_data, nr));
}

/* A filter cannot see the flags of clone3; C libraries fall back to clone where there is none. */
static void judge_arguments(struct program *program) {
  skip_unless(program, BPF_JEQ, 435 /* clone3 */);
  refuse(program, ENOSYS);
  judge_clone(program);
  judge_prctl(program);
}

struct policy {
  const unsigned short *calls;
  size_t count;
  unsigned listed, other; /* what comes of these calls, and of all others */
  bool by_argument;
};

static int install(const struct policy *policy) {
  struct program program = {.length = 0};
  load(&program, offsetof(struct seccomp_data, arch));
  emit(&program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0));
  give(&program, SECCOMP_RET_KILL_PROCESS);
  load(&program, offsetof(struct seccomp_data, nr));
  skip_unless(&program, BPF_JGE, X32_BIT);
  give(&program, SECCOMP_RET_KILL_PROCESS);
  if (policy->by_argument) judge_arguments(&program);
  for (size_t i = 0; i < policy->count; i++) {
    skip_unless(&program, BPF_JEQ, policy->calls[i]);
    give(&program, policy->listed);
  }
  give(&program, policy->other);
  struct sock_fprog filter = {.len = program.length, .filter = program.code};
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0);
}

static int allow_only(const unsigned short *calls, size_t count) {
  return install(&(struct policy){.calls = calls, .count = count, .listed = SECCOMP_RET_ALLOW,
                                  .other = SECCOMP_RET_KILL_PROCESS});
}

int seccomp_deny_for_qemu(void) {
  return install(&(struct policy){.calls = DENIED, .count = COUNT_OF(DENIED),
                                  .listed = SECCOMP_RET_ERRNO | EPERM, .other = SECCOMP_RET_ALLOW,
                                  .by_argument = true});
}

int seccomp_lock_helper(void) {
  return allow_only(ALLOWED, COUNT_OF(ALLOWED));
}

int seccomp_lock_init(void) {
  return allow_only(ALLOWED_TO_INIT, COUNT_OF(ALLOWED_TO_INIT));
}

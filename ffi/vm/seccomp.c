/*
 * seccomp: see seccomp.h.
 *
 *   arch = x86-64? else kill · number of the x32 table? kill · listed? → action · else default
 */
#include "seccomp.h"

#include "util.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
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
    438 /* pidfd_getfd */, 442 /* mount_setattr */,
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

_Static_assert(COUNT_OF(DENIED) <= CALLS_MAX && COUNT_OF(ALLOWED) <= CALLS_MAX, "too many calls");

struct program {
  struct sock_filter code[2 * CALLS_MAX + 16];
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

static int install(const unsigned short *calls, size_t count, unsigned listed, unsigned other) {
  struct program program = {.length = 0};
  load(&program, offsetof(struct seccomp_data, arch));
  emit(&program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0));
  give(&program, SECCOMP_RET_KILL_PROCESS);
  load(&program, offsetof(struct seccomp_data, nr));
  skip_unless(&program, BPF_JGE, X32_BIT);
  give(&program, SECCOMP_RET_KILL_PROCESS);
  for (size_t i = 0; i < count; i++) {
    skip_unless(&program, BPF_JEQ, calls[i]);
    give(&program, listed);
  }
  give(&program, other);
  struct sock_fprog filter = {.len = program.length, .filter = program.code};
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0);
}

int seccomp_deny_for_qemu(void) {
  return install(DENIED, COUNT_OF(DENIED), SECCOMP_RET_ERRNO | EPERM, SECCOMP_RET_ALLOW);
}

int seccomp_lock_helper(void) {
  return install(ALLOWED, COUNT_OF(ALLOWED), SECCOMP_RET_ALLOW, SECCOMP_RET_KILL_PROCESS);
}

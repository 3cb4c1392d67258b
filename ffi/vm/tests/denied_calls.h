/*
 * denied_calls: what no program in QEMU's place may do at all. Written from what each call can be
 * used for, not from seccomp.c, which it tests: whoever takes one off there has to say so here.
 *
 * Numbers without a name are younger than the oldest C library we build with.
 */
#ifndef OMERTA_DENIED_CALLS_H
#define OMERTA_DENIED_CALLS_H

#include <sys/syscall.h>

static const long DENIED_CALLS[] = {
    /* ways out of it: sockets that reach others */
    SYS_socket, SYS_connect, SYS_bind, SYS_listen, SYS_accept, SYS_accept4,
    /* other processes */
    SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_kcmp, SYS_pidfd_open,
    438 /* pidfd_getfd */, SYS_move_pages, SYS_migrate_pages, SYS_execveat,
    /* namespaces and mounts */
    SYS_unshare, SYS_setns, SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, 428 /* open_tree */,
    429 /* move_mount */, 430 /* fsopen */, 431 /* fsconfig */, 432 /* fsmount */, 433 /* fspick */,
    442 /* mount_setattr */, 467 /* open_tree_attr */,
    /* files past their names */
    SYS_open_by_handle_at, SYS_name_to_handle_at, SYS_fanotify_init, SYS_mknod, SYS_mknodat,
    SYS_lookup_dcookie, SYS_quotactl, 443 /* quotactl_fd */, SYS_acct,
    /* large and often broken parts of the kernel */
    SYS_bpf, SYS_perf_event_open, SYS_userfaultfd, SYS_io_uring_setup, SYS_io_uring_enter,
    SYS_io_uring_register, SYS_add_key, SYS_request_key, SYS_keyctl, SYS_vmsplice, SYS_modify_ldt,
    SYS_personality,
    /* the machine itself */
    SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_kexec_load, SYS_kexec_file_load,
    SYS_reboot, SYS_swapon, SYS_swapoff, SYS_settimeofday, SYS_clock_settime, SYS_adjtimex,
    SYS_clock_adjtime, SYS_iopl, SYS_ioperm, SYS_syslog, SYS_vhangup,
};

#define DENIED_CALLS_COUNT (sizeof DENIED_CALLS / sizeof DENIED_CALLS[0])

/* A number of the x32 table: the same calls by another entry. */
#define X32(number) ((number) | 0x40000000L)

/* Arguments that no call takes for good, so that nothing happens where one is let through. */
#define TRY_CALL(number) syscall((number), -1L, -1L, -1L, -1L, -1L, -1L)

#endif

/*
 * seccomp: the three system call filters, written by hand as BPF.
 *
 *   QEMU    deny list from before its exec: what QEMU's own -sandbox leaves open and no guest
 *           needs (new sockets, namespaces, mounts, tracing, io_uring …) fails with EPERM;
 *           of new processes only threads; the death signal cannot be taken back
 *   helper  allow list once QEMU runs: anything else kills the helper, and with it QEMU
 *   init    allow list: waiting and killing
 */
#ifndef OMERTA_SECCOMP_H
#define OMERTA_SECCOMP_H

/* All need no_new_privs. 0, or -1 with errno. */
int seccomp_deny_for_qemu(void);
int seccomp_lock_helper(void);
int seccomp_lock_init(void);

#endif

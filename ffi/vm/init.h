/*
 * init: process 1 of the PID namespace in which QEMU lives, so that QEMU never is.
 *
 *   helper ──clone──▶ init (1) ──fork──▶ QEMU (2)
 *
 * It waits for one of two things: QEMU's end, or the helper's, of which the kernel tells it by a
 * signal. Then it kills all that is left in the namespace, reaps it, and ends; whatever kills init
 * itself ends the namespace too. It holds the lock of VMDIR, which is therefore not free before the
 * last process of the VM is gone, whatever became of the helper. QEMU's end is passed on as init's
 * own: its exit status, or INIT_BY_SIGNAL + the signal, as shells do.
 */
#ifndef OMERTA_INIT_H
#define OMERTA_INIT_H

#define INIT_BY_SIGNAL 128

/* Becomes init, keeping no descriptor but `lock` (-1: none), and returns in its child only, with
 * all signals as they were. -1 with errno if there can be no child. */
int init_split(int lock);

#endif

/*
 * landlock: bounds the files that a process can open, for itself and all that it starts.
 *
 * Two uses: QEMU may read its program files; the helper may only remove and rename in its folder.
 * Where the kernel is older, rights that it does not know are left out (ABI 1 to 7).
 */
#ifndef OMERTA_LANDLOCK_H
#define OMERTA_LANDLOCK_H

#include "reach.h"

/* The version of Landlock that this kernel has; 0: none. */
int landlock_abi(void);

/* Bounds this process to reading `reach` and the open files `fds` (-1 entries are skipped), and to
 * /dev/kvm if `kvm`; no TCP, no abstract sockets, no signals to outside. 0, or -1 with errno. */
int landlock_reader(const struct reach *reach, const int *fds, size_t count, bool kvm);

/* Bounds this process to removing and renaming files in the folder `dir`; -1: to nothing. */
int landlock_remover(int dir);

#endif

/*
 * lockdown: the helper gives up what it no longer needs, before it reads a byte of a guest.
 *
 * Not dumpable, no new privileges, of root's capabilities only the right to signal QEMU (and to
 * write a folder that is not root's), files by Landlock, system calls by an allow-list.
 */
#ifndef OMERTA_LOCKDOWN_H
#define OMERTA_LOCKDOWN_H

#include "util.h"

/* `dirs`: the folders in which files may still be removed and renamed (-1 is skipped).
 * `foreign`: they belong to another user than this process. */
int lockdown(const int *dirs, size_t count, bool foreign, struct failure *failure);

#endif

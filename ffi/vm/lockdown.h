/*
 * lockdown: the helper gives up what it no longer needs, before it reads a byte of a guest.
 *
 * Not dumpable, no new privileges, of root's capabilities only the right to signal QEMU (and to
 * write a folder that is not root's), files by Landlock, system calls by an allow-list.
 */
#ifndef OMERTA_LOCKDOWN_H
#define OMERTA_LOCKDOWN_H

#include "util.h"

/* `dir`: the folder in which files may still be removed and renamed; -1: none.
 * `foreign`: it belongs to another user than this process. */
int lockdown(int dir, bool foreign, struct failure *failure);

#endif

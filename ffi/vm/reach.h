/*
 * reach: the files that QEMU may see: its own program, libraries and firmware, nothing of a user.
 *
 * The list serves twice: as the mounts of the private root, and as the rules of Landlock.
 */
#ifndef OMERTA_REACH_H
#define OMERTA_REACH_H

#include "util.h"

#include <limits.h>

#define REACH_MAX 16

struct reach {
  char paths[REACH_MAX][PATH_MAX]; /* absolute, existing; a link, a directory or a file */
  size_t count;
};

/* Lists what `qemu`, a real path without links, needs. */
void reach_of(struct reach *reach, const char *qemu);

#endif

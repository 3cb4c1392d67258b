/*
 * root: QEMU's own root directory: an empty tmpfs with read-only views of what `reach` lists,
 * a /proc of its own PID namespace and, for KVM, one device.
 */
#ifndef OMERTA_ROOT_H
#define OMERTA_ROOT_H

#include "reach.h"

struct root {
  const struct reach *reach;
  bool kvm;
  bool own_proc;  /* the process has a PID namespace of its own */
  uid_t kvm_user; /* who may open the device, where `make_device` */
  bool make_device;
  const char *failed; /* set by root_enter(): the piece that could not be made */
};

/* Moves this process, alone in its mount namespace, into the new root. 0, or -1 with errno; after
 * a failure the process is good for nothing but ending. */
int root_enter(struct root *root);

#endif

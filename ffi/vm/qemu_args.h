/*
 * qemu_args: QEMU's command line. No value of a spec stands in it but numbers and `append`, which
 * is one whole argument: nothing can be injected into an option.
 */
#ifndef OMERTA_QEMU_ARGS_H
#define OMERTA_QEMU_ARGS_H

#include "util.h"

#define ARGS_MAX 64

struct qemu_wish {
  bool kvm;
  bool disk;
  int64_t disk_ops; /* that may be done with it in a second, and bytes */
  int64_t disk_bytes;
  bool version_only; /* start no machine, only the monitor */
  int64_t cpus;
  int64_t memory_mib;
  const char *append;
  long tsc_khz;
};

struct qemu_args {
  char bytes[8192];
  char *argv[ARGS_MAX];
};

/* Fills `args`; -1 if something did not fit. */
int qemu_args(struct qemu_args *args, const char *qemu, const struct qemu_wish *wish);

#endif

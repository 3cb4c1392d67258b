/*
 * launch: starts QEMU in as much of the jail as this kernel gives, and hands back its ends.
 */
#ifndef OMERTA_LAUNCH_H
#define OMERTA_LAUNCH_H

#include "features.h"
#include "qemu_args.h"

#include <limits.h>
#include <signal.h>

struct machine {
  pid_t pid;  /* of init, or of QEMU where there is none: whose end is the end of all */
  int pidfd;
  pid_t qemu; /* for people to look at */
  int qmp;    /* stream to QEMU's monitor */
  int serial; /* stream to the guest's first serial port */
  int nic;    /* datagrams: the guest's Ethernet frames */
  int err;    /* what QEMU says on stdout and stderr */
  unsigned missing;   /* features that this QEMU has not got */
  int landlock_abi;   /* 0: none */
  char why[256];      /* what the kernel said, for the log */
  int64_t started_ms; /* CLOCK_BOOTTIME */
};

struct launch {
  const char *qemu; /* real path, see find_qemu() */
  struct qemu_wish wish;
  int kernel; /* open files, which stay the caller's; -1: none */
  int initrd;
  int disk;
  int lock; /* held by init, so that it is free when nothing runs; -1: none */
  uint64_t disk_bytes;
  unsigned features; /* of the jail, to try; FEATURES_ALL at first */
};

/* Finds what `path` really is; qemu-missing if it cannot be executed. */
int find_qemu(const char *path, char real[PATH_MAX], struct failure *failure);

/* Starts QEMU; 0 once its program has been executed, or -1 with nothing left behind. */
int launch(const struct launch *launch, struct machine *machine, struct failure *failure);

/* launch(), and waits until QEMU's monitor speaks; an early end of QEMU is a failure with its last
 * words, or, where it could not find its libraries in the private root, tried again without. */
int launch_speaking(struct launch *launch, struct machine *machine, struct failure *failure);

/* The last line of what QEMU has printed and nobody has read; "" if there is none. */
void machine_words(const struct machine *machine, char *words, size_t size);

/* How QEMU ended, from the end of `pid`: whether by a signal, and its number or the exit status. */
struct machine_end {
  bool by_signal;
  int number;
};
struct machine_end machine_end(const siginfo_t *status);

/* Kills QEMU, waits for its end and closes all. */
void machine_destroy(struct machine *machine);

/* A memfd of `first` (optional, -1; padded to 4 bytes) and then `second`, sealed. */
int sealed_copy(const char *name, int first, int second, struct failure *failure);

#endif

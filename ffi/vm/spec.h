/*
 * spec: what the node asks for, as `key=value` lines on stdin, read strictly.
 *
 * An unknown, missing or repeated key, a NUL, a relative path, a number out of its range or more
 * than 64 KiB is an error: the helper runs hostile guests and guesses nothing.
 */
#ifndef OMERTA_SPEC_H
#define OMERTA_SPEC_H

#include "util.h"

#include <limits.h>

#define SPEC_BYTES_MAX (64 * 1024)
/* COMMAND_LINE_SIZE of x86, less what the helper appends. */
#define APPEND_MAX (2048 - 64)

enum spec_mode { SPEC_RUN = 1, SPEC_PROBE = 2 };

struct spec {
  char qemu[PATH_MAX];
  char kernel[PATH_MAX];
  char initrd[PATH_MAX];
  char seed[PATH_MAX]; /* empty: none */
  char disk[PATH_MAX]; /* empty: none */
  char append[APPEND_MAX];
  bool kvm;
  int64_t cpus;
  int64_t memory_mib;
  int64_t lease_ms;
  int64_t life_ms;
  int64_t timeout_ms;
  int64_t wire_packets; /* a second, each way; these four are 0 where they are left out */
  int64_t wire_bytes;
  int64_t disk_ops; /* a second, both ways together */
  int64_t disk_bytes;
};

/* Reads `length` bytes of text (a copy is not kept) into `spec`; 0, or -1 with `failure`. */
int spec_parse(struct spec *spec, enum spec_mode mode, const char *text, size_t length,
               struct failure *failure);

/* A decimal number of milliseconds etc. without sign or space, within [min, max]; -1 if not. */
int64_t parse_number(const char *text, size_t length, int64_t min, int64_t max);

#endif

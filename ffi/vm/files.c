/* files: what QEMU boots from, held in memory so that nothing can change under it. */
#include "launch.h"

#include "linux_abi.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

/* A seed or an initramfs above this is a mistake; guess. */
#define FILE_BYTES_MAX (1LL << 30)

static int append_file(int to, int from, struct failure *failure) {
  struct stat facts;
  if (fstat(from, &facts) < 0 || !S_ISREG(facts.st_mode) || facts.st_size > FILE_BYTES_MAX)
    return fail(failure, "vm-failed", "a file to boot from is no file, or larger than 1 GiB");
  off_t at = 0;
  while (at < facts.st_size) {
    ssize_t sent = sendfile(to, from, &at, (size_t)(facts.st_size - at));
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return fail_errno(failure, "vm-failed", errno, "cannot read a file to boot from");
    if (sent == 0) return fail(failure, "vm-failed", "a file to boot from became shorter");
  }
  return 0;
}

/* The kernel looks for the next archive at a multiple of four. */
static int pad(int fd, struct failure *failure) {
  static const char zeros[4];
  off_t end = lseek(fd, 0, SEEK_CUR);
  size_t missing = (size_t)(-end & 3);
  if (missing == 0 || write_all(fd, zeros, missing) == 0) return 0;
  return fail_errno(failure, "vm-failed", errno, "cannot write to memory");
}

/* Some systems refuse memory that could be executed; older kernels do not know the question. */
static int take_memory(const char *name) {
  int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | ABI_MFD_NOEXEC_SEAL);
  return fd >= 0 || errno != EINVAL ? fd : memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

static int seal(int fd) {
  return fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
}

int sealed_copy(const char *name, int first, int second, struct failure *failure) {
  int fd = take_memory(name);
  if (fd < 0) return fail_errno(failure, "vm-failed", errno, "cannot take memory");
  int result = 0;
  if (first >= 0) result = append_file(fd, first, failure);
  if (result == 0 && first >= 0) result = pad(fd, failure);
  if (result == 0) result = append_file(fd, second, failure);
  if (result == 0 && seal(fd) < 0)
    result = fail_errno(failure, "vm-failed", errno, "cannot seal memory");
  if (result == 0) return fd;
  close(fd);
  return -1;
}

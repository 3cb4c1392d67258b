/* landlock: see landlock.h. */
#include "landlock.h"

#include "linux_abi.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* LANDLOCK_ACCESS_FS_… */
#define FS_EXECUTE (1u << 0)
#define FS_WRITE_FILE (1u << 1)
#define FS_READ_FILE (1u << 2)
#define FS_READ_DIR (1u << 3)
#define FS_REMOVE_FILE (1u << 5)
#define FS_MAKE_REG (1u << 8)
#define FS_IOCTL_DEV (1u << 15)
#define FS_OF_FILES (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_IOCTL_DEV)

/* Rights known to each ABI: 1 → 13 rights, 2 adds refer, 3 truncate, 5 ioctl on devices. */
static uint64_t known_rights(int abi) {
  int bits = abi >= 5 ? 16 : abi >= 3 ? 15 : abi >= 2 ? 14 : 13;
  return (1u << bits) - 1;
}

int landlock_abi(void) {
  int abi = (int)syscall(NR_LANDLOCK_CREATE_RULESET, NULL, 0, 1);
  return abi < 0 ? 0 : abi;
}

static int create(uint64_t *handled, bool isolate) {
  int abi = landlock_abi();
  if (abi < 1) return -1;
  struct abi_landlock_ruleset rules = {.fs = known_rights(abi)};
  if (isolate && abi >= 4) rules.net = 3;    /* bind and connect of TCP */
  if (isolate && abi >= 6) rules.scoped = 3; /* abstract unix sockets and signals */
  *handled = rules.fs;
  return (int)syscall(NR_LANDLOCK_CREATE_RULESET, &rules, sizeof rules, 0);
}

static int allow(int ruleset, int fd, uint64_t access) {
  struct abi_landlock_path rule = {.access = access, .fd = fd};
  return (int)syscall(NR_LANDLOCK_ADD_RULE, ruleset, 1, &rule, 0);
}

static int allow_path(int ruleset, const char *path, uint64_t access) {
  int fd = open(path, O_PATH | O_CLOEXEC);
  if (fd < 0) return errno == ENOENT ? 0 : -1;
  struct stat facts;
  int result = fstat(fd, &facts);
  if (result == 0) result = allow(ruleset, fd, S_ISDIR(facts.st_mode) ? access : access & FS_OF_FILES);
  close(fd);
  return result;
}

static int restrict_self(int ruleset, int result) {
  if (result == 0) result = (int)syscall(NR_LANDLOCK_RESTRICT_SELF, ruleset, 0);
  int error = errno;
  close(ruleset);
  errno = error;
  return result;
}

static int allow_fds(int ruleset, const int *fds, size_t count, uint64_t access) {
  for (size_t i = 0; i < count; i++) {
    /* A memfd lies in no folder and needs no rule: EBADFD says so. */
    if (fds[i] >= 0 && allow(ruleset, fds[i], access) < 0 && errno != EBADFD) return -1;
  }
  return 0;
}

int landlock_reader(const struct reach *reach, const int *fds, size_t count, bool kvm) {
  uint64_t handled;
  int ruleset = create(&handled, true);
  if (ruleset < 0) return -1;
  int result = allow_fds(ruleset, fds, count, FS_READ_FILE);
  uint64_t reading = FS_EXECUTE | FS_READ_FILE | FS_READ_DIR;
  for (size_t i = 0; result == 0 && i < reach->count; i++)
    result = allow_path(ruleset, reach->paths[i], reading);
  uint64_t using = (FS_READ_FILE | FS_WRITE_FILE | FS_IOCTL_DEV) & handled;
  if (result == 0 && kvm) result = allow_path(ruleset, "/dev/kvm", using);
  return restrict_self(ruleset, result);
}

int landlock_remover(int dir) {
  uint64_t handled;
  int ruleset = create(&handled, false);
  if (ruleset < 0) return -1;
  int result = dir < 0 ? 0 : allow(ruleset, dir, FS_REMOVE_FILE | FS_MAKE_REG);
  return restrict_self(ruleset, result);
}

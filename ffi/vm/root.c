/*
 * root: see root.h.
 *
 * With the mount calls of Linux 5.2 to 5.12 every piece is first made as a descriptor, out of
 * sight, and then put in its place with all its restrictions on.
 */
#include "root.h"

#include "linux_abi.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static int new_filesystem(const char *type, const char *option, const char *value, unsigned attr) {
  int context = (int)syscall(NR_FSOPEN, type, 1 /* FSOPEN_CLOEXEC */);
  if (context < 0) return -1;
  int result = 0;
  if (option != NULL)
    result = (int)syscall(NR_FSCONFIG, context, ABI_FSCONFIG_SET_STRING, option, value, 0);
  if (result == 0) result = (int)syscall(NR_FSCONFIG, context, ABI_FSCONFIG_CREATE, NULL, NULL, 0);
  if (result == 0) result = (int)syscall(NR_FSMOUNT, context, 1 /* FSMOUNT_CLOEXEC */, attr);
  int error = errno;
  close(context);
  errno = error;
  return result;
}

/* The /proc of our PID namespace, without what is not about processes. */
static int new_proc(void) {
  unsigned attr = ABI_MOUNT_RDONLY | ABI_MOUNT_NOSUID | ABI_MOUNT_NODEV | ABI_MOUNT_NOEXEC;
  return new_filesystem("proc", "subset", "pid", attr);
}

/* A detached copy of what is mounted at `path`. */
static int view(const char *path, uint64_t attr) {
  int tree = abi_open_tree(AT_FDCWD, path, ABI_OPEN_TREE_CLONE | ABI_AT_RECURSIVE);
  if (tree < 0) return -1;
  if (abi_mount_setattr(tree, "", ABI_AT_EMPTY_PATH | ABI_AT_RECURSIVE, attr) == 0) return tree;
  int error = errno;
  close(tree);
  errno = error;
  return -1;
}

/* Makes the folders above `path` (absolute), below the folder `base`. */
static int make_parents(int base, const char *path) {
  char part[PATH_MAX];
  for (const char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
    snprintf(part, sizeof part, "%.*s", (int)(slash - path - 1), path + 1);
    if (mkdirat(base, part, 0755) < 0 && errno != EEXIST) return -1;
  }
  return 0;
}

static int make_place(int base, const char *path, bool folder) {
  if (make_parents(base, path) < 0) return -1;
  if (folder) return mkdirat(base, path + 1, 0755) < 0 && errno != EEXIST ? -1 : 0;
  int fd = openat(base, path + 1, O_CREAT | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (fd < 0) return -1;
  close(fd);
  return 0;
}

static int put(int base, int tree, const char *path, bool folder) {
  int result = tree < 0 ? -1 : make_place(base, path, folder);
  if (result == 0) result = abi_move_mount(tree, base, path + 1);
  int error = errno;
  if (tree >= 0) close(tree);
  errno = error;
  return result;
}

static int put_link(int base, const char *path) {
  char target[PATH_MAX];
  ssize_t length = readlink(path, target, sizeof target - 1);
  if (length < 0 || make_parents(base, path) < 0) return -1;
  target[length] = 0;
  return symlinkat(target, base, path + 1);
}

static int put_reach(int base, const char *path) {
  struct stat facts;
  if (lstat(path, &facts) < 0) return -1;
  if (S_ISLNK(facts.st_mode)) return put_link(base, path);
  uint64_t attr = ABI_MOUNT_RDONLY | ABI_MOUNT_NOSUID | ABI_MOUNT_NODEV;
  return put(base, view(path, attr), path, S_ISDIR(facts.st_mode));
}

/* The device as it is, or, when QEMU gets a user of its own, a node that only this one may open. */
static int put_device(int base, const struct root *root) {
  struct stat facts;
  if (!root->make_device)
    return put(base, view("/dev/kvm", ABI_MOUNT_NOSUID | ABI_MOUNT_NOEXEC), "/dev/kvm", false);
  if (stat("/dev/kvm", &facts) < 0 || make_parents(base, "/dev/kvm") < 0) return -1;
  if (mknodat(base, "dev/kvm", S_IFCHR | 0600, facts.st_rdev) < 0) return -1;
  return fchownat(base, "dev/kvm", root->kvm_user, root->kvm_user, AT_SYMLINK_NOFOLLOW);
}

static int fill(int base, int proc, struct root *root) {
  for (size_t i = 0; i < root->reach->count; i++) {
    root->failed = root->reach->paths[i];
    if (put_reach(base, root->failed) < 0) return -1;
  }
  root->failed = "/proc in place";
  if (put(base, proc, "/proc", true) < 0) return -1;
  root->failed = "/dev/kvm";
  return root->kvm ? put_device(base, root) : 0;
}

static int become_root(int base) {
  if (fchdir(base) < 0) return -1;
  if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0) return -1;
  if (chdir("/") < 0) return -1;
  return abi_mount_setattr(AT_FDCWD, "/", 0, ABI_MOUNT_RDONLY);
}

static int make_proc(const struct root *root) {
  uint64_t attr = ABI_MOUNT_RDONLY | ABI_MOUNT_NOSUID | ABI_MOUNT_NODEV | ABI_MOUNT_NOEXEC;
  return root->own_proc ? new_proc() : view("/proc", attr);
}

/* First it is put over a folder that surely exists: before Linux 6.15 nothing can be mounted on what
 * is not itself in place. */
static int fill_and_become(int base, int proc, struct root *root) {
  root->failed = "the new root";
  if (abi_move_mount(base, AT_FDCWD, "/proc") < 0) return -1;
  if (fill(base, proc, root) < 0) return -1;
  root->failed = "the change of root";
  return become_root(base);
}

int root_enter(struct root *root) {
  root->failed = "private mounts";
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) return -1;
  root->failed = "/proc";
  int proc = make_proc(root);
  if (proc < 0) return -1;
  root->failed = "tmpfs";
  unsigned attr = ABI_MOUNT_NOSUID | (root->kvm ? 0 : ABI_MOUNT_NODEV);
  int base = new_filesystem("tmpfs", "mode", "755", attr);
  if (base < 0) return -1;
  int result = fill_and_become(base, proc, root);
  int error = errno;
  close(base);
  errno = error;
  return result;
}

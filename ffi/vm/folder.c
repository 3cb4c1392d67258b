/* folder: see folder.h. */
#include "folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET_NAME "ctl.sock"
#define EXIT_NAME "exit.json"
#define EXIT_NEW "exit.json.new"
#define EXIT_BYTES_MAX 4096
/* More than one node and its tools ever open at once. */
#define BACKLOG 128

static int take_lock(struct folder *folder, const char *path, struct failure *failure) {
  folder->lock = openat(folder->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (folder->lock < 0) return fail_errno(failure, "vm-failed", errno, "cannot open %s/lock", path);
  if (flock(folder->lock, LOCK_EX | LOCK_NB) == 0) return 0;
  if (errno == EWOULDBLOCK) return fail(failure, "exists", "a helper already runs in %s", path);
  return fail_errno(failure, "vm-failed", errno, "cannot lock %s/lock", path);
}

int folder_open(struct folder *folder, const char *path, struct failure *failure) {
  struct stat facts;
  *folder = (struct folder){.dir = -1, .lock = -1, .listener = -1, .log = -1, .console = -1,
                            .exit_file = -1, .seed = {.dir = -1}, .disk = {.dir = -1}};
  if (path[0] != '/') return fail(failure, "internal", "%s is no absolute path", path);
  folder->dir = open(path, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_RDONLY);
  if (folder->dir < 0 || fstat(folder->dir, &facts) < 0 || fchdir(folder->dir) < 0)
    return fail_errno(failure, "vm-failed", errno, "cannot open %s", path);
  if (facts.st_mode & 022)
    return fail(failure, "vm-failed", "%s can be written by others than its owner", path);
  folder->owner = facts.st_uid;
  return take_lock(folder, path, failure);
}

static int open_output(struct folder *folder, const char *name) {
  int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  return openat(folder->dir, name, flags, 0600);
}

/* Takes the room that exit.json will need, so that a disk that fills meanwhile cannot prevent it. */
static int open_exit(struct folder *folder) {
  folder->exit_file = open_output(folder, EXIT_NEW);
  if (folder->exit_file < 0) return -1;
  int error = posix_fallocate(folder->exit_file, 0, EXIT_BYTES_MAX);
  if (error != ENOSPC && error != EDQUOT) return 0;
  errno = error;
  return -1;
}

/* Bound by its name alone, since we stand in the folder: its path may be longer than 107 bytes. */
static int listen_here(struct folder *folder) {
  struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = SOCKET_NAME};
  folder->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (folder->listener < 0) return -1;
  if (unlinkat(folder->dir, SOCKET_NAME, 0) < 0 && errno != ENOENT) return -1;
  if (bind(folder->listener, (struct sockaddr *)&address, sizeof address) < 0) return -1;
  if (fchmodat(folder->dir, SOCKET_NAME, 0600, 0) < 0) return -1;
  return listen(folder->listener, BACKLOG);
}

int folder_fill(struct folder *folder, struct failure *failure) {
  if (unlinkat(folder->dir, EXIT_NAME, 0) < 0 && errno != ENOENT)
    return fail_errno(failure, "vm-failed", errno, "cannot remove an old %s", EXIT_NAME);
  folder->log = open_output(folder, "helper.log");
  folder->console = open_output(folder, "console");
  if (folder->log < 0 || folder->console < 0 || open_exit(folder) < 0)
    return fail_errno(failure, "vm-failed", errno, "cannot make the files of the VM");
  if (listen_here(folder) < 0)
    return fail_errno(failure, "vm-failed", errno, "cannot make the control socket");
  return 0;
}

static int open_parent(struct doomed *doomed, const char *path) {
  char parent[PATH_MAX];
  const char *slash = strrchr(path, '/');
  size_t length = strlen(slash + 1);
  if (length == 0 || length > NAME_MAX) {
    errno = EINVAL;
    return -1;
  }
  memcpy(doomed->name, slash + 1, length + 1);
  snprintf(parent, sizeof parent, "%.*s", (int)(slash == path ? 1 : slash - path), path);
  doomed->dir = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
  return doomed->dir < 0 ? -1 : 0;
}

int doomed_open(struct doomed *doomed, const char *path, int flags, struct failure *failure) {
  struct stat facts;
  int fd = open_parent(doomed, path);
  if (fd == 0) fd = openat(doomed->dir, doomed->name, flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0 || fstat(fd, &facts) < 0) {
    int error = errno;
    close_fd(&doomed->dir);
    return fail_errno(failure, "vm-failed", error, "cannot open %s", path);
  }
  doomed->device = facts.st_dev;
  doomed->inode = facts.st_ino;
  if (S_ISREG(facts.st_mode)) return fd;
  close_fd(&doomed->dir);
  close(fd);
  return fail(failure, "vm-failed", "%s is no regular file", path);
}

/* Only if it is still the file that we were given. */
static void remove_doomed(struct doomed *doomed) {
  struct stat facts;
  if (doomed->dir < 0) return;
  if (fstatat(doomed->dir, doomed->name, &facts, AT_SYMLINK_NOFOLLOW) == 0 &&
      facts.st_dev == doomed->device && facts.st_ino == doomed->inode)
    unlinkat(doomed->dir, doomed->name, 0);
  close_fd(&doomed->dir);
}

void folder_forget(struct folder *folder) {
  remove_doomed(&folder->seed);
  remove_doomed(&folder->disk);
}

void folder_close(struct folder *folder) {
  if (folder->listener >= 0) unlinkat(folder->dir, SOCKET_NAME, 0);
  close_fd(&folder->listener);
}

/* Written before it gets its name, so that whoever sees it sees all of it. */
void folder_write_exit(struct folder *folder, const char *content) {
  if (folder->exit_file < 0) return;
  size_t length = strlen(content);
  if (write_all(folder->exit_file, content, length) == 0 &&
      ftruncate(folder->exit_file, (off_t)length) == 0 && fsync(folder->exit_file) == 0)
    renameat(folder->dir, EXIT_NEW, folder->dir, EXIT_NAME);
  else
    unlinkat(folder->dir, EXIT_NEW, 0);
  close_fd(&folder->exit_file);
}

void folder_discard(struct folder *folder) {
  folder_forget(folder);
  folder_close(folder);
  if (folder->exit_file >= 0) unlinkat(folder->dir, EXIT_NEW, 0);
  close_fd(&folder->exit_file);
}

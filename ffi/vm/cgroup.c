/* cgroup: see cgroup.h. */
#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define GROUP "omerta-vms"

bool cgroup_sibling(const char *text, char path[PATH_MAX]) {
  while (text != NULL && strncmp(text, "0::/", 4) != 0) {
    text = strchr(text, '\n');
    if (text != NULL) text++;
  }
  if (text == NULL) return false;
  text += 3;
  size_t length = strcspn(text, "\n");
  while (length > 0 && text[length - 1] != '/') length--;
  /* What is left is the parent with its slash; in the root group, all of it. */
  if (strcspn(text, "\n") == length || length + sizeof GROUP > PATH_MAX) return false;
  snprintf(path, PATH_MAX, "%.*s" GROUP, (int)length, text);
  return true;
}

static int open_tree_of_groups(void) {
  static const char *const mounts[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
  for (size_t i = 0; i < COUNT_OF(mounts); i++) {
    struct statfs facts;
    if (statfs(mounts[i], &facts) == 0 && facts.f_type == CGROUP2_SUPER_MAGIC)
      return open(mounts[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
  }
  return -1;
}

static bool move_to(int tree, const char *path) {
  char procs[PATH_MAX + 16];
  if (mkdirat(tree, path + 1, 0755) < 0 && errno != EEXIST) return false;
  snprintf(procs, sizeof procs, "%s/cgroup.procs", path + 1);
  return write_file_at(tree, procs, "0") == 0;
}

bool cgroup_leave(void) {
  char text[4096], path[PATH_MAX];
  int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
  ssize_t length = fd < 0 ? -1 : read_all(fd, text, sizeof text - 1);
  close_fd(&fd);
  if (length < 0) return false;
  text[length] = 0;
  if (!cgroup_sibling(text, path)) return false;
  int tree = open_tree_of_groups();
  if (tree < 0) return false;
  bool moved = move_to(tree, path);
  close(tree);
  return moved;
}

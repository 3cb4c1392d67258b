/* user: see user.h. */
#include "user.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

/* From here to 2147352575 systemd's list of user ids knows no other use. */
#define FIRST 1879048192u
/* PID_MAX_LIMIT of the kernel: the distance from one try to the next. */
#define PIDS_MAX 4194304u
#define TRIES_MAX 60

/* A process's entry in /proc belongs to its user. */
static bool has_process(uid_t uid) {
  DIR *proc = opendir("/proc");
  bool found = false;
  struct stat facts;
  if (proc == NULL) return false;
  for (struct dirent *entry = readdir(proc); entry != NULL && !found; entry = readdir(proc))
    found = isdigit((unsigned char)entry->d_name[0]) &&
            fstatat(dirfd(proc), entry->d_name, &facts, 0) == 0 && facts.st_uid == uid;
  closedir(proc);
  return found;
}

uid_t unused_user(void) {
  uid_t uid = FIRST + (uid_t)getpid();
  for (int i = 0; i < TRIES_MAX && has_process(uid); i++) uid += PIDS_MAX;
  return uid;
}

/* reach: see reach.h. */
#include "reach.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Where programs of a distribution live; world-readable by their nature. */
static const char *const SYSTEM[] = {"/usr",  "/lib",       "/lib64",     "/lib32",
                                     "/bin",  "/nix/store", "/gnu/store", "/etc/ld.so.cache"};

/* What lies beside a QEMU that was installed elsewhere: PREFIX/bin/qemu-system-x86_64. */
static const char *const BESIDE[] = {"bin", "lib", "lib64", "libexec", "share/qemu",
                                     "share/seabios"};

static void add(struct reach *reach, const char *path) {
  struct stat facts;
  if (reach->count == REACH_MAX || strlen(path) >= PATH_MAX || lstat(path, &facts) < 0) return;
  strcpy(reach->paths[reach->count++], path);
}

static bool inside(const char *path, const char *folder) {
  size_t length = strlen(folder);
  return strncmp(path, folder, length) == 0 && path[length] == '/';
}

void reach_of(struct reach *reach, const char *qemu) {
  reach->count = 0;
  bool covered = false;
  for (size_t i = 0; i < COUNT_OF(SYSTEM); i++) {
    add(reach, SYSTEM[i]);
    covered = covered || inside(qemu, SYSTEM[i]);
  }
  if (covered) return;
  char prefix[PATH_MAX], path[PATH_MAX + 32];
  snprintf(prefix, sizeof prefix, "%s", qemu);
  for (int up = 0; up < 2; up++) {
    char *slash = strrchr(prefix, '/');
    if (slash != NULL) *slash = 0;
  }
  for (size_t i = 0; i < COUNT_OF(BESIDE); i++) {
    snprintf(path, sizeof path, "%s/%s", prefix, BESIDE[i]);
    add(reach, path);
  }
}

/* The ground of the guest's init: see image_system.h. */
#define _GNU_SOURCE
#include "image_system.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

void say(const char *format, ...) {
  va_list args;
  va_start(args, format);
  vdprintf(STDOUT_FILENO, format, args);
  va_end(args);
}

void end_guest(int how) {
  sync();
  reboot(how);
  reboot(RB_AUTOBOOT); /* where the machine cannot be powered off; QEMU ends either way */
  for (;;) pause();
}

void fail(const char *step) {
  say("OMERTA-FAILED %s: %s\n", step, strerror(errno));
  end_guest(RB_AUTOBOOT);
}

void require(int result, const char *step) {
  if (result < 0) fail(step);
}

/* --- files ------------------------------------------------------------------------------------ */

ssize_t read_file(const char *path, char *buffer, size_t capacity) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  size_t length = 0;
  ssize_t count = 1;
  while (count > 0 && length < capacity - 1) {
    count = read(fd, buffer + length, capacity - 1 - length);
    if (count > 0) length += (size_t)count;
  }
  close(fd);
  buffer[length] = 0;
  return count < 0 ? -1 : (ssize_t)length;
}

int write_file(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return -1;
  ssize_t count = write(fd, text, strlen(text));
  close(fd);
  return count < 0 ? -1 : 0;
}

void wipe(const char *path) {
  static const char zeros[TEXT_MAX];
  struct stat info;
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  if (fstat(fd, &info) == 0)
    for (off_t left = info.st_size; left > 0;) {
      ssize_t count = write(fd, zeros, left < TEXT_MAX ? (size_t)left : TEXT_MAX);
      if (count <= 0) break;
      left -= count;
    }
  close(fd);
  unlink(path);
}

void each_line(char *text, void (*visit)(const char *)) {
  char *state = NULL;
  for (char *line = strtok_r(text, "\n", &state); line; line = strtok_r(NULL, "\n", &state))
    visit(line);
}

/* --- kernel ----------------------------------------------------------------------------------- */

void mount_all(void) {
  static const char *const links[][2] = {{"/proc/self/fd", "/dev/fd"},
                                         {"/proc/self/fd/0", "/dev/stdin"},
                                         {"/proc/self/fd/1", "/dev/stdout"},
                                         {"/proc/self/fd/2", "/dev/stderr"}};
  mount("dev", "/dev", "devtmpfs", MS_NOSUID, "mode=0755");
  mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
  mount("sys", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
  mkdir("/dev/pts", 0755);
  mkdir("/dev/shm", 01777);
  mount("pts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "mode=0620,ptmxmode=0666");
  mount("shm", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777");
  for (size_t i = 0; i < sizeof links / sizeof *links; i++)
    (void)!symlink(links[i][0], links[i][1]);
  chmod("/", 0755); /* an initramfs begins as 1777 */
}

void open_console(void) {
  int fd = open("/dev/console", O_RDWR | O_NOCTTY);
  if (fd < 0) return;
  for (int to = 0; to <= 2; to++) dup2(fd, to);
  if (fd > 2) close(fd);
}

int is_asked(const char *word) {
  char command_line[TEXT_MAX];
  if (read_file("/proc/cmdline", command_line, sizeof command_line) < 0) return 0;
  size_t length = strlen(word);
  for (const char *at = command_line; (at = strstr(at, word)); at += length) {
    int begins = at == command_line || at[-1] == ' ';
    if (begins && (at[length] == ' ' || at[length] == '\n' || !at[length])) return 1;
  }
  return 0;
}

static void load_module(const char *name) {
  char path[256];
  snprintf(path, sizeof path, "/lib/modules/%s.ko", name);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || syscall(SYS_finit_module, fd, "", 0) < 0)
    say("omerta: module %s: %s\n", name, strerror(errno));
  if (fd >= 0) close(fd);
}

void load_modules(const char *list) {
  char names[TEXT_MAX];
  if (read_file(list, names, sizeof names) > 0) each_line(names, load_module);
}

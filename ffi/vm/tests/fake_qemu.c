/*
 * A QEMU of bad character, for tests of the helper. What it does depends on the name by which it is
 * started; all but `early` and `no-library` greet on the monitor as the real one does.
 *
 *   early       says something and ends at once
 *   no-library  ends like a program whose libraries are missing, where it sees no /etc/passwd
 *   hang        boots nothing
 *   stubborn    does not quit when asked, and ignores SIGTERM
 *   stopped     says that the machine stopped, as under a broken KVM
 *   full        says that the machine stopped for a full disk, each time that it is let go on
 *   mute        greets, and never answers
 *   marker      prints the probe's marker
 *   prober      tries what a hostile guest in QEMU's place would try, and prints what came of it
 *   flood       fills every channel as fast as it can
 *   outlive     tries to live on when its helper dies, itself or by its children
 *   x32         calls the kernel by its x32 table
 */
#include "denied_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SERIAL 5
#define MONITOR 6
#define NIC 7

static const char *name;

static int is(const char *wanted) {
  return strcmp(name, wanted) == 0;
}

static void say(int fd, const char *text) {
  if (write(fd, text, strlen(text)) < 0) _exit(9);
}

static void result(const char *what, long value) {
  char line[256];
  snprintf(line, sizeof line, "%s: %s\n", what, value < 0 ? strerrorname_np(errno) : "DONE");
  say(SERIAL, line);
}

static long start_thread_or_child(void) {
  pid_t pid = fork();
  if (pid == 0) _exit(0);
  return pid;
}

static long talk_to(int family, int type) {
  int fd = socket(family, type, 0);
  if (fd >= 0) close(fd);
  return fd;
}

static long limit_of(int resource) {
  struct rlimit limit;
  getrlimit(resource, &limit);
  return (long)limit.rlim_cur;
}

/* The calls of the table that were not refused, or "none". */
static void try_denied_calls(void) {
  char line[128] = "calls let through:";
  for (size_t i = 0; i < DENIED_CALLS_COUNT; i++) {
    errno = 0;
    if (TRY_CALL(DENIED_CALLS[i]) == -1 && errno == EPERM) continue;
    size_t used = strlen(line);
    snprintf(line + used, sizeof line - used, " %ld", DENIED_CALLS[i]);
  }
  if (strchr(line, ':')[1] == 0) strcat(line, " none");
  say(SERIAL, strcat(line, "\n"));
}

static long clone_with(unsigned long flags) {
  long pid = syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL);
  if (pid == 0) for (;;) pause();
  return pid;
}

static void try_to_outlive(void) {
  result("no death signal", prctl(PR_SET_PDEATHSIG, 0));
  result("another death signal", prctl(PR_SET_PDEATHSIG, SIGKILL | 1UL << 32));
  result("child", clone_with(0));
  result("child in a user namespace", clone_with(CLONE_NEWUSER));
  result("child in a thread's namespace", clone_with(CLONE_NEWPID | CLONE_THREAD));
  result("child by clone3", TRY_CALL(435));
  setsid();
}

static void probe_jail(void) {
  char line[128];
  signal(SIGXFSZ, SIG_IGN); /* to see the error instead */
  result("read /etc/passwd", open("/etc/passwd", O_RDONLY));
  result("read /usr/bin/env", open("/usr/bin/env", O_RDONLY));
  result("write /usr/x", open("/usr/x", O_WRONLY | O_CREAT, 0600));
  result("write /x", open("/x", O_WRONLY | O_CREAT, 0600));
  result("read /proc/1/root", open("/proc/1/root/", O_RDONLY | O_DIRECTORY));
  result("reach into init", open("/proc/1/mem", O_RDONLY));
  result("take init's lock", open("/proc/1/fd/22", O_RDWR));
  result("read /proc/sys", open("/proc/sys/kernel/hostname", O_RDONLY));
  result("write the initrd", open("/proc/self/fd/4", O_RDWR) < 0 ? -1 : write(4, "x", 1));
  result("change the kernel's mode", fchmod(3, 0));
  result("write the kernel", open("/proc/self/fd/3", O_RDWR) < 0 ? -1 : write(3, "x", 1));
  result("inet socket", talk_to(AF_INET, SOCK_STREAM));
  result("unix socket", talk_to(AF_UNIX, SOCK_DGRAM));
  result("user namespace", unshare(CLONE_NEWUSER));
  result("mount", mount("none", "/usr", "tmpfs", 0, NULL));
  result("signal the parent", kill(getppid() > 0 ? getppid() : -1, 0));
  result("trace", ptrace(PTRACE_TRACEME, 0, NULL, NULL));
  result("become root", setuid(0));
  result("io_uring", syscall(SYS_io_uring_setup, 8, NULL));
  try_denied_calls();
  try_to_outlive();
  snprintf(line, sizeof line, "core %ld, fsize %ld, files %ld, pid %d, children %s\n",
           limit_of(RLIMIT_CORE), limit_of(RLIMIT_FSIZE), limit_of(RLIMIT_NOFILE), getpid(),
           start_thread_or_child() > 0 ? "yes" : "no");
  say(SERIAL, line);
  say(SERIAL, "OMERTA-READY\n");
}

static _Noreturn void flood(void) {
  static char bytes[1500];
  memset(bytes, 'x', sizeof bytes);
  bytes[70] = '\n';
  for (int fd = 0; fd < 3; fd++) fcntl(SERIAL + fd, F_SETFL, O_NONBLOCK);
  fcntl(2, F_SETFL, O_NONBLOCK);
  for (;;) {
    ssize_t ignored = write(SERIAL, bytes, sizeof bytes);
    ignored += write(MONITOR, bytes, sizeof bytes);
    ignored += write(2, bytes, sizeof bytes);
    for (int i = 0; i < 32; i++) ignored += send(NIC, bytes, sizeof bytes, 0);
    (void)ignored;
  }
}

static void greet(void) {
  say(MONITOR, "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 3, \"minor\": 2, \"major\": 1}}}}\r\n");
}

static void ready(void) {
  if (is("x32")) TRY_CALL(X32(SYS_getpid));
  say(MONITOR, "{\"return\": {}}\r\n");
  if (is("stopped") || is("full")) say(MONITOR, "{\"timestamp\": {}, \"event\": \"STOP\"}\r\n");
  if (is("marker")) say(SERIAL, "OMERTA-PROBE\r\n");
  if (is("prober")) probe_jail();
  if (is("flood")) flood();
  if (is("outlive")) try_to_outlive();
  if (is("outlive")) say(SERIAL, "OMERTA-READY\n");
}

static void serve(void) {
  char line[4096];
  FILE *monitor = fdopen(MONITOR, "r");
  while (fgets(line, sizeof line, monitor) != NULL) {
    if (strstr(line, "qmp_capabilities") != NULL && !is("mute")) ready();
    if (strstr(line, "query-status") != NULL)
      say(MONITOR, is("full") ? "{\"return\": {\"running\": false, \"status\": \"io-error\"}}\r\n"
                              : "{\"return\": {\"running\": false, \"status\": \"internal-error\"}}\r\n");
    if (strstr(line, "cont") != NULL) say(MONITOR, "{\"event\": \"RESUME\"}\r\n{\"event\": \"STOP\"}\r\n");
    if (strstr(line, "quit") != NULL && !is("stubborn")) exit(0);
  }
  for (;;) pause();
}

int main(int argc, char **argv) {
  (void)argc;
  name = basename(argv[0]);
  if (is("early")) {
    say(2, "one\nthis machine is unheard of\n");
    return 3;
  }
  if (is("no-library") && access("/etc/passwd", F_OK) < 0) {
    say(2, "error while loading shared libraries\n");
    return 127;
  }
  if (is("stubborn") || is("outlive")) signal(SIGTERM, SIG_IGN);
  greet();
  serve();
}

/*
 * probe: `omerta-vm probe < spec`: does KVM work here? It is asked by booting the real guest to its
 * line OMERTA-PROBE within a deadline, for a /dev/kvm that opens proves nothing: there are ones
 * under which every guest hangs or crashes.
 *
 *   version (QEMU without a machine) → /dev/kvm opens? → boot → marker | end | STOP | deadline
 *
 * One line on stdout: {"accel":"kvm"|"tcg","reason":…,"boot_ms":…,"qemu":…,"tsc_khz":…,
 * "level":…,"missing":[…],"landlock_abi":…}; what is not known is null.
 */
#include "console.h"
#include "launch.h"
#include "lockdown.h"
#include "qmp.h"
#include "run.h"
#include "tsc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEFAULT_APPEND "console=ttyS0 quiet panic=-1 reboot=t"
/* Enough for the image `micro`; its own least is less. */
#define DEFAULT_MEMORY_MIB 256
/* QEMU's greeting is one line; if it does not come at once, the version stays unknown. */
#define VERSION_MS 5000

struct verdict {
  bool kvm;
  char reason[600];
  int64_t boot_ms; /* -1: did not boot */
  char version[32];
  unsigned missing;
  int landlock_abi;
  long tsc_khz;
};

static struct machine machine;
static struct console console;
static struct qmp qmp;

static int wait_for(int fd, int64_t until_ms) {
  struct pollfd set = {.fd = fd, .events = POLLIN};
  int64_t left = until_ms - boottime_ms();
  return left <= 0 ? 0 : poll(&set, 1, (int)left);
}

/* Also shows that QEMU can be started here at all, and how well confined. */
static int find_version(const char *qemu, struct verdict *verdict, struct failure *failure) {
  struct launch launch = {.qemu = qemu, .kernel = -1, .initrd = -1, .disk = -1, .lock = -1,
                          .features = FEATURES_ALL, .wish = {.version_only = true}};
  if (launch_speaking(&launch, &machine, failure) < 0) return -1;
  int64_t until = boottime_ms() + VERSION_MS;
  qmp_begin(&qmp, machine.qmp);
  while (!qmp.greeted && wait_for(machine.qmp, until) > 0)
    if (qmp_readable(&qmp) < 0) break;
  memcpy(verdict->version, qmp.version, sizeof verdict->version);
  verdict->missing = machine.missing;
  verdict->landlock_abi = machine.landlock_abi;
  machine_destroy(&machine);
  return 0;
}

static bool may_open_kvm(struct verdict *verdict) {
  int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
  if (fd >= 0) {
    close(fd);
    return true;
  }
  if (errno == ENOENT)
    snprintf(verdict->reason, sizeof verdict->reason, "this system has no /dev/kvm");
  else
    snprintf(verdict->reason, sizeof verdict->reason, "/dev/kvm cannot be opened: %s",
             strerror(errno));
  return false;
}

static void read_serial(void) {
  char bytes[4096];
  ssize_t got = recv(machine.serial, bytes, sizeof bytes, MSG_DONTWAIT);
  if (got > 0) console_take(&console, bytes, (size_t)got);
  if (got == 0) close_fd(&machine.serial);
}

/* Why the guest cannot be waited for any longer, or NULL. */
static const char *turn(int64_t until_ms) {
  struct pollfd set[] = {{.fd = machine.serial, .events = POLLIN},
                         {.fd = machine.qmp, .events = POLLIN},
                         {.fd = machine.pidfd, .events = POLLIN}};
  int64_t left = until_ms - boottime_ms();
  if (left <= 0) return "the guest did not boot in time under KVM";
  if (poll(set, COUNT_OF(set), (int)left) <= 0) return NULL;
  if (set[0].revents) read_serial();
  if (console.found) return NULL;
  if (set[1].revents && qmp_readable(&qmp) < 0) close_fd(&machine.qmp);
  if (qmp.stopped) return "KVM stopped the guest with an internal error";
  if (set[2].revents && machine.serial >= 0) read_serial();
  return set[2].revents && !console.found ? "the guest ended under KVM before it had booted" : NULL;
}

static void wait_for_marker(struct verdict *verdict, int64_t until_ms) {
  const char *problem = NULL;
  while (problem == NULL && !console.found) problem = turn(until_ms);
  verdict->kvm = console.found;
  verdict->boot_ms = console.found ? boottime_ms() - machine.started_ms : -1;
  char words[400];
  machine_words(&machine, words, sizeof words);
  snprintf(verdict->reason, sizeof verdict->reason, "%s%s%s",
           console.found ? "the guest booted under KVM" : problem, words[0] ? ": " : "", words);
}

static int open_read(const char *path, struct failure *failure) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd >= 0) return fd;
  return fail_errno(failure, errno == ENOENT ? "image-missing" : "vm-failed", errno,
                    "cannot open %s", path);
}

static int open_files(const struct spec *spec, struct launch *launch, struct failure *failure) {
  launch->kernel = open_read(spec->kernel, failure);
  if (launch->kernel < 0) return -1;
  int image = open_read(spec->initrd, failure);
  if (image < 0) return -1;
  launch->initrd = sealed_copy("initrd", -1, image, failure);
  close(image);
  return launch->initrd < 0 ? -1 : 0;
}

static void boot_kvm(const struct spec *spec, struct launch *launch, struct verdict *verdict) {
  char append[APPEND_MAX + 32];
  struct failure failure;
  int64_t until_ms = boottime_ms() + spec->timeout_ms;
  snprintf(append, sizeof append, "%s omerta.probe=1", spec->append);
  launch->wish = (struct qemu_wish){.kvm = true, .cpus = spec->cpus,
                                    .memory_mib = spec->memory_mib, .append = append};
  if (launch_speaking(launch, &machine, &failure) < 0) {
    snprintf(verdict->reason, sizeof verdict->reason, "%s", failure.message);
    return;
  }
  verdict->missing = machine.missing;
  verdict->landlock_abi = machine.landlock_abi;
  console_begin(&console, -1, "OMERTA-PROBE");
  qmp_begin(&qmp, machine.qmp);
  if (lockdown(-1, false, &failure) == 0)
    wait_for_marker(verdict, until_ms);
  else
    snprintf(verdict->reason, sizeof verdict->reason, "%s", failure.message);
  machine_destroy(&machine);
}

static int decide(struct spec *spec, struct verdict *verdict, struct failure *failure) {
  char qemu[PATH_MAX];
  struct launch launch = {.qemu = qemu, .kernel = -1, .initrd = -1, .disk = -1, .lock = -1,
                          .features = FEATURES_ALL};
  struct tsc_sample begin = tsc_sample();
  if (spec->append[0] == 0) strcpy(spec->append, DEFAULT_APPEND);
  if (spec->cpus == 0) spec->cpus = 1;
  if (spec->memory_mib == 0) spec->memory_mib = DEFAULT_MEMORY_MIB;
  if (find_qemu(spec->qemu, qemu, failure) < 0) return -1;
  if (open_files(spec, &launch, failure) < 0) return -1;
  if (find_version(qemu, verdict, failure) < 0) return -1;
  verdict->tsc_khz = tsc_khz_since(begin);
  if (may_open_kvm(verdict)) boot_kvm(spec, &launch, verdict);
  return 0;
}

static void print(const struct verdict *verdict) {
  char line[2048];
  struct text text;
  text_begin(&text, line, sizeof line);
  text_add(&text, "{");
  text_field(&text, "accel", verdict->kvm ? "kvm" : "tcg");
  text_add(&text, ",");
  text_field(&text, "reason", verdict->reason);
  if (verdict->boot_ms < 0)
    text_add(&text, ",\"boot_ms\":null,");
  else
    text_add(&text, ",\"boot_ms\":%lld,", (long long)verdict->boot_ms);
  text_field(&text, "qemu", verdict->version);
  text_add(&text, ",\"tsc_khz\":%ld,", verdict->tsc_khz);
  text_field(&text, "level", feature_level(verdict->missing, verdict->landlock_abi));
  text_add(&text, ",\"missing\":");
  feature_list(&text, verdict->missing);
  text_add(&text, ",\"landlock_abi\":%d}\n", verdict->landlock_abi);
  int ignored = write_all(STDOUT_FILENO, line, text.used); /* nobody is left to be told */
  (void)ignored;
}

int probe(void) {
  static struct spec spec;
  struct verdict verdict = {.boot_ms = -1};
  struct failure failure;
  if (read_spec(&spec, SPEC_PROBE, &failure) < 0 || leave_caller(&failure) < 0 ||
      decide(&spec, &verdict, &failure) < 0)
    return print_failure(&failure);
  print(&verdict);
  return 0;
}

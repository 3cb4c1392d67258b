/* run: see run.h. */
#include "run.h"

#include "cgroup.h"
#include "linux_abi.h"
#include "lockdown.h"
#include "tsc.h"
#include "vm.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* What a VM may do in a second where its spec does not say; guesses: what a gigabit link and a slow
 * SSD carry, so that one VM cannot take all of a faster one. */
#define WIRE_PACKETS 100000
#define WIRE_BYTES 125000000
#define DISK_OPS 5000
#define DISK_BYTES 200000000

static struct vm vm; /* half a megabyte: not for a stack */

int read_spec(struct spec *spec, enum spec_mode mode, struct failure *failure) {
  static char text[SPEC_BYTES_MAX + 1];
  ssize_t length = read_all(STDIN_FILENO, text, sizeof text);
  if (length < 0) return fail_errno(failure, "internal", errno, "cannot read the spec");
  return spec_parse(spec, mode, text, (size_t)length, failure);
}

int print_failure(const struct failure *failure) {
  char line[2048];
  struct text text;
  text_begin(&text, line, sizeof line);
  text_add(&text, "{\"ok\":false,");
  text_field(&text, "code", failure->code);
  text_add(&text, ",");
  text_field(&text, "message", failure->message);
  text_add(&text, "}\n");
  int ignored = write_all(STDOUT_FILENO, line, text.used); /* nobody is left to be told */
  (void)ignored;
  return 1;
}

static int to_null(int fd, struct failure *failure) {
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null >= 0 && dup2(null, fd) == fd) {
    if (null != fd) close(null);
    return 0;
  }
  return fail_errno(failure, "vm-failed", errno, "cannot open /dev/null");
}

int leave_caller(struct failure *failure) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  signal(SIGCHLD, SIG_DFL);
  signal(SIGHUP, SIG_IGN);
  signal(SIGPIPE, SIG_IGN);
  abi_close_range(STDERR_FILENO + 1, ~0u);
  setsid(); /* fails where the caller has done it already */
  return to_null(STDIN_FILENO, failure) < 0 ? -1 : to_null(STDERR_FILENO, failure);
}

static int open_image(const char *path, struct failure *failure) {
  struct stat facts;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0)
    return fail_errno(failure, errno == ENOENT ? "image-missing" : "vm-failed", errno,
                      "cannot open %s", path);
  if (fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode)) return fd;
  close(fd);
  return fail(failure, "vm-failed", "%s is no regular file", path);
}

/* The seed holds keys, and is needed no more when it is copied to memory. */
static int open_initrd(const struct spec *spec, struct failure *failure) {
  int seed = -1;
  int image = open_image(spec->initrd, failure);
  if (image < 0) return -1;
  if (spec->seed[0] != 0) {
    seed = doomed_open(&vm.folder.seed, spec->seed, O_RDONLY, failure);
    if (seed < 0) {
      close(image);
      return -1;
    }
  }
  int memory = sealed_copy("initrd", seed, image, failure);
  close_fd(&seed);
  close(image);
  return memory;
}

/* Takes the room for all of the disk now: what is lent is there, and a host that fills up later does
 * the guest no harm. A file system that cannot do that keeps its promise as well as it can. */
static int take_room(int disk, off_t bytes, struct failure *failure) {
  int result;
  do result = bytes == 0 ? 0 : fallocate(disk, 0, 0, bytes);
  while (result < 0 && errno == EINTR);
  if (result == 0) return 0;
  if (errno != EOPNOTSUPP && errno != ENOSYS)
    return fail_errno(failure, "vm-failed", errno, "no room for the VM's disk of %lld MiB",
                      (long long)(bytes >> 20));
  log_line(&vm.log, "the room for the disk cannot be taken beforehand: %s", strerror(errno));
  return 0;
}

static int open_disk(const struct spec *spec, struct launch *launch, struct failure *failure) {
  struct stat facts;
  if (spec->disk[0] == 0) return 0;
  launch->disk = doomed_open(&vm.folder.disk, spec->disk, O_RDWR, failure);
  if (launch->disk < 0) return -1;
  if (fstat(launch->disk, &facts) < 0)
    return fail_errno(failure, "vm-failed", errno, "cannot look at %s", spec->disk);
  launch->disk_bytes = (uint64_t)facts.st_size;
  return take_room(launch->disk, facts.st_size, failure);
}

static int open_files(const struct spec *spec, struct launch *launch, struct failure *failure) {
  launch->kernel = open_image(spec->kernel, failure);
  if (launch->kernel < 0) return -1;
  launch->initrd = open_initrd(spec, failure);
  return launch->initrd < 0 ? -1 : open_disk(spec, launch, failure);
}

static int64_t or_else(int64_t value, int64_t otherwise) {
  return value > 0 ? value : otherwise;
}

static int boot(const struct spec *spec, struct failure *failure) {
  char qemu[PATH_MAX];
  struct tsc_sample begin = tsc_sample();
  struct launch launch = {.qemu = qemu, .kernel = -1, .initrd = -1, .disk = -1,
                          .lock = vm.folder.lock,
                          .features = FEATURES_ALL};
  int result = find_qemu(spec->qemu, qemu, failure);
  if (result == 0) result = open_files(spec, &launch, failure);
  launch.wish = (struct qemu_wish){.kvm = spec->kvm, .disk = launch.disk >= 0, .cpus = spec->cpus,
                                   .disk_ops = or_else(spec->disk_ops, DISK_OPS),
                                   .disk_bytes = or_else(spec->disk_bytes, DISK_BYTES),
                                   .memory_mib = spec->memory_mib, .append = spec->append};
  if (result == 0 && !spec->kvm) launch.wish.tsc_khz = tsc_khz_since(begin);
  if (result == 0) result = launch_speaking(&launch, &vm.machine, failure);
  close_fd(&launch.kernel);
  close_fd(&launch.initrd);
  close_fd(&launch.disk);
  return result;
}

/* Timer and signals; before the launch, since they can fail. */
static int open_events(const struct spec *spec, int64_t begin_ms, struct failure *failure) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigprocmask(SIG_BLOCK, &set, NULL);
  vm.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  vm.timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
  vm.lease = lease_begin(begin_ms, spec->lease_ms, spec->life_ms);
  if (vm.signals < 0 || vm.timer < 0 || lease_arm(&vm.lease, vm.timer) < 0)
    return fail_errno(failure, "vm-failed", errno, "cannot make timers");
  return 0;
}

static void begin_parts(const struct spec *spec) {
  vm.kvm = spec->kvm;
  vm.ready_ms = vm.kill_at_ms = vm.stopped_at_ms = -1;
  qmp_begin(&vm.qmp, vm.machine.qmp);
  struct wire_limits limits = {.packets = or_else(spec->wire_packets, WIRE_PACKETS),
                               .bytes = or_else(spec->wire_bytes, WIRE_BYTES)};
  wire_begin(&vm.wire, vm.machine.nic, limits);
  console_begin(&vm.console, vm.folder.console, "OMERTA-READY");
  control_begin(&vm.control, vm.folder.listener);
}

static void log_launch(void) {
  char missing[256];
  struct text text;
  text_begin(&text, missing, sizeof missing);
  feature_list(&text, vm.machine.missing);
  log_line(&vm.log, "QEMU is process %d, level %s, missing %s, Landlock %d", vm.machine.qemu,
           feature_level(vm.machine.missing, vm.machine.landlock_abi), missing,
           vm.machine.landlock_abi);
  if (vm.machine.why[0] != 0) log_line(&vm.log, "%s", vm.machine.why);
}

static void tell_success(int null) {
  char line[64];
  int length = snprintf(line, sizeof line, "{\"ok\":true,\"pid\":%d}\n", getpid());
  if (write_all(STDOUT_FILENO, line, (size_t)length) < 0)
    log_line(&vm.log, "nobody waits for the answer: %s", strerror(errno));
  dup2(null, STDOUT_FILENO); /* the caller sees the end */
}

static int bring_up(const struct spec *spec, int64_t begin_ms, struct failure *failure) {
  if (folder_fill(&vm.folder, failure) < 0) return -1;
  vm.log = (struct log){.fd = vm.folder.log, .start_ms = begin_ms};
  if (cgroup_leave()) log_line(&vm.log, "left the node's control group");
  if (open_events(spec, begin_ms, failure) < 0 || boot(spec, failure) < 0) return -1;
  folder_forget(&vm.folder);
  begin_parts(spec);
  log_launch();
  if (lockdown(vm.folder.dir, vm.folder.owner != geteuid(), failure) < 0) return -1;
  if (vm_come_up(&vm, failure) < 0) return -1;
  tell_success(STDIN_FILENO); /* which is /dev/null by now */
  return 0;
}

static int give_up(const struct failure *failure) {
  if (vm.machine.pid > 0 && vm.state != VM_GONE) machine_destroy(&vm.machine);
  folder_discard(&vm.folder);
  return print_failure(failure);
}

int run(const char *dir) {
  int64_t begin_ms = boottime_ms();
  static struct spec spec;
  struct failure failure;
  umask(077);
  if (read_spec(&spec, SPEC_RUN, &failure) < 0) return print_failure(&failure);
  if (leave_caller(&failure) < 0) return print_failure(&failure);
  if (folder_open(&vm.folder, dir, &failure) < 0) return print_failure(&failure);
  if (bring_up(&spec, begin_ms, &failure) < 0) return give_up(&failure);
  vm_serve(&vm);
  return 0;
}

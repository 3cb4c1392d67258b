/* launch: see launch.h. */
#include "launch.h"

#include "init.h"
#include "jail.h"
#include "landlock.h"
#include "linux_abi.h"
#include "user.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Bytes that may wait in a socket: about 450 full frames. */
#define SOCKET_BYTES (1 << 20)

int find_qemu(const char *path, char real[PATH_MAX], struct failure *failure) {
  if (realpath(path, real) == NULL)
    return fail_errno(failure, "qemu-missing", errno, "QEMU is not at %s", path);
  if (access(real, X_OK) < 0)
    return fail_errno(failure, "qemu-missing", errno, "QEMU at %s cannot be executed", real);
  return 0;
}

static void make_roomy(int fd) {
  int bytes = SOCKET_BYTES;
  if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) < 0)
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes); /* as far as the system lets us */
}

/* The ends of QEMU and of the helper, in this order of descriptors. */
struct ends {
  int serial[2], qmp[2], nic[2], err[2];
};

static void close_pair(int pair[2]) {
  close_fd(&pair[0]);
  close_fd(&pair[1]);
}

static void close_ends(struct ends *ends) {
  close_pair(ends->serial);
  close_pair(ends->qmp);
  close_pair(ends->nic);
  close_pair(ends->err);
}

static int open_ends(struct ends *ends, struct failure *failure) {
  *ends = (struct ends){{-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}};
  bool ok = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends->serial) == 0 &&
            socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends->qmp) == 0 &&
            socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends->nic) == 0 &&
            socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends->err) == 0;
  if (ok) {
    make_roomy(ends->nic[0]);
    make_roomy(ends->nic[1]);
    return 0;
  }
  fail_errno(failure, "vm-failed", errno, "cannot make sockets");
  close_ends(ends);
  return -1;
}

static void kill_child(pid_t pid, int *pidfd) {
  abi_pidfd_signal(*pidfd, SIGKILL);
  while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) continue;
  close_fd(pidfd);
}

/* A report, and who sent it as our PID namespace counts. */
static ssize_t take_report(int sync, struct jail_report *report, pid_t *sender) {
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(struct ucred))];
  } control;
  struct iovec part = {report, sizeof *report};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
                           .msg_controllen = sizeof control};
  ssize_t got = recvmsg(sync, &message, 0);
  struct cmsghdr *header = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;
  struct ucred who = {.pid = 0};
  if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_CREDENTIALS)
    memcpy(&who, CMSG_DATA(header), sizeof who);
  *sender = who.pid;
  return got;
}

/* One try. 0: QEMU runs. Else -1, the child is gone, and `report` says which step failed. */
static int spawn(const struct jail *jail, struct machine *machine, struct jail_report *report) {
  int sync[2], on = 1;
  *report = (struct jail_report){.step = STEP_MANDATORY, .what = "clone"};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sync) < 0 ||
      setsockopt(sync[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0) {
    report->error = errno;
    return -1;
  }
  unsigned features = jail->root ? jail->features & ~(1u << FEATURE_USER_NS) : jail->features;
  machine->pid = abi_clone(feature_namespaces(features), &machine->pidfd);
  if (machine->pid == 0) jail_enter(jail, sync[1]);
  report->error = errno;
  close(sync[1]);
  if (machine->pid < 0) {
    report->step = STEP_CLONE;
    close(sync[0]);
    return -1;
  }
  pid_t sender;
  ssize_t got = take_report(sync[0], report, &machine->qemu);
  if (got == sizeof *report && report->step == STEP_READY) {
    send(sync[0], "g", 1, MSG_NOSIGNAL);
    got = take_report(sync[0], report, &sender);
    if (got == 0) { /* closed by a successful exec */
      close(sync[0]);
      return 0;
    }
  }
  if (got != sizeof *report) *report = (struct jail_report){.step = STEP_MANDATORY, .what = "jail"};
  close(sync[0]);
  kill_child(machine->pid, &machine->pidfd);
  return -1;
}

/* Which namespace does the kernel refuse? Asked one by one, in a child each. */
static int refused_namespace(const struct jail *jail) {
  for (enum feature feature = 0; feature < FEATURE_COUNT; feature++) {
    uint64_t flag = feature_namespaces(jail->features & (1u << feature));
    if (flag == 0) continue;
    if (!jail->root) flag |= feature_namespaces(1u << FEATURE_USER_NS);
    int pidfd = -1;
    pid_t pid = abi_clone(flag, &pidfd);
    if (pid == 0) _exit(0);
    if (pid < 0) return (int)feature;
    kill_child(pid, &pidfd);
  }
  return -1;
}

static int explain(const struct jail *jail, const struct jail_report *report,
                   struct failure *failure) {
  if (report->step == STEP_EXEC)
    return fail_errno(failure, "qemu-missing", report->error, "cannot execute %s", jail->qemu);
  return fail_errno(failure, "vm-failed", report->error, "cannot confine QEMU (%.31s)",
                    report->what);
}

/* The feature without which to try again, or -1. */
static int feature_to_drop(const struct jail *jail, const struct jail_report *report) {
  if (report->step < FEATURE_COUNT) return report->step;
  if (report->step == STEP_CLONE) return refused_namespace(jail);
  /* Perhaps a QEMU whose files are elsewhere than we think. */
  if (report->step == STEP_EXEC && HAS(jail->features, PRIVATE_ROOT)) return FEATURE_PRIVATE_ROOT;
  if (report->step == STEP_EXEC && HAS(jail->features, LANDLOCK)) return FEATURE_LANDLOCK;
  return -1;
}

static void note(struct machine *machine, int feature, const struct jail_report *report) {
  size_t used = strlen(machine->why);
  snprintf(machine->why + used, sizeof machine->why - used, "%s%s: %s at %.31s", used ? "; " : "",
           feature_name((enum feature)feature), strerror(report->error), report->what);
}

/* Each round drops one feature, so there are at most FEATURE_COUNT of them. */
static int spawn_degrading(struct jail *jail, struct machine *machine, struct failure *failure) {
  unsigned all = jail->root ? FEATURES_ALL : FEATURES_ALL & ~(1u << FEATURE_OWN_UID);
  jail->features &= all;
  machine->why[0] = 0;
  for (;;) {
    struct jail_report report;
    if (spawn(jail, machine, &report) == 0) break;
    int feature = feature_to_drop(jail, &report);
    if (feature < 0 || !((jail->features >> feature) & 1u)) return explain(jail, &report, failure);
    note(machine, feature, &report);
    jail->features = features_without(jail->features, (enum feature)feature, jail->root);
  }
  machine->missing = all & ~jail->features;
  machine->landlock_abi = HAS(machine->missing, LANDLOCK) ? 0 : landlock_abi();
  return 0;
}

static int64_t kvm_group(void) {
  struct stat facts;
  bool shared = stat("/dev/kvm", &facts) == 0 && (facts.st_mode & S_IRGRP) && (facts.st_mode & S_IWGRP);
  return shared ? (int64_t)facts.st_gid : -1;
}

static int start(const struct launch *launch, struct ends *ends, int null, int kernel,
                 struct machine *machine, struct failure *failure) {
  struct qemu_args args;
  struct reach reach;
  reach_of(&reach, launch->qemu);
  if (qemu_args(&args, launch->qemu, &launch->wish) < 0)
    return fail(failure, "internal", "QEMU's command line is too long");
  struct jail jail = {
      .features = launch->features,
      .root = geteuid() == 0,
      .uid = unused_user(),
      .caller_uid = geteuid(),
      .caller_gid = getegid(),
      .kvm = launch->wish.kvm,
      .kvm_group = kvm_group(),
      .file_bytes = launch->disk_bytes,
      .qemu = launch->qemu,
      .argv = args.argv,
      .reach = &reach,
      .fds = {null, ends->err[1], ends->err[1], kernel, launch->initrd, ends->serial[1],
              ends->qmp[1], ends->nic[1], launch->disk},
      .lock = launch->lock,
  };
  if (spawn_degrading(&jail, machine, failure) < 0) return -1;
  machine->started_ms = boottime_ms();
  return 0;
}

/* Never the file itself: what is open can be changed, if only its mode, by the user it belongs to,
 * and the next VM boots from it too. */
static int start_with_kernel(const struct launch *launch, struct ends *ends, int null,
                             struct machine *machine, struct failure *failure) {
  if (launch->kernel < 0) return start(launch, ends, null, -1, machine, failure);
  int copy = sealed_copy("kernel", -1, launch->kernel, failure);
  if (copy < 0) return -1;
  int result = start(launch, ends, null, copy, machine, failure);
  close(copy);
  return result;
}

static void take_ends(struct machine *machine, struct ends *ends) {
  machine->serial = ends->serial[0];
  machine->qmp = ends->qmp[0];
  machine->nic = ends->nic[0];
  machine->err = ends->err[0];
  ends->serial[0] = ends->qmp[0] = ends->nic[0] = ends->err[0] = -1;
  set_nonblocking(machine->serial);
  set_nonblocking(machine->qmp);
  set_nonblocking(machine->err);
}

int launch(const struct launch *launch, struct machine *machine, struct failure *failure) {
  struct ends ends;
  if (open_ends(&ends, failure) < 0) return -1;
  int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  int result = null < 0 ? fail_errno(failure, "vm-failed", errno, "cannot open /dev/null")
                        : start_with_kernel(launch, &ends, null, machine, failure);
  if (result == 0) take_ends(machine, &ends);
  close_fd(&null);
  close_ends(&ends);
  return result;
}

struct machine_end machine_end(const siginfo_t *status) {
  if (status->si_code != CLD_EXITED) return (struct machine_end){true, status->si_status};
  if (status->si_status > INIT_BY_SIGNAL)
    return (struct machine_end){true, status->si_status - INIT_BY_SIGNAL};
  return (struct machine_end){false, status->si_status};
}

void machine_destroy(struct machine *machine) {
  kill_child(machine->pid, &machine->pidfd);
  close_fd(&machine->serial);
  close_fd(&machine->qmp);
  close_fd(&machine->nic);
  close_fd(&machine->err);
}

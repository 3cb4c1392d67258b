/* jail: see jail.h. */
#include "jail.h"

#include "init.h"
#include "landlock.h"
#include "linux_abi.h"
#include "root.h"
#include "seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

/* Above every number that QEMU is given. */
#define SYNC_FD 20
#define SELF_FD 21
#define LOCK_FD 22
/* Score by which the kernel prefers to end a VM when memory runs out; guess, of at most 1000. */
#define OOM_SCORE "800"
/* QEMU with 64 vCPUs opens some 100; a leak or a trick needs more. */
#define FILES_MAX 256
/* Threads of QEMU with 64 vCPUs: as many again for its disk, and some. */
#define THREADS_MAX 192
/* Beyond those that run: where they are counted together with all others of the user; guess. */
#define MORE_THREADS_MAX 1024
/* A guest gets about a third of the time of what its owner runs beside it; guess. */
#define NICENESS 5
/* Best effort, the last of its eight: 2 << 13 | 7 of include/uapi/linux/ioprio.h. */
#define IO_PRIORITY (2 << 13 | 7)

static _Noreturn void report(int sync, int step, const char *what) {
  struct jail_report report = {.step = step, .error = errno};
  snprintf(report.what, sizeof report.what, "%s", what);
  send(sync, &report, sizeof report, MSG_NOSIGNAL);
  _exit(1);
}

static void must(int result, int sync, const char *what) {
  if (result < 0) report(sync, STEP_MANDATORY, what);
}

/* First all out of the way of the numbers that are wanted, then into place. */
static int place_fds(const struct jail *jail, int sync) {
  int high[QEMU_FD_COUNT];
  int high_sync = fcntl(sync, F_DUPFD, LOCK_FD + 1);
  int high_lock = jail->lock < 0 ? -1 : fcntl(jail->lock, F_DUPFD, LOCK_FD + 1);
  if (high_sync < 0 || (jail->lock >= 0 && high_lock < 0)) return -1;
  for (int i = 0; i < QEMU_FD_COUNT; i++) {
    high[i] = jail->fds[i] < 0 ? -1 : fcntl(jail->fds[i], F_DUPFD, LOCK_FD + 1);
    if (jail->fds[i] >= 0 && high[i] < 0) return -1;
  }
  for (int i = 0; i < QEMU_FD_COUNT; i++) {
    if (high[i] >= 0 && dup2(high[i], i) < 0) return -1;
    if (high[i] < 0) close(i);
  }
  if (high_lock < 0) close(LOCK_FD);
  if (high_lock >= 0 && dup3(high_lock, LOCK_FD, O_CLOEXEC) < 0) return -1;
  return dup3(high_sync, SYNC_FD, O_CLOEXEC);
}

/* Leaves the numbers of QEMU, the socket to the parent, /proc/self as seen from outside, the lock. */
static int close_others(void) {
  int self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (self < 0) return -1;
  if (self != SELF_FD && dup3(self, SELF_FD, O_CLOEXEC) < 0) return -1;
  if (abi_close_range(QEMU_FD_COUNT, SYNC_FD - 1) < 0) return -1;
  return abi_close_range(LOCK_FD + 1, ~0u);
}

/* Maps one user and group to themselves. */
static int map_user(unsigned uid, unsigned gid) {
  char map[64];
  /* Without it the kernel hands /proc/self to root, and the maps could not be written. */
  if (prctl(PR_SET_DUMPABLE, 1) < 0) return -1;
  if (write_file_at(SELF_FD, "setgroups", "deny") < 0 && errno != ENOENT) return -1;
  snprintf(map, sizeof map, "%u %u 1\n", gid, gid);
  if (write_file_at(SELF_FD, "gid_map", map) < 0) return -1;
  snprintf(map, sizeof map, "%u %u 1\n", uid, uid);
  return write_file_at(SELF_FD, "uid_map", map);
}

static int enter_user_ns(void) {
  /* The numbers as the outer namespace knows them: afterwards ours are unmapped. */
  unsigned uid = geteuid(), gid = getegid();
  return unshare(CLONE_NEWUSER) < 0 ? -1 : map_user(uid, gid);
}

/* Another user than root, keeping the capabilities that the steps after it need. In a private root
 * the device is this user's own; else it takes the group that may use the common one. */
static int change_user(const struct jail *jail) {
  uid_t uid = jail->uid;
  gid_t group = (gid_t)jail->kvm_group;
  bool common = jail->kvm && jail->kvm_group >= 0 && !HAS(jail->features, PRIVATE_ROOT);
  if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP) < 0) return -1;
  if (setgroups(common ? 1 : 0, &group) < 0 || setresgid(uid, uid, uid) < 0) return -1;
  return setresuid(uid, uid, uid);
}

static int limit(int resource, rlim_t value) {
  struct rlimit now;
  if (getrlimit(resource, &now) < 0) return -1;
  if (now.rlim_max < value) value = now.rlim_max;
  struct rlimit wanted = {value, value};
  return setrlimit(resource, &wanted);
}

/* Since Linux 5.14 a user namespace counts its own. */
static bool counts_by_namespace(void) {
  struct utsname system;
  int major = 0, minor = 0;
  if (uname(&system) < 0 || sscanf(system.release, "%d.%d", &major, &minor) != 2) return false;
  return major > 5 || (major == 5 && minor >= 14);
}

/* The kernel counts threads by user: of a user who has nothing else few are enough, else there must
 * be room for what is there already, whosever it is. */
static rlim_t threads_max(const struct jail *jail) {
  struct sysinfo system;
  bool alone = jail->root ? HAS(jail->features, OWN_UID)
                          : HAS(jail->features, USER_NS) && counts_by_namespace();
  if (alone || sysinfo(&system) < 0) return THREADS_MAX;
  return system.procs + MORE_THREADS_MAX;
}

/* Never RLIMIT_AS: QEMU maps far more than it uses. */
static int set_limits(const struct jail *jail) {
  if (limit(RLIMIT_CORE, 0) < 0 || limit(RLIMIT_MEMLOCK, 0) < 0) return -1;
  if (limit(RLIMIT_NOFILE, FILES_MAX) < 0 || limit(RLIMIT_FSIZE, jail->file_bytes) < 0) return -1;
  if (limit(RLIMIT_MSGQUEUE, 0) < 0 || limit(RLIMIT_RTPRIO, 0) < 0) return -1;
  return limit(RLIMIT_NPROC, threads_max(jail));
}

/* Behind all that its owner does; a container that forbids to be modest is no reason to fail. */
static void be_modest(void) {
  struct sched_param none = {.sched_priority = 0};
  sched_setscheduler(0, SCHED_BATCH, &none);
  setpriority(PRIO_PROCESS, 0, NICENESS);
  syscall(SYS_ioprio_set, 1 /* this process */, 0, IO_PRIORITY);
}

static int drop_capabilities(void) {
  for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
    if (prctl(PR_CAPBSET_DROP, cap) < 0 && errno != EPERM) return -1;
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0) return -1;
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct none[2] = {{0, 0, 0}, {0, 0, 0}};
  return (int)syscall(SYS_capset, &header, none);
}

static void enter_root(const struct jail *jail) {
  struct root root = {
      .reach = jail->reach,
      .kvm = jail->kvm,
      .own_proc = HAS(jail->features, PID_NS),
      .make_device = jail->root && HAS(jail->features, OWN_UID),
      .kvm_user = jail->uid,
  };
  if (root_enter(&root) < 0) report(SYNC_FD, FEATURE_PRIVATE_ROOT, root.failed);
}

static int bound_files(const struct jail *jail) {
  int fds[] = {QEMU_FD_KERNEL, QEMU_FD_INITRD};
  return landlock_reader(jail->reach, fds, COUNT_OF(fds), jail->kvm);
}

static void optional(enum feature feature, int result) {
  if (result < 0) report(SYNC_FD, feature, feature_name(feature));
}

static void set_identity(const struct jail *jail) {
  if (HAS(jail->features, PRIVATE_ROOT)) enter_root(jail);
  if (!jail->root) return;
  if (HAS(jail->features, OWN_UID)) optional(FEATURE_OWN_UID, change_user(jail));
  if (HAS(jail->features, USER_NS)) optional(FEATURE_USER_NS, enter_user_ns());
}

static void give_up_rights(const struct jail *jail) {
  be_modest();
  must(set_limits(jail), SYNC_FD, "limits");
  must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), SYNC_FD, "no-new-privileges");
  if (HAS(jail->features, LANDLOCK)) optional(FEATURE_LANDLOCK, bound_files(jail));
  must(drop_capabilities(), SYNC_FD, "capabilities");
}

/* From here on the parent's death is ours, for the filter lets nobody take it back: either the
 * kernel kills us, or no "go" comes. The parent is init, which dies with the helper, or, where there
 * is no PID namespace to be the first of, the helper itself. */
static void tie_to_parent(void) {
  char go;
  must(prctl(PR_SET_PDEATHSIG, SIGKILL), SYNC_FD, "death signal");
  must(seccomp_deny_for_qemu(), SYNC_FD, "call filter");
  struct jail_report ready = {.step = STEP_READY};
  must((int)send(SYNC_FD, &ready, sizeof ready, MSG_NOSIGNAL), SYNC_FD, "ready");
  if (recv(SYNC_FD, &go, 1, 0) != 1) _exit(1);
}

/* QEMU shall not inherit what the helper does with signals. */
static void reset_signals(void) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  signal(SIGHUP, SIG_DFL);
  signal(SIGPIPE, SIG_DFL);
}

_Noreturn void jail_enter(const struct jail *jail, int sync) {
  static char *environment[] = {"LC_ALL=C", "HOME=/", NULL};
  must(place_fds(jail, sync), sync, "descriptors");
  must(close_others(), SYNC_FD, "descriptors");
  if (!jail->root && HAS(jail->features, USER_NS)) optional(FEATURE_USER_NS, map_user(jail->caller_uid, jail->caller_gid));
  reset_signals();
  setsid();
  if (HAS(jail->features, OOM_SCORE))
    optional(FEATURE_OOM_SCORE, write_file_at(SELF_FD, "oom_score_adj", OOM_SCORE));
  if (HAS(jail->features, UTS_NS)) optional(FEATURE_UTS_NS, sethostname("vm", 2));
  umask(022); /* the folders of the private root are for another user */
  set_identity(jail);
  if (!HAS(jail->features, PRIVATE_ROOT)) must(chdir("/"), SYNC_FD, "folder");
  give_up_rights(jail);
  if (HAS(jail->features, PID_NS)) must(init_split(jail->lock < 0 ? -1 : LOCK_FD), SYNC_FD, "init");
  close(LOCK_FD);
  tie_to_parent();
  execve(jail->qemu, jail->argv, environment);
  report(SYNC_FD, STEP_EXEC, "exec");
}

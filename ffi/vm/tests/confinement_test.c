/*
 * Tests of seccomp.c and lockdown.c from inside: each try is a child that confines itself as the
 * real thing does and then does what it must not. Not under a sanitizer, whose own calls would be
 * refused. As root the tries tell most, since then nothing but the confinement refuses them.
 */
#include "../lockdown.h"
#include "../seccomp.h"
#include "denied_calls.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Above the last call of any kernel so far. */
#define CALLS_END 520
/* A try that got through may wait for ever. */
#define TRY_SECONDS 20
#define SEEN 42

/* What the helper needs; written from what it does, not from seccomp.c. */
static const long HELPER_CALLS[] = {
    SYS_read, SYS_write, SYS_pwrite64, SYS_close, SYS_poll, SYS_ppoll, SYS_recvmsg, SYS_sendmsg,
    SYS_recvmmsg, SYS_sendmmsg, SYS_recvfrom, SYS_sendto, SYS_accept4, SYS_getsockopt,
    SYS_setsockopt, SYS_timerfd_settime, SYS_clock_gettime, SYS_pidfd_send_signal, SYS_waitid,
    SYS_wait4, SYS_ftruncate, SYS_fsync, SYS_renameat, SYS_renameat2, SYS_unlinkat, SYS_fstat,
    SYS_newfstatat, SYS_restart_syscall, SYS_rt_sigreturn, SYS_exit, SYS_exit_group, SYS_getpid,
    SYS_geteuid, SYS_dup2,
};

static const long INIT_CALLS[] = {
    SYS_rt_sigtimedwait, SYS_wait4, SYS_kill, SYS_rt_sigreturn, SYS_restart_syscall, SYS_exit,
    SYS_exit_group,
};

static bool holds(const long *calls, size_t count, long call) {
  for (size_t i = 0; i < count; i++)
    if (calls[i] == call) return true;
  return false;
}

/* uretprobe and uprobe, which Linux lets through every filter, and answers with SIGILL. */
#define IS_KERNELS_OWN(call) ((call) == 335 || (call) == 336)
#define HOLDS(calls, call) holds(calls, sizeof(calls) / sizeof((calls)[0]), call)

/* The wait status of a child that does `act`, and ends with what it returns. */
static int in_child(int (*act)(long), long argument) {
  pid_t pid = fork();
  int status = 0;
  CHECK(pid >= 0);
  if (pid == 0) {
    setsid(); /* no terminal to hang up */
    alarm(TRY_SECONDS);
    _exit(act(argument));
  }
  CHECK(waitpid(pid, &status, 0) == pid);
  return status;
}

static bool killed_by_filter(int status) {
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

static bool saw(int status) {
  return WIFEXITED(status) && WEXITSTATUS(status) == SEEN;
}

static void as_qemu(void) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) _exit(1);
  if (seccomp_deny_for_qemu() < 0) _exit(1);
}

static int refused_to_qemu(long call) {
  as_qemu();
  errno = 0;
  return TRY_CALL(call) == -1 && errno == EPERM ? SEEN : 1;
}

static void qemu_is_refused_each_call(void) {
  for (size_t i = 0; i < DENIED_CALLS_COUNT; i++) {
    bool refused = saw(in_child(refused_to_qemu, DENIED_CALLS[i]));
    if (!refused) fprintf(stderr, "call %ld\n", DENIED_CALLS[i]);
    CHECK(refused);
  }
}

static void qemu_is_killed_for_x32(void) {
  for (long call = 0; call < CALLS_END; call++)
    CHECK(killed_by_filter(in_child(refused_to_qemu, X32(call))));
}

static int clones(long flags) {
  as_qemu();
  errno = 0;
  long pid = syscall(SYS_clone, flags, NULL, NULL, NULL, NULL);
  if (pid == 0) _exit(0);
  return pid < 0 && errno == EPERM ? SEEN : 1;
}

static int clones3(long argument) {
  (void)argument;
  as_qemu();
  return TRY_CALL(435) == -1 && errno == ENOSYS ? SEEN : 1;
}

static int forks(long call) {
  as_qemu();
  long pid = syscall(call);
  if (pid == 0) _exit(0);
  return pid < 0 && errno == EPERM ? SEEN : 1;
}

static void qemu_makes_threads_only(void) {
  static const long flags[] = {SIGCHLD, CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET,
                               CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP, CLONE_VM | SIGCHLD};
  for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
    CHECK(saw(in_child(clones, flags[i])));
    CHECK(saw(in_child(clones, flags[i] | 1L << 40)));
    if (flags[i] & ~(SIGCHLD | CLONE_VM)) CHECK(saw(in_child(clones, flags[i] | CLONE_THREAD)));
  }
  CHECK(saw(in_child(clones3, 0)));
  CHECK(saw(in_child(forks, SYS_fork)));
  CHECK(saw(in_child(forks, SYS_vfork)));
}

/* What the kernel says of the flags of a thread without its stack, were it not refused before. */
static int starts_thread(long argument) {
  (void)argument;
  as_qemu();
  return syscall(SYS_clone, (long)CLONE_THREAD, NULL, NULL, NULL, NULL) == -1 && errno == EINVAL ? SEEN : 1;
}

static void qemu_may_make_threads(void) {
  CHECK(saw(in_child(starts_thread, 0)));
}

static int changes_death_signal(long signal) {
  as_qemu();
  int now = 0;
  long option = PR_SET_PDEATHSIG | 1L << 33; /* of which the kernel sees the lower half */
  if (syscall(SYS_prctl, (long)PR_SET_PDEATHSIG, signal) != -1 || errno != EPERM) return 1;
  if (syscall(SYS_prctl, option, signal) != -1 || errno != EPERM) return 2;
  return prctl(PR_GET_PDEATHSIG, &now) == 0 && now == SIGKILL ? SEEN : 3;
}

static int keeps_death_signal(long argument) {
  (void)argument;
  as_qemu();
  return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && prctl(PR_SET_NAME, "x") == 0 ? SEEN : 1;
}

static void qemu_keeps_its_death_signal(void) {
  static const long signals[] = {0, SIGTERM, SIGKILL | 1L << 32, 1L << 63, -1};
  for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
    CHECK(saw(in_child(changes_death_signal, signals[i])));
  CHECK(saw(in_child(keeps_death_signal, 0)));
}

static int folder = -1; /* what the helper may change */
static char inside[64], outside[64];

static void as_helper(void) {
  struct failure failure;
  if (lockdown(folder, false, &failure) < 0) _exit(1);
}

static int called_by_helper(long call) {
  as_helper();
  TRY_CALL(call);
  return 1;
}

static void helper_is_killed_for_all_but_its_calls(void) {
  for (long call = 0; call < CALLS_END; call++) {
    if (HOLDS(HELPER_CALLS, call) || IS_KERNELS_OWN(call)) continue;
    bool killed = killed_by_filter(in_child(called_by_helper, call));
    if (!killed) fprintf(stderr, "call %ld\n", call);
    CHECK(killed);
  }
  for (size_t i = 0; i < sizeof HELPER_CALLS / sizeof HELPER_CALLS[0]; i++)
    CHECK(killed_by_filter(in_child(called_by_helper, X32(HELPER_CALLS[i]))));
}

static int called_by_init(long call) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || seccomp_lock_init() < 0) return 1;
  TRY_CALL(call);
  return 1;
}

static void init_is_killed_for_all_but_its_calls(void) {
  for (long call = 0; call < CALLS_END; call++)
    if (!HOLDS(INIT_CALLS, call) && !IS_KERNELS_OWN(call)) CHECK(killed_by_filter(in_child(called_by_init, call)));
}

/* The things themselves, in the words of a program that was taken over. */
static int opens(long argument) {
  (void)argument;
  as_helper();
  return open("/etc/passwd", O_RDONLY) < 0 ? 1 : 2;
}

static int executes(long argument) {
  char *words[] = {"true", NULL};
  (void)argument;
  as_helper();
  return execve("/bin/true", words, NULL);
}

static int makes_code(long argument) {
  (void)argument;
  as_helper();
  return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED;
}

static void helper_is_killed_when_it_tries(void) {
  CHECK(killed_by_filter(in_child(opens, 0)));
  CHECK(killed_by_filter(in_child(executes, 0)));
  CHECK(killed_by_filter(in_child(makes_code, 0)));
}

static int removes_elsewhere(long argument) {
  (void)argument;
  as_helper();
  return unlinkat(AT_FDCWD, outside, 0) == -1 && errno == EACCES ? SEEN : 1;
}

static int removes_here(long argument) {
  (void)argument;
  as_helper();
  return unlinkat(folder, "file", 0) == 0 ? SEEN : 1;
}

static int moves_away(long argument) {
  (void)argument;
  as_helper();
  bool refused = renameat(folder, "file", AT_FDCWD, outside) == -1;
  return refused && (errno == EACCES || errno == EXDEV) ? SEEN : 1;
}

static void make_file(const char *path) {
  int fd = open(path, O_CREAT | O_WRONLY, 0600);
  CHECK(fd >= 0);
  close(fd);
}

/* Two folders with a file in each. */
static void make_folders(void) {
  static char base[] = "/tmp/omerta-vm-XXXXXX", other[] = "/tmp/omerta-vm-XXXXXX";
  CHECK(mkdtemp(base) != NULL && mkdtemp(other) != NULL);
  snprintf(inside, sizeof inside, "%s/file", base);
  snprintf(outside, sizeof outside, "%s/file", other);
  folder = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC);
  CHECK(folder >= 0);
}

static void remove_folders(void) {
  unlink(inside), unlink(outside);
  *strrchr(inside, '/') = *strrchr(outside, '/') = 0;
  rmdir(inside), rmdir(outside);
}

static void helper_changes_only_its_folder(void) {
  if (syscall(444, NULL, 0, 1) < 1) { /* landlock_create_ruleset: the ABI */
    printf("skipped: the helper changes only its folder: this kernel has no Landlock\n");
    return;
  }
  make_file(inside), make_file(outside);
  CHECK(saw(in_child(moves_away, 0)));
  CHECK(saw(in_child(removes_elsewhere, 0)));
  CHECK(access(outside, F_OK) == 0);
  CHECK(saw(in_child(removes_here, 0)));
}

int main(void) {
  static const struct test tests[] = {
      {"QEMU is refused every call of the table", qemu_is_refused_each_call},
      {"QEMU is killed for any call of the x32 table", qemu_is_killed_for_x32},
      {"QEMU makes no processes and no namespaces", qemu_makes_threads_only},
      {"QEMU makes threads", qemu_may_make_threads},
      {"QEMU cannot take back its death signal", qemu_keeps_its_death_signal},
      {"the helper is killed for any other call than its own", helper_is_killed_for_all_but_its_calls},
      {"the helper is killed when it opens, executes, or makes code", helper_is_killed_when_it_tries},
      {"the helper changes only its folder", helper_changes_only_its_folder},
      {"init is killed for any other call than its own", init_is_killed_for_all_but_its_calls},
  };
  make_folders();
  int result = RUN_TESTS("confinement", tests);
  remove_folders();
  return result;
}

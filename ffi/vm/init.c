/* init: see init.h. */
#include "init.h"

#include "linux_abi.h"
#include "seccomp.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the kernel sends when the helper dies. */
#define ORPHANED SIGTERM
/* As programs see it in /proc/PID/comm: at most 15 bytes. */
#define NAME "omerta-vm-init"

static int status_of(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : INIT_BY_SIGNAL + WTERMSIG(status);
}

/* All others of the namespace: they are our children by now, or soon. */
static _Noreturn void end_all(int status) {
  kill(-1, SIGKILL);
  while (waitpid(-1, NULL, 0) > 0 || errno == EINTR) continue;
  _exit(status);
}

static void reap(pid_t qemu) {
  int status;
  for (pid_t pid = waitpid(-1, &status, WNOHANG); pid > 0; pid = waitpid(-1, &status, WNOHANG))
    if (pid == qemu) end_all(status_of(status));
}

static int keep_only(int lock) {
  if (lock < 0) return abi_close_range(0, ~0u);
  if (lock > 0 && abi_close_range(0, (unsigned)lock - 1) < 0) return -1;
  return abi_close_range((unsigned)lock + 1, ~0u);
}

/* Without a filter or a name it works as well. */
static _Noreturn void serve(pid_t qemu, int lock, const sigset_t *awaited) {
  prctl(PR_SET_NAME, NAME);
  if (keep_only(lock) < 0) end_all(1);
#ifndef OMERTA_SANITIZE
  if (seccomp_lock_init() < 0) end_all(1);
#endif
  for (;;) {
    int signal = sigwaitinfo(awaited, NULL);
    if (signal == SIGCHLD) reap(qemu);
    if (signal == ORPHANED) end_all(INIT_BY_SIGNAL + SIGKILL);
  }
}

int init_split(int lock) {
  sigset_t awaited, before;
  sigemptyset(&awaited);
  sigaddset(&awaited, SIGCHLD);
  sigaddset(&awaited, ORPHANED);
  if (sigprocmask(SIG_BLOCK, &awaited, &before) < 0) return -1;
  /* Not dumpable, else QEMU, which has our user, could reach into us by /proc; its own exec makes
   * it dumpable again. */
  if (prctl(PR_SET_DUMPABLE, 0) < 0 || prctl(PR_SET_PDEATHSIG, ORPHANED) < 0) return -1;
  pid_t qemu = fork();
  if (qemu < 0) return -1;
  if (qemu > 0) serve(qemu, lock, &awaited);
  if (lock >= 0) close(lock);
  return sigprocmask(SIG_SETMASK, &before, NULL);
}

/* speaking: the second half of launch.h: from the exec of QEMU to the first byte of its monitor. */
#include "launch.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* QEMU speaks after 30 to 100 ms; a machine that swaps may need far more. */
#define SPEAK_MS 15000
/* From the first closed descriptor of a process to its end. */
#define END_MS 1000
/* What a shell and the dynamic loader return for a program that cannot be started. */
#define STATUS_NO_LIBRARY 127

static bool speaks(const struct machine *machine) {
  struct pollfd set[] = {{.fd = machine->qmp, .events = POLLIN},
                         {.fd = machine->pidfd, .events = POLLIN}};
  char byte;
  if (poll(set, COUNT_OF(set), SPEAK_MS) <= 0) return false;
  return recv(machine->qmp, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

void machine_words(const struct machine *machine, char *words, size_t size) {
  ssize_t got = recv(machine->err, words, size - 1, MSG_DONTWAIT);
  words[got > 0 ? got : 0] = 0;
  size_t length = strlen(words);
  while (length > 0 && words[length - 1] == '\n') words[--length] = 0;
  char *line = strrchr(words, '\n');
  if (line != NULL) memmove(words, line + 1, strlen(line + 1) + 1);
}

/* The status of a QEMU whose monitor is closed, so that it is about to end; -1 if it is not. */
static int exit_status(const struct machine *machine) {
  struct pollfd ended_soon = {.fd = machine->pidfd, .events = POLLIN};
  siginfo_t status;
  if (poll(&ended_soon, 1, END_MS) <= 0) return -1;
  memset(&status, 0, sizeof status);
  int flags = WEXITED | WNOHANG | WNOWAIT;
  bool ended = waitid(P_PIDFD, (id_t)machine->pidfd, &status, flags) == 0 && status.si_pid != 0;
  return ended && status.si_code == CLD_EXITED ? status.si_status : -1;
}

static int without_root(struct launch *launch, struct machine *machine, struct failure *failure) {
  launch->features &= ~(1u << FEATURE_PRIVATE_ROOT | 1u << FEATURE_LANDLOCK);
  return launch_speaking(launch, machine, failure);
}

int launch_speaking(struct launch *wish, struct machine *machine, struct failure *failure) {
  char words[400];
  if (launch(wish, machine, failure) < 0) return -1;
  if (speaks(machine)) return 0;
  int status = exit_status(machine);
  machine_words(machine, words, sizeof words);
  machine_destroy(machine);
  if (status == STATUS_NO_LIBRARY && HAS(wish->features, PRIVATE_ROOT))
    return without_root(wish, machine, failure);
  return fail(failure, "vm-failed", "QEMU did not start: %s",
              words[0] != 0 ? words : "it ended without a word");
}

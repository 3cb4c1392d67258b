/* vm_end: the last things: why it ended, exit.json, and nothing left behind. See vm.h. */
#include "vm.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

static const char *const REASONS[] = {
    [END_LEASE] = "lease",           [END_LIFE] = "life",           [END_STOP] = "stop",
    [END_GUEST_EXIT] = "guest-exit", [END_QEMU_DIED] = "qemu-died", [END_DISK] = "disk",
    [END_ERROR] = "error",
};

const char *vm_reason_name(enum end_reason reason) {
  return REASONS[reason];
}

static void last_line(const struct vm *vm, char *line, size_t size) {
  size_t end = vm->last_words_used;
  while (end > 0 && vm->last_words[end - 1] == '\n') end--;
  size_t begin = end;
  while (begin > 0 && vm->last_words[begin - 1] != '\n') begin--;
  snprintf(line, size, "%.*s", (int)(end - begin), vm->last_words + begin);
}

/* Why it ended by itself. */
static void find_reason(struct vm *vm, const siginfo_t *status) {
  char words[256];
  last_line(vm, words, sizeof words);
  vm->ending = true;
  vm->reason = END_QEMU_DIED;
  struct machine_end end = machine_end(status);
  if (!end.by_signal && end.number == 0) {
    vm->reason = END_GUEST_EXIT;
    snprintf(vm->detail, sizeof vm->detail, "the guest ended (%s)",
             vm->qmp.shutdown_reason[0] ? vm->qmp.shutdown_reason : "no reason given");
  } else {
    snprintf(vm->detail, sizeof vm->detail, "QEMU ended by %s %d%s%s",
             end.by_signal ? "signal" : "status", end.number, words[0] ? ": " : "", words);
  }
}

static void write_exit(struct vm *vm) {
  char line[2048];
  struct text text;
  text_begin(&text, line, sizeof line);
  text_add(&text, "{");
  text_field(&text, "reason", vm_reason_name(vm->reason));
  text_add(&text, ",");
  text_field(&text, "detail", vm->detail);
  text_add(&text, "}\n");
  folder_write_exit(&vm->folder, line);
}

void vm_gone(struct vm *vm) {
  siginfo_t status;
  memset(&status, 0, sizeof status);
  waitid(P_PIDFD, (id_t)vm->machine.pidfd, &status, WEXITED);
  if (!vm->ending) find_reason(vm, &status);
  close_fd(&vm->machine.pidfd);
  log_line(&vm->log, "gone: %s, %s", vm_reason_name(vm->reason), vm->detail);
  vm->state = VM_GONE;
  write_exit(vm);
  folder_close(&vm->folder);
  close_fd(&vm->folder.lock);
  vm_announce(vm);
  for (size_t i = 0; i < CLIENTS_MAX; i++) {
    struct client *client = &vm->control.clients[i];
    if (client->stopping) control_answer(client, "{\"ok\":true,\"state\":\"gone\"}");
  }
}

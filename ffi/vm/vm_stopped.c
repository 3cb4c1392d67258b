/*
 * vm_stopped: a machine that QEMU has stopped, which it does by itself in two cases:
 *
 *   io-error   the host could not write the guest's disk (werror=stop). Nothing is lost: QEMU tries
 *              the same write again when it is let go on, which is asked of it every two seconds
 *   any other  such as an internal error of KVM: the machine will never go on, so it ends
 *
 * See vm.h.
 */
#include "vm.h"

#include <stdio.h>
#include <string.h>

/* QEMU says within milliseconds why it stopped. */
#define STATUS_MS 2000
/* Between two tries to write a full disk. */
#define RETRY_MS 2000
/* A machine that went on for so long has written what it could not write before. */
#define CALM_MS 1000

static void wait(struct vm *vm, int64_t ms) {
  vm->stopped_at_ms = boottime_ms() + ms;
}

static void end_for(struct vm *vm, const char *status) {
  char detail[128];
  snprintf(detail, sizeof detail, "QEMU stopped the machine (%s)", status);
  vm_end(vm, END_ERROR, detail);
}

static void note_full(struct vm *vm) {
  wait(vm, RETRY_MS);
  if (vm->disk_full) return;
  vm->disk_full = true;
  log_line(&vm->log, "the guest's disk cannot be written: the host has no room, or its disk fails");
  vm_announce(vm);
}

static void judge(struct vm *vm) {
  if (vm->qmp.status[0] == 0)
    wait(vm, STATUS_MS);
  else if (strcmp(vm->qmp.status, "io-error") == 0)
    note_full(vm);
  else
    end_for(vm, vm->qmp.status);
}

/* A guest that ends by itself stops on its way. */
void vm_stopped_check(struct vm *vm) {
  if (vm->ending || vm->qmp.shutdown_reason[0] != 0) return;
  if (vm->qmp.stopped)
    judge(vm);
  else if (vm->disk_full)
    wait(vm, CALM_MS);
}

void vm_stopped_due(struct vm *vm, int64_t now_ms) {
  if (vm->ending || vm->stopped_at_ms < 0 || now_ms < vm->stopped_at_ms) return;
  vm->stopped_at_ms = -1;
  if (vm->qmp.stopped && vm->disk_full) {
    qmp_continue(&vm->qmp);
    wait(vm, RETRY_MS);
  } else if (vm->qmp.stopped) {
    end_for(vm, "no reason given");
  } else {
    vm->disk_full = false;
    log_line(&vm->log, "the guest's disk can be written again");
    vm_announce(vm);
  }
}

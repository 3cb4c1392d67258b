/*
 * vm: one machine from its launch to the last trace of it, in one thread around one poll().
 *
 *   starting ─QMP answers─▶ running ─OMERTA-READY─▶ ready ─┐
 *       │                      │                           │ stop, lease, life, SIGTERM
 *       └──────────────────────┴───────────────────────────┴─▶ stopping ─QEMU reaped─▶ gone
 *
 * A machine that stands still because the host's disk is full keeps its state, and goes on when there
 * is room again; one that stands still for another reason ends.
 * QEMU's end by itself leads straight to gone. `gone` writes exit.json, removes ctl.sock, frees the
 * lock, answers who asked to stop, and the process ends.
 */
#ifndef OMERTA_VM_H
#define OMERTA_VM_H

#include "console.h"
#include "control.h"
#include "folder.h"
#include "launch.h"
#include "lease.h"
#include "log.h"
#include "qmp.h"
#include "wire.h"

enum vm_state { VM_STARTING, VM_RUNNING, VM_READY, VM_STOPPING, VM_GONE };

enum end_reason {
  END_LEASE,
  END_LIFE,
  END_STOP,
  END_GUEST_EXIT,
  END_QEMU_DIED,
  END_DISK,
  END_ERROR
};

struct vm {
  enum vm_state state;
  bool kvm;
  bool ending; /* `reason` is set */
  enum end_reason reason;
  char detail[512];
  int64_t ready_ms; /* since the launch; -1: not yet */
  int64_t kill_at_ms; /* when asking QEMU to end is over; -1: not asked */
  int64_t answer_by_ms; /* when a QEMU that has not answered yet is given up */
  bool disk_full;       /* the machine stands still, or just did, because it cannot write its disk */
  int64_t stopped_at_ms; /* when to look after that again; -1: never */
  int timer;
  int signals;
  char last_words[512]; /* the end of what QEMU printed */
  size_t last_words_used;
  struct folder folder;
  struct machine machine;
  struct lease lease;
  struct log log;
  struct qmp qmp;
  struct wire wire;
  struct console console;
  struct control control;
};

/* Serves until QEMU answers, which it does when its machine is made. -1 if it ended instead. */
int vm_come_up(struct vm *vm, struct failure *failure);
/* Serves until the VM is gone. */
void vm_serve(struct vm *vm);

/* Begins the end; the first reason stays. */
void vm_end(struct vm *vm, enum end_reason reason, const char *detail);
/* Does all that has to be done once QEMU is dead. */
void vm_gone(struct vm *vm);
const char *vm_reason_name(enum end_reason reason);

/* vm_control: answers one request. */
void vm_request(void *context, struct client *client, const char *line);
/* Tells all watchers the state. */
void vm_announce(struct vm *vm);

/* vm_stopped: minds a machine that stands still. Called whenever the monitor has spoken; when to be
 * called again, or -1; and that. */
void vm_stopped_check(struct vm *vm);
void vm_stopped_due(struct vm *vm, int64_t now_ms);

/* Takes what QEMU printed. */
void vm_take_words(struct vm *vm, const char *bytes, size_t length);

#endif

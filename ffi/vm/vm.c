/* vm: see vm.h. */
#include "vm.h"

#include "linux_abi.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* QEMU answers `quit` in about 20 ms; after this it is killed. */
#define QUIT_MS 500
/* From its greeting QEMU needs some 100 ms to its first answer; guess, less than the node waits. */
#define COME_UP_MS 10000
/* So that a chatty source cannot keep the others waiting. */
#define READ_BYTES 16384

/* The places in the poll set; the clients follow. */
enum slot { SLOT_TIMER, SLOT_SIGNALS, SLOT_PIDFD, SLOT_QMP, SLOT_SERIAL, SLOT_ERR, SLOT_NIC,
            SLOT_NODE, SLOT_LISTENER, SLOT_CLIENTS };

#define SLOTS (SLOT_CLIENTS + CLIENTS_MAX)

static void set_state(struct vm *vm, enum vm_state state) {
  vm->state = state;
  vm_announce(vm);
}

void vm_end(struct vm *vm, enum end_reason reason, const char *detail) {
  if (vm->ending) return;
  vm->ending = true;
  vm->reason = reason;
  snprintf(vm->detail, sizeof vm->detail, "%s", detail);
  log_line(&vm->log, "ending: %s (%s)", vm_reason_name(reason), detail);
  bool asked = qmp_quit(&vm->qmp) == 0;
  vm->kill_at_ms = boottime_ms() + (asked ? QUIT_MS : 0);
  set_state(vm, VM_STOPPING);
}

static void on_timer(struct vm *vm) {
  uint64_t expirations;
  if (read(vm->timer, &expirations, sizeof expirations) < 0) return;
  if (vm->lease.deadline_ms >= vm->lease.life_end_ms)
    vm_end(vm, END_LIFE, "the VM reached the end of its life");
  else if (vm->disk_full)
    vm_end(vm, END_DISK, "the host's disk could not be written until the lease ended");
  else
    vm_end(vm, END_LEASE, "nobody renewed the lease");
}

static void on_signal(struct vm *vm) {
  struct signalfd_siginfo info;
  if (read(vm->signals, &info, sizeof info) != sizeof info) return;
  vm_end(vm, END_STOP, info.ssi_signo == SIGTERM ? "the helper was told to end (SIGTERM)"
                                                 : "the helper was told to end (SIGINT)");
}

static void on_qmp(struct vm *vm) {
  if (qmp_readable(&vm->qmp) < 0) {
    close_fd(&vm->machine.qmp);
    vm->qmp.ready = false;
  }
  if (vm->state == VM_STARTING && vm->qmp.ready) {
    log_line(&vm->log, "QEMU %s answers", vm->qmp.version);
    set_state(vm, VM_RUNNING);
  }
  vm_stopped_check(vm);
}

static void take_serial(struct vm *vm, const char *bytes, size_t length) {
  bool before = vm->console.found;
  console_take(&vm->console, bytes, length);
  if (before || !vm->console.found || vm->state >= VM_READY) return;
  vm->ready_ms = boottime_ms() - vm->machine.started_ms;
  log_line(&vm->log, "the guest says that it is ready, after %lld ms", (long long)vm->ready_ms);
  set_state(vm, VM_READY);
}

void vm_take_words(struct vm *vm, const char *bytes, size_t length) {
  size_t room = sizeof vm->last_words - 1;
  if (length > room) {
    bytes += length - room;
    length = room;
  }
  size_t surplus = vm->last_words_used + length > room ? vm->last_words_used + length - room : 0;
  memmove(vm->last_words, vm->last_words + surplus, vm->last_words_used - surplus);
  vm->last_words_used -= surplus;
  memcpy(vm->last_words + vm->last_words_used, bytes, length);
  vm->last_words_used += length;
  vm->last_words[vm->last_words_used] = 0;
  log_line(&vm->log, "qemu: %.*s", (int)(length > 400 ? 400 : length), bytes);
}

/* One read; closes the descriptor at its end. */
static ssize_t read_some(int *fd, char bytes[READ_BYTES]) {
  ssize_t got = recv(*fd, bytes, READ_BYTES, MSG_DONTWAIT);
  if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) close_fd(fd);
  return got;
}

static bool on_serial(struct vm *vm) {
  char bytes[READ_BYTES];
  ssize_t got = read_some(&vm->machine.serial, bytes);
  if (got > 0) take_serial(vm, bytes, (size_t)got);
  return got > 0;
}

static bool on_words(struct vm *vm) {
  char bytes[READ_BYTES];
  ssize_t got = read_some(&vm->machine.err, bytes);
  if (got > 0) vm_take_words(vm, bytes, (size_t)got);
  return got > 0;
}

/* What QEMU still said before it died, without end if it were alive: hence a bound. */
static void drain(struct vm *vm) {
  for (int i = 0; i < 64 && vm->machine.serial >= 0 && on_serial(vm);) i++;
  for (int i = 0; i < 8 && vm->machine.err >= 0 && on_words(vm);) i++;
  if (vm->machine.qmp >= 0) qmp_readable(&vm->qmp);
}

static void on_dead(struct vm *vm) {
  drain(vm);
  vm_gone(vm);
}

static void put(struct pollfd *set, int slot, int fd, short events) {
  set[slot] = (struct pollfd){.fd = events == 0 && slot < SLOT_CLIENTS ? -1 : fd, .events = events};
}

static void fill(struct vm *vm, struct pollfd set[SLOTS]) {
  put(set, SLOT_TIMER, vm->ending ? -1 : vm->timer, POLLIN);
  put(set, SLOT_SIGNALS, vm->signals, POLLIN);
  put(set, SLOT_PIDFD, vm->machine.pidfd, POLLIN);
  put(set, SLOT_QMP, vm->machine.qmp, POLLIN);
  put(set, SLOT_SERIAL, vm->machine.serial, POLLIN);
  put(set, SLOT_ERR, vm->machine.err, POLLIN);
  put(set, SLOT_NIC, vm->machine.nic, wire_nic_events(&vm->wire));
  put(set, SLOT_NODE, vm->wire.node, wire_node_events(&vm->wire));
  put(set, SLOT_LISTENER, vm->folder.listener, POLLIN);
  for (int i = 0; i < CLIENTS_MAX; i++) {
    struct client *client = &vm->control.clients[i];
    put(set, SLOT_CLIENTS + i, client->fd, control_events(client));
  }
}

static int64_t earlier(int64_t a, int64_t b) {
  return a < 0 || (b >= 0 && b < a) ? b : a;
}

static int until(const struct vm *vm) {
  int64_t at = earlier(wire_deadline(&vm->wire), vm->kill_at_ms);
  at = earlier(at, vm->stopped_at_ms);
  if (vm->state == VM_STARTING && !vm->ending) at = earlier(at, vm->answer_by_ms);
  if (at < 0) return -1;
  int64_t left = at - boottime_ms();
  return left < 0 ? 0 : (int)left;
}

static void on_deadlines(struct vm *vm) {
  int64_t now = boottime_ms();
  wire_give_up(&vm->wire, now);
  vm_stopped_due(vm, now);
  if (vm->state == VM_STARTING && now >= vm->answer_by_ms)
    vm_end(vm, END_ERROR, "its monitor did not answer");
  if (vm->kill_at_ms < 0 || now < vm->kill_at_ms) return;
  vm->kill_at_ms = -1;
  abi_pidfd_signal(vm->machine.pidfd, SIGKILL);
}

static void on_clients(struct vm *vm, const struct pollfd set[SLOTS]) {
  for (int i = 0; i < CLIENTS_MAX; i++) {
    struct client *client = &vm->control.clients[i];
    short events = set[SLOT_CLIENTS + i].revents;
    if (events != 0 && client->fd == set[SLOT_CLIENTS + i].fd)
      control_ready(client, events, vm_request, vm);
  }
  if (set[SLOT_LISTENER].revents) control_accept(&vm->control);
}

/* The lease and the end come first, so that no flood of frames can put them off. */
static void dispatch(struct vm *vm, const struct pollfd set[SLOTS]) {
  if (set[SLOT_TIMER].revents) on_timer(vm);
  if (set[SLOT_SIGNALS].revents) on_signal(vm);
  if (set[SLOT_QMP].revents) on_qmp(vm);
  if (set[SLOT_SERIAL].revents) on_serial(vm);
  if (set[SLOT_ERR].revents) on_words(vm);
  if (set[SLOT_NIC].revents) wire_nic_ready(&vm->wire, set[SLOT_NIC].revents);
  if (set[SLOT_NODE].revents && vm->wire.node == set[SLOT_NODE].fd)
    wire_node_ready(&vm->wire, set[SLOT_NODE].revents);
  on_clients(vm, set);
  if (set[SLOT_PIDFD].revents) on_dead(vm);
}

static void turn(struct vm *vm) {
  struct pollfd set[SLOTS];
  on_deadlines(vm);
  fill(vm, set);
  if (poll(set, SLOTS, until(vm)) > 0) dispatch(vm, set);
}

int vm_come_up(struct vm *vm, struct failure *failure) {
  vm->answer_by_ms = boottime_ms() + COME_UP_MS;
  while (vm->state == VM_STARTING) turn(vm);
  if (!vm->ending) return 0;
  while (vm->state != VM_GONE) turn(vm);
  return fail(failure, "vm-failed", "QEMU did not start: %s", vm->detail);
}

void vm_serve(struct vm *vm) {
  while (vm->state != VM_GONE) turn(vm);
}

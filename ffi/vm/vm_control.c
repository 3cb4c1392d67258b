/* vm_control: the requests of ctl.sock. See control.h and vm.h. */
#include "vm.h"

#include "spec.h"

#include <string.h>
#include <unistd.h>

/* As for a spec's lease_ms. */
#define LEASE_MS_MAX (366LL * 24 * 60 * 60 * 1000)

static const char *const STATES[] = {
    [VM_STARTING] = "starting", [VM_RUNNING] = "running", [VM_READY] = "ready",
    [VM_STOPPING] = "stopping", [VM_GONE] = "gone",
};

static void add_times(const struct vm *vm, struct text *text) {
  int64_t now = boottime_ms();
  text_add(text, ",\"lease_left_ms\":%lld", (long long)lease_left(&vm->lease, now));
  text_add(text, ",\"life_left_ms\":%lld", (long long)lease_life_left(&vm->lease, now));
  if (vm->ready_ms < 0)
    text_add(text, ",\"boot_ms\":null");
  else
    text_add(text, ",\"boot_ms\":%lld", (long long)vm->ready_ms);
}

static void add_confinement(const struct vm *vm, struct text *text) {
  text_add(text, ",\"accel\":\"%s\",\"level\":\"%s\",\"missing\":", vm->kvm ? "kvm" : "tcg",
           feature_level(vm->machine.missing, vm->machine.landlock_abi));
  feature_list(text, vm->machine.missing);
  text_add(text, ",\"landlock_abi\":%d", vm->machine.landlock_abi);
}

static void add_frames(const struct vm *vm, struct text *text) {
  text_add(text, ",\"attached\":%s,\"dropped\":", vm->wire.node >= 0 ? "true" : "false");
  wire_dropped(&vm->wire, text);
  text_add(text, ",\"frames\":{\"in\":%llu,\"out\":%llu}",
           (unsigned long long)vm->wire.to_guest_total, (unsigned long long)vm->wire.to_node_total);
}

static void status_line(const struct vm *vm, char line[ANSWER_MAX]) {
  struct text text;
  size_t length;
  text_begin(&text, line, ANSWER_MAX);
  text_add(&text, "{\"ok\":true,\"state\":\"%s\",\"pid\":%d,\"qemu_pid\":%d", STATES[vm->state],
           getpid(), vm->machine.qemu);
  text_add(&text, ",\"trouble\":%s", vm->disk_full ? "\"disk\"" : "null");
  add_times(vm, &text);
  add_confinement(vm, &text);
  add_frames(vm, &text);
  text_add(&text, ",\"qemu\":\"%s\",\"console_tail\":", vm->qmp.version);
  const char *tail = console_tail(&vm->console, &length);
  text_json(&text, tail, length);
  text_add(&text, "}");
}

static void answer_status(struct vm *vm, struct client *client) {
  char line[ANSWER_MAX];
  status_line(vm, line);
  control_answer(client, line);
}

void vm_announce(struct vm *vm) {
  for (size_t i = 0; i < CLIENTS_MAX; i++)
    if (vm->control.clients[i].watching) answer_status(vm, &vm->control.clients[i]);
}

static void renew(struct vm *vm, struct client *client, const char *value) {
  int64_t lease_ms = parse_number(value, strlen(value), 1, LEASE_MS_MAX);
  if (lease_ms < 0) {
    control_error(client, "bad-size", "the lease is no number of milliseconds");
  } else if (vm->ending) {
    control_error(client, "lease-ended", "the VM is ending");
  } else {
    lease_renew(&vm->lease, boottime_ms(), lease_ms);
    lease_arm(&vm->lease, vm->timer);
    answer_status(vm, client);
  }
}

static void attach(struct vm *vm, struct client *client) {
  if (vm->ending) {
    control_error(client, "lease-ended", "the VM is ending");
  } else if (client->passed < 0) {
    control_error(client, "usage", "attach came without a descriptor");
  } else if (wire_attach(&vm->wire, client->passed) < 0) {
    control_error(client, "usage", "attach wants a unix datagram or seqpacket socket");
  } else {
    client->passed = -1; /* the wire's now */
    log_line(&vm->log, "a node attached itself");
    control_answer(client, "{\"ok\":true}");
  }
}

static void stop(struct vm *vm, struct client *client) {
  client->stopping = true; /* answered by vm_gone() */
  vm_end(vm, END_STOP, "stopped on request");
}

static void watch(struct vm *vm, struct client *client) {
  client->watching = true;
  answer_status(vm, client);
}

/* The value behind "WORD ", or NULL if the line begins otherwise. */
static const char *value_of(const char *line, const char *word) {
  size_t length = strlen(word);
  return strncmp(line, word, length) == 0 && line[length] == ' ' ? line + length + 1 : NULL;
}

void vm_request(void *context, struct client *client, const char *line) {
  struct vm *vm = context;
  const char *value = value_of(line, "renew");
  if (value == NULL) value = value_of(line, "extend");
  if (value != NULL)
    renew(vm, client, value);
  else if (strcmp(line, "status") == 0)
    answer_status(vm, client);
  else if (strcmp(line, "attach") == 0)
    attach(vm, client);
  else if (strcmp(line, "stop") == 0)
    stop(vm, client);
  else if (strcmp(line, "watch") == 0)
    watch(vm, client);
  else
    control_error(client, "usage", "unknown request");
}

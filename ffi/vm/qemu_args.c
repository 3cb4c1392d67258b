/* qemu_args: see qemu_args.h. Sources of the choices: measured with QEMU 7.2 and Debian 6.1. */
#include "qemu_args.h"

#include "jail.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* TCG's cache of translated code: the default grows without use to us (1.25 GiB seen). */
#define TCG "tcg,thread=multi,tb-size=64"
/* la57 on breaks user space behind a bzImage when svm is masked; guests get no nesting; crypto is
 * a third faster without emulated AVX. */
#define CPU_TCG "max,la57=off,svm=off,avx=off,avx2=off"
#define CPU_KVM "host,vmx=off,svm=off"
#define MACHINE "microvm,mem-merge=off,dump-guest-core=off"
#define SANDBOX "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
#define GUEST_MAC "52:54:00:12:34:56"

struct list {
  struct qemu_args *args;
  size_t used, count;
  bool full;
};

__attribute__((format(printf, 2, 3))) static void add(struct list *list, const char *format, ...) {
  va_list values;
  size_t room = sizeof list->args->bytes - list->used;
  char *at = list->args->bytes + list->used;
  va_start(values, format);
  int length = vsnprintf(at, room, format, values);
  va_end(values);
  if (length < 0 || (size_t)length >= room || list->count + 1 >= ARGS_MAX) {
    list->full = true;
    return;
  }
  list->args->argv[list->count++] = at;
  list->args->argv[list->count] = NULL;
  list->used += (size_t)length + 1;
}

static void add_all(struct list *list, const char *const *words, size_t count) {
  for (size_t i = 0; i < count; i++) add(list, "%s", words[i]);
}

static void add_machine(struct list *list, const struct qemu_wish *wish) {
  const char *const words[] = {"-M",   wish->version_only ? "none" : MACHINE,
                               "-accel", wish->kvm ? "kvm" : TCG};
  add_all(list, words, COUNT_OF(words));
  if (wish->version_only) return;
  add_all(list, (const char *const[]){"-cpu", wish->kvm ? CPU_KVM : CPU_TCG}, 2);
  add(list, "-smp");
  add(list, "%lld", (long long)wish->cpus);
  add(list, "-m");
  add(list, "%lld", (long long)wish->memory_mib);
}

static void add_boot(struct list *list, const struct qemu_wish *wish) {
  add(list, "-kernel");
  add(list, "/proc/self/fd/%d", QEMU_FD_KERNEL);
  add(list, "-initrd");
  add(list, "/proc/self/fd/%d", QEMU_FD_INITRD);
  add(list, "-append");
  if (wish->kvm || wish->tsc_khz <= 0)
    add(list, "%s", wish->append);
  else /* reliable, for else Linux takes the counters of two emulated CPUs for unsynchronized */
    add(list, "%s tsc_early_khz=%ld tsc=reliable", wish->append, wish->tsc_khz);
}

/* raw is named, never guessed: a guest can write any header into its own disk. No hole is made in it,
 * for its room may be taken before it is filled again. */
static void add_disk(struct list *list, const struct qemu_wish *wish) {
  add_all(list, (const char *const[]){"-add-fd"}, 1);
  add(list, "fd=%d,set=1", QEMU_FD_DISK);
  add(list, "-object");
  add(list, "{\"qom-type\":\"throttle-group\",\"id\":\"rate\",\"limits\":"
            "{\"iops-total\":%lld,\"bps-total\":%lld}}",
      (long long)wish->disk_ops, (long long)wish->disk_bytes);
  const char *const disk[] = {
      "-blockdev", "driver=file,node-name=file,filename=/dev/fdset/1,discard=ignore",
      "-blockdev", "driver=raw,node-name=raw,file=file,discard=ignore",
      "-blockdev", "driver=throttle,node-name=disk,throttle-group=rate,file=raw",
      "-device",   "virtio-blk-device,drive=disk,werror=stop,rerror=report"};
  add_all(list, disk, COUNT_OF(disk));
}

static void add_devices(struct list *list, const struct qemu_wish *wish) {
  add(list, "-chardev");
  add(list, "socket,id=serial,fd=%d", QEMU_FD_SERIAL);
  add_all(list, (const char *const[]){"-serial", "chardev:serial", "-netdev"}, 3);
  add(list, "dgram,id=net,local.type=fd,local.str=%d", QEMU_FD_NIC);
  add_all(list, (const char *const[]){"-device", "virtio-net-device,netdev=net,mac=" GUEST_MAC}, 2);
  if (wish->disk) add_disk(list, wish);
}

int qemu_args(struct qemu_args *args, const char *qemu, const struct qemu_wish *wish) {
  static const char *const always[] = {"-nodefaults", "-no-user-config", "-no-reboot",
                                       "-display",    "none",            "-sandbox",
                                       SANDBOX};
  struct list list = {.args = args};
  add(&list, "%s", qemu);
  add_all(&list, always, COUNT_OF(always));
  add_machine(&list, wish);
  add(&list, "-chardev");
  add(&list, "socket,id=qmp,fd=%d", QEMU_FD_QMP);
  add_all(&list, (const char *const[]){"-mon", "chardev=qmp,mode=control"}, 2);
  if (!wish->version_only) {
    add_devices(&list, wish);
    add_boot(&list, wish);
  }
  return list.full ? -1 : 0;
}

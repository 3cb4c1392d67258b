/* Tests of the small parts: lease, console, monitor, text, levels of confinement, command line. */
#include "../bucket.h"
#include "../cgroup.h"
#include "../console.h"
#include "../features.h"
#include "../lease.h"
#include "../qemu_args.h"
#include "../qmp.h"
#include "../tsc.h"
#include "test.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void lease_follows_its_formula(void) {
  struct lease lease = lease_begin(1000, 500, 10000);
  CHECK(lease.deadline_ms == 1500 && lease.life_end_ms == 11000);
  lease_renew(&lease, 1200, 100); /* shorter than what is left */
  CHECK(lease.deadline_ms == 1500);
  lease_renew(&lease, 1200, 2000);
  CHECK(lease.deadline_ms == 3200);
  lease_renew(&lease, 3000, 50000); /* beyond the end of life */
  CHECK(lease.deadline_ms == 11000);
  CHECK(lease_left(&lease, 10990) == 10 && lease_left(&lease, 12000) == 0);
  CHECK(lease_life_left(&lease, 12000) == 0);
  lease = lease_begin(0, 5000, 100); /* a lease longer than the life */
  CHECK(lease.deadline_ms == 100);
}

static unsigned taken(struct bucket *bucket, size_t bytes) {
  unsigned count = 0;
  while (bucket_take(bucket, bytes)) count++;
  return count;
}

static void bucket_follows_its_rates(void) {
  struct bucket bucket = bucket_begin(10000, 1000000, 0);
  CHECK(taken(&bucket, 1) == 1000); /* a tenth of a second */
  bucket_fill(&bucket, 1);
  CHECK(taken(&bucket, 1) == 10);
  bucket_fill(&bucket, 51);
  CHECK(taken(&bucket, 1000) == 100); /* its bytes are fewer than its packets by now */
  bucket_fill(&bucket, 50); /* a clock that went back */
  CHECK(taken(&bucket, 1000) == 0);
  bucket_fill(&bucket, INT64_MAX);
  CHECK(taken(&bucket, 1) == 1000);
}

static struct console console;

static bool says(const char *text) {
  console_begin(&console, -1, "OMERTA-READY");
  console_take(&console, text, strlen(text));
  return console.found;
}

static void console_finds_only_the_whole_line(void) {
  CHECK(says("OMERTA-READY\n"));
  CHECK(says("boot\r\nOMERTA-READY\r\nmore"));
  CHECK(!says("OMERTA-READY"));
  CHECK(!says("xOMERTA-READY\n"));
  CHECK(!says("OMERTA-READY!\n"));
  CHECK(!says("omerta-ready\n"));
}

static void console_finds_a_line_in_pieces(void) {
  console_begin(&console, -1, "OMERTA-READY");
  for (const char *at = "x\nOMERTA-READY\n"; *at; at++) console_take(&console, at, 1);
  CHECK(console.found);
}

static void console_is_bounded_and_keeps_the_latest(void) {
  struct stat facts;
  char line[64];
  size_t length;
  int file = memfd_create("console", 0);
  console_begin(&console, file, "OMERTA-READY");
  for (int i = 0; i < 60000; i++) {
    int bytes = snprintf(line, sizeof line, "line %d\n", i);
    console_take(&console, line, (size_t)bytes);
    CHECK(console.used <= CONSOLE_BYTES_MAX);
  }
  CHECK(fstat(file, &facts) == 0 && facts.st_size <= CONSOLE_BYTES_MAX);
  CHECK((size_t)facts.st_size == console.used);
  const char *tail = console_tail(&console, &length);
  CHECK(length == CONSOLE_TAIL_BYTES && memcmp(tail + length - 11, "line 59999\n", 11) == 0);
  char *stored = malloc(console.used);
  CHECK(pread(file, stored, console.used, 0) == (ssize_t)console.used);
  CHECK(memcmp(stored, console.bytes, console.used) == 0);
  free(stored);
  close(file);
}

static struct qmp qmp;
static int far_end;

static void qmp_open(void) {
  int pair[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  qmp_begin(&qmp, pair[0]);
  far_end = pair[1];
}

static void qmp_hears(const char *text) {
  CHECK(send(far_end, text, strlen(text), 0) == (ssize_t)strlen(text));
  CHECK(qmp_readable(&qmp) == 0);
}

static void qmp_expects(const char *wanted) {
  char got[128] = {0};
  ssize_t length = recv(far_end, got, sizeof got - 1, MSG_DONTWAIT);
  CHECK(length >= 0);
  CHECK_TEXT(got, wanted);
}

static void qmp_close(void) {
  close(qmp.fd);
  close(far_end);
}

static void qmp_greets_and_quits(void) {
  qmp_open();
  CHECK(qmp_quit(&qmp) == -1); /* not before it is ready */
  qmp_hears("{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, "
            "\"package\": \"Debian 1:7.2\"}, \"capabilities\": [\"oob\"]}}\r\n");
  CHECK_TEXT(qmp.version, "7.2.22");
  qmp_expects("{\"execute\":\"qmp_capabilities\"}\n");
  CHECK(!qmp.ready);
  qmp_hears("{\"return\": {}}\r\n");
  CHECK(qmp.ready && qmp_quit(&qmp) == 0);
  qmp_expects("{\"execute\":\"quit\"}\n");
  qmp_close();
}

static void qmp_tells_who_ended(void) {
  qmp_open();
  qmp_hears("{\"QMP\": {}}\n{\"return\": {}}\n{\"timestamp\": {\"seconds\": 1}, \"event\": "
            "\"SHUTDOWN\", \"data\": {\"guest\": true, \"reason\": \"guest-reset\"}}\n");
  CHECK(qmp.guest_ended);
  CHECK_TEXT(qmp.shutdown_reason, "guest-reset");
  qmp_close();
}

static void qmp_asks_why_the_machine_stopped(void) {
  qmp_open();
  qmp_hears("{\"QMP\": {}}\n{\"return\": {}}\n");
  qmp_expects("{\"execute\":\"qmp_capabilities\"}\n");
  qmp_hears("{\"event\": \"STOP\"}\n");
  qmp_expects("{\"execute\":\"query-status\"}\n");
  CHECK(qmp.stopped && qmp.status[0] == 0);
  qmp_hears("{\"return\": {\"status\": \"io-error\", \"running\": false}}\n");
  CHECK_TEXT(qmp.status, "io-error");
  CHECK(qmp_continue(&qmp) == 0);
  qmp_expects("{\"execute\":\"cont\"}\n");
  qmp_hears("{\"return\": {}}\n{\"event\": \"RESUME\"}\n");
  CHECK(!qmp.stopped);
  qmp_hears("{\"event\": \"STOP\"}\n");
  CHECK(qmp.stopped && qmp.status[0] == 0); /* the reason before is not this one's */
  qmp_close();
}

static void qmp_survives_garbage(void) {
  static char flood[3 * QMP_LINE_MAX];
  qmp_open();
  memset(flood, '{', sizeof flood - 1);
  qmp_hears(flood);
  qmp_hears("\n\n}\n{\"QMP\"\n");
  CHECK(qmp.greeted && qmp.version[0] == 0);
  CHECK(send(far_end, "\0\0\n\xff\n", 5, 0) == 5 && qmp_readable(&qmp) == 0);
  qmp_hears("{\"event\": \"SHUTDOWN\", \"reason\": \"");
  qmp_hears("an-endless-word-that-does-not-fit-into-its-place-at-all\"}\n");
  CHECK(strlen(qmp.shutdown_reason) < sizeof qmp.shutdown_reason);
  close(far_end);
  CHECK(qmp_readable(&qmp) == -1);
  close(qmp.fd);
}

static void text_escapes_and_ends(void) {
  char bytes[32];
  struct text text;
  text_begin(&text, bytes, sizeof bytes);
  text_json(&text, "a\"\\\n\x01\x80", 6);
  CHECK_TEXT(bytes, "\"a\\\"\\\\\\n\\u0001\\u0080\"");
  for (int i = 0; i < 100; i++) text_json(&text, "\xff", 1);
  CHECK(text.full && strlen(bytes) < sizeof bytes);
}

static void levels_follow_what_is_missing(void) {
  unsigned no_userns = 1u << FEATURE_USER_NS, no_landlock = 1u << FEATURE_LANDLOCK;
  unsigned no_net = 1u << FEATURE_NET_NS;
  unsigned no_pid = 1u << FEATURE_PID_NS;
  CHECK_TEXT(feature_level(0, 1), "full");
  CHECK_TEXT(feature_level(no_userns, 1), "namespaces");
  CHECK_TEXT(feature_level(no_landlock, 0), "namespaces");
  CHECK_TEXT(feature_level(no_net, 1), "landlock");
  CHECK_TEXT(feature_level(no_net | no_landlock, 0), "basic");
  /* Before ABI 6 nothing else keeps QEMU from signalling the processes of its user. */
  CHECK_TEXT(feature_level(no_net | no_pid, 6), "landlock");
  CHECK_TEXT(feature_level(no_net | no_pid, 5), "basic");
  CHECK_TEXT(feature_level(no_pid, 5), "basic");
}

static void without_user_ns_a_user_has_no_others(void) {
  unsigned left = features_without(FEATURES_ALL, FEATURE_USER_NS, false);
  CHECK(feature_namespaces(left) == 0 && !HAS(left, PRIVATE_ROOT) && HAS(left, LANDLOCK));
  left = features_without(FEATURES_ALL, FEATURE_USER_NS, true);
  CHECK(HAS(left, NET_NS) && HAS(left, PRIVATE_ROOT));
  left = features_without(FEATURES_ALL, FEATURE_MOUNT_NS, true);
  CHECK(!HAS(left, PRIVATE_ROOT) && HAS(left, PID_NS));
}

static const char *after(const struct qemu_args *args, const char *option) {
  for (int i = 0; args->argv[i] != NULL; i++)
    if (strcmp(args->argv[i], option) == 0) return args->argv[i + 1];
  return "";
}

static void command_line_follows_accel(void) {
  static struct qemu_args args;
  struct qemu_wish wish = {.cpus = 2, .memory_mib = 256, .append = "a -device x", .tsc_khz = 2600000};
  CHECK(qemu_args(&args, "/q", &wish) == 0);
  CHECK_TEXT(args.argv[0], "/q");
  CHECK_TEXT(after(&args, "-append"), "a -device x tsc_early_khz=2600000 tsc=reliable");
  CHECK_TEXT(after(&args, "-smp"), "2");
  CHECK(strncmp(after(&args, "-accel"), "tcg,", 4) == 0);
  CHECK(strstr(after(&args, "-cpu"), "la57=off") != NULL);
  CHECK_TEXT(after(&args, "-blockdev"), "");
  wish.kvm = wish.disk = true;
  wish.disk_ops = 7, wish.disk_bytes = 8000;
  CHECK(qemu_args(&args, "/q", &wish) == 0);
  CHECK_TEXT(after(&args, "-append"), "a -device x");
  CHECK_TEXT(after(&args, "-accel"), "kvm");
  CHECK_TEXT(after(&args, "-cpu"), "host,vmx=off,svm=off");
  CHECK(strstr(after(&args, "-object"), "\"limits\":{\"iops-total\":7,\"bps-total\":8000}") != NULL);
  CHECK(strstr(after(&args, "-blockdev"), "filename=/dev/fdset/1") != NULL);
}

static void cgroup_is_beside_the_nodes(void) {
  char path[PATH_MAX];
  CHECK(cgroup_sibling("0::/system.slice/omerta.service\n", path));
  CHECK_TEXT(path, "/system.slice/omerta-vms");
  CHECK(cgroup_sibling("9:name=systemd:/x\n1:cpu:/\n0::/one\n", path));
  CHECK_TEXT(path, "/omerta-vms");
  CHECK(!cgroup_sibling("0::/\n", path));
  CHECK(!cgroup_sibling("9:pids:/x/y\n", path));
  CHECK(!cgroup_sibling("", path));
  char deep[2 * PATH_MAX];
  memset(deep, 'a', sizeof deep - 1);
  memcpy(deep, "0::/", 4);
  deep[sizeof deep - 3] = '/';
  deep[sizeof deep - 1] = 0;
  CHECK(!cgroup_sibling(deep, path));
}

static void tsc_is_measured_alike_twice(void) {
  long first = tsc_khz_since(tsc_sample());
  long second = tsc_khz_since(tsc_sample());
  long difference = first > second ? first - second : second - first;
  CHECK(first > 100000 && difference < first / 1000);
}

int main(void) {
  static const struct test tests[] = {
      {"a lease follows its formula", lease_follows_its_formula},
      {"a bucket follows its rates", bucket_follows_its_rates},
      {"the console finds only the whole line", console_finds_only_the_whole_line},
      {"the console finds a line that comes in pieces", console_finds_a_line_in_pieces},
      {"the console is bounded and keeps the latest", console_is_bounded_and_keeps_the_latest},
      {"the monitor is greeted and asked to quit", qmp_greets_and_quits},
      {"the monitor tells that the guest ended", qmp_tells_who_ended},
      {"the monitor is asked why the machine stopped", qmp_asks_why_the_machine_stopped},
      {"the monitor survives garbage and floods", qmp_survives_garbage},
      {"text is escaped and never overflows", text_escapes_and_ends},
      {"the level follows from what is missing", levels_follow_what_is_missing},
      {"without a user namespace a user has none", without_user_ns_a_user_has_no_others},
      {"QEMU's command line follows the accelerator", command_line_follows_accel},
      {"the group of VMs is beside the node's", cgroup_is_beside_the_nodes},
      {"the time stamp counter is measured alike twice", tsc_is_measured_alike_twice},
  };
  return RUN_TESTS("parts", tests);
}

/* Tests of spec.c: what a spec may say, and the error for each that it may not. */
#include "../spec.h"
#include "test.h"

#define GOOD                                                                              \
  "qemu=/q\nkernel=/k\ninitrd=/i\nappend=console=ttyS0 a,b=c\ncpus=2\nmemory_mib=256\n" \
  "accel=tcg\nlease_ms=60000\nlife_ms=86400000\n"

static struct spec spec;
static struct failure failure;

static int parse(enum spec_mode mode, const char *text) {
  return spec_parse(&spec, mode, text, strlen(text), &failure);
}

static void reads_all_keys(void) {
  CHECK(parse(SPEC_RUN, GOOD "seed=/s\ndisk=/d\n") == 0);
  CHECK_TEXT(spec.qemu, "/q");
  CHECK_TEXT(spec.kernel, "/k");
  CHECK_TEXT(spec.initrd, "/i");
  CHECK_TEXT(spec.append, "console=ttyS0 a,b=c");
  CHECK_TEXT(spec.seed, "/s");
  CHECK_TEXT(spec.disk, "/d");
  CHECK(spec.cpus == 2 && spec.memory_mib == 256 && !spec.kvm);
  CHECK(spec.lease_ms == 60000 && spec.life_ms == 86400000);
}

static void reads_limits(void) {
  CHECK(parse(SPEC_RUN, GOOD "wire_packets=1\nwire_bytes=2\ndisk_ops=3\ndisk_bytes=4\n") == 0);
  CHECK(spec.wire_packets == 1 && spec.wire_bytes == 2 && spec.disk_ops == 3 && spec.disk_bytes == 4);
}

static void leaves_options_out(void) {
  CHECK(parse(SPEC_RUN, GOOD) == 0);
  CHECK(spec.wire_packets == 0 && spec.wire_bytes == 0 && spec.disk_ops == 0 && spec.disk_bytes == 0);
  CHECK_TEXT(spec.seed, "");
  CHECK_TEXT(spec.disk, "");
}

static void reads_a_probe(void) {
  CHECK(parse(SPEC_PROBE, "qemu=/q\nkernel=/k\ninitrd=/i\ntimeout_ms=3000\n") == 0);
  CHECK(spec.timeout_ms == 3000 && spec.append[0] == 0);
}

struct wrong {
  enum spec_mode mode;
  const char *text;
  const char *code;
  const char *message;
};

static const struct wrong WRONG[] = {
    {SPEC_RUN, GOOD "colour=red\n", "internal", "spec: unknown key 'colour'"},
    {SPEC_RUN, GOOD "wire_bytes=0\n", "bad-size", "spec: wire_bytes is no number from 1 to 100000000000"},
    {SPEC_RUN, GOOD "timeout_ms=3000\n", "internal", "spec: unknown key 'timeout_ms'"},
    {SPEC_PROBE, "accel=tcg\n", "internal", "spec: unknown key 'accel'"},
    {SPEC_RUN, GOOD "cpus=2\n", "internal", "spec: cpus stands twice"},
    {SPEC_RUN, "", "internal", "spec: qemu is missing"},
    {SPEC_RUN, "qemu=/q\nkernel=/k\ninitrd=/i\n", "internal", "spec: append is missing"},
    {SPEC_RUN, "qemu=q\n", "internal", "spec: qemu is no absolute path"},
    {SPEC_RUN, "qemu=\n", "internal", "spec: qemu is no absolute path"},
    {SPEC_RUN, "qemu\n", "internal", "spec: a line without '='"},
    {SPEC_RUN, "\n", "internal", "spec: a line without '='"},
    {SPEC_RUN, "qemu=/q", "internal", "spec: the last line is not ended"},
    {SPEC_RUN, "accel=hvf\n", "internal", "spec: accel is neither kvm nor tcg"},
    {SPEC_RUN, "append=a\tb\n", "internal", "spec: append holds a byte that is not printable"},
    {SPEC_RUN, "append=a\r\n", "internal", "spec: append holds a byte that is not printable"},
    {SPEC_RUN, "cpus=0\n", "bad-size", "spec: cpus is no number from 1 to 64"},
    {SPEC_RUN, "cpus=65\n", "bad-size", "spec: cpus is no number from 1 to 64"},
    {SPEC_RUN, "cpus=-1\n", "bad-size", "spec: cpus is no number from 1 to 64"},
    {SPEC_RUN, "cpus= 1\n", "bad-size", "spec: cpus is no number from 1 to 64"},
    {SPEC_RUN, "cpus=01\n", "bad-size", "spec: cpus is no number from 1 to 64"},
    {SPEC_RUN, "cpus=1,maxcpus=9\n", "bad-size", "spec: cpus is no number from 1 to 64"},
    {SPEC_RUN, "memory_mib=99999999999999999999\n", "bad-size",
     "spec: memory_mib is no number from 64 to 1048576"},
};

static void refuses_each_wrong_spec(void) {
  for (size_t i = 0; i < COUNT_OF(WRONG); i++) {
    CHECK(parse(WRONG[i].mode, WRONG[i].text) == -1);
    CHECK_TEXT(failure.message, WRONG[i].message);
    CHECK_TEXT(failure.code, WRONG[i].code);
  }
}

static void refuses_a_nul(void) {
  static const char text[] = "qemu=/q\0/bin\n";
  CHECK(spec_parse(&spec, SPEC_RUN, text, sizeof text - 1, &failure) == -1);
  CHECK_TEXT(failure.message, "spec: holds a NUL");
}

static void refuses_what_is_too_long(void) {
  static char text[SPEC_BYTES_MAX + 2];
  memset(text, 'a', sizeof text);
  memcpy(text, "qemu=/", 6);
  text[PATH_MAX + 5] = '\n';
  CHECK(spec_parse(&spec, SPEC_RUN, text, PATH_MAX + 6, &failure) == -1);
  CHECK_TEXT(failure.message, "spec: qemu is too long");
  memcpy(text, "append=", 7);
  text[APPEND_MAX + 7] = '\n';
  CHECK(spec_parse(&spec, SPEC_RUN, text, APPEND_MAX + 8, &failure) == -1);
  CHECK_TEXT(failure.message, "spec: append is too long");
  CHECK(spec_parse(&spec, SPEC_RUN, text, SPEC_BYTES_MAX + 1, &failure) == -1);
  CHECK_TEXT(failure.message, "spec: more than 64 KiB");
}

/* Every prefix of a good spec is read within its bounds, and none but the whole is accepted. */
static void refuses_every_truncation(void) {
  for (size_t length = 0; length < sizeof GOOD - 1; length++) {
    char *exact = malloc(length ? length : 1);
    memcpy(exact, GOOD, length);
    CHECK(spec_parse(&spec, SPEC_RUN, exact, length, &failure) == -1);
    free(exact);
  }
}

int main(void) {
  static const struct test tests[] = {
      {"reads all keys of a run", reads_all_keys},
      {"reads limits", reads_limits},
      {"seed and disk may be left out", leaves_options_out},
      {"reads a probe", reads_a_probe},
      {"refuses each wrong line with its code and sentence", refuses_each_wrong_spec},
      {"refuses a NUL", refuses_a_nul},
      {"refuses what is too long", refuses_what_is_too_long},
      {"refuses every truncation", refuses_every_truncation},
  };
  return RUN_TESTS("spec", tests);
}

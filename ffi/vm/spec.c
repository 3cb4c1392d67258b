/* spec: see spec.h. */
#include "spec.h"

#include <stddef.h>
#include <string.h>

#define DAY_MS (24 * 60 * 60 * 1000LL)

enum kind { KIND_PATH, KIND_TEXT, KIND_NUMBER, KIND_ACCEL };

struct key {
  const char *name;
  enum kind kind;
  unsigned modes;    /* where it may stand */
  unsigned required; /* where it must stand */
  size_t offset;
  int64_t min, max; /* of a number */
};

#define AT(member) offsetof(struct spec, member)
#define BOTH (SPEC_RUN | SPEC_PROBE)

/* Ranges: guesses, wide enough for any provider; the node's policy is narrower. */
static const struct key KEYS[] = {
    {"qemu", KIND_PATH, BOTH, BOTH, AT(qemu), 0, 0},
    {"kernel", KIND_PATH, BOTH, BOTH, AT(kernel), 0, 0},
    {"initrd", KIND_PATH, BOTH, BOTH, AT(initrd), 0, 0},
    {"seed", KIND_PATH, SPEC_RUN, 0, AT(seed), 0, 0},
    {"disk", KIND_PATH, SPEC_RUN, 0, AT(disk), 0, 0},
    {"append", KIND_TEXT, BOTH, SPEC_RUN, AT(append), 0, 0},
    {"accel", KIND_ACCEL, SPEC_RUN, SPEC_RUN, AT(kvm), 0, 0},
    {"cpus", KIND_NUMBER, BOTH, SPEC_RUN, AT(cpus), 1, 64},
    {"memory_mib", KIND_NUMBER, BOTH, SPEC_RUN, AT(memory_mib), 64, 1 << 20},
    {"lease_ms", KIND_NUMBER, SPEC_RUN, SPEC_RUN, AT(lease_ms), 1, 366 * DAY_MS},
    {"life_ms", KIND_NUMBER, SPEC_RUN, SPEC_RUN, AT(life_ms), 1, 366 * DAY_MS},
    {"wire_packets", KIND_NUMBER, SPEC_RUN, 0, AT(wire_packets), 1, 100000000},
    {"wire_bytes", KIND_NUMBER, SPEC_RUN, 0, AT(wire_bytes), 1, 100000000000},
    {"disk_ops", KIND_NUMBER, SPEC_RUN, 0, AT(disk_ops), 1, 100000000},
    {"disk_bytes", KIND_NUMBER, SPEC_RUN, 0, AT(disk_bytes), 1, 100000000000},
    {"timeout_ms", KIND_NUMBER, SPEC_PROBE, SPEC_PROBE, AT(timeout_ms), 100, 600000},
};

int64_t parse_number(const char *text, size_t length, int64_t min, int64_t max) {
  int64_t value = 0;
  if (length == 0 || length > 15 || (text[0] == '0' && length > 1)) return -1;
  for (size_t i = 0; i < length; i++) {
    if (text[i] < '0' || text[i] > '9') return -1;
    value = value * 10 + (text[i] - '0');
  }
  return value < min || value > max ? -1 : value;
}

static const struct key *find_key(const char *name, size_t length) {
  for (size_t i = 0; i < COUNT_OF(KEYS); i++)
    if (strlen(KEYS[i].name) == length && memcmp(KEYS[i].name, name, length) == 0) return &KEYS[i];
  return NULL;
}

static int set_path(struct spec *spec, const struct key *key, const char *value, size_t length,
                    struct failure *failure) {
  if (length >= PATH_MAX) return fail(failure, "internal", "spec: %s is too long", key->name);
  if (length == 0 || value[0] != '/')
    return fail(failure, "internal", "spec: %s is no absolute path", key->name);
  char *at = (char *)spec + key->offset;
  memcpy(at, value, length);
  at[length] = 0;
  return 0;
}

/* Kernel arguments: printable ASCII only, so that no guest log or process list is disturbed. */
static int set_text(struct spec *spec, const struct key *key, const char *value, size_t length,
                    struct failure *failure) {
  if (length >= APPEND_MAX) return fail(failure, "internal", "spec: %s is too long", key->name);
  for (size_t i = 0; i < length; i++)
    if (value[i] < 0x20 || value[i] > 0x7e)
      return fail(failure, "internal", "spec: %s holds a byte that is not printable", key->name);
  char *at = (char *)spec + key->offset;
  memcpy(at, value, length);
  at[length] = 0;
  return 0;
}

static int set_number(struct spec *spec, const struct key *key, const char *value, size_t length,
                      struct failure *failure) {
  int64_t number = parse_number(value, length, key->min, key->max);
  if (number < 0)
    return fail(failure, "bad-size", "spec: %s is no number from %lld to %lld", key->name,
                (long long)key->min, (long long)key->max);
  memcpy((char *)spec + key->offset, &number, sizeof number);
  return 0;
}

static int set_accel(struct spec *spec, const char *value, size_t length,
                     struct failure *failure) {
  spec->kvm = length == 3 && memcmp(value, "kvm", 3) == 0;
  if (spec->kvm || (length == 3 && memcmp(value, "tcg", 3) == 0)) return 0;
  return fail(failure, "internal", "spec: accel is neither kvm nor tcg");
}

static int set_value(struct spec *spec, const struct key *key, const char *value, size_t length,
                     struct failure *failure) {
  switch (key->kind) {
    case KIND_PATH: return set_path(spec, key, value, length, failure);
    case KIND_TEXT: return set_text(spec, key, value, length, failure);
    case KIND_NUMBER: return set_number(spec, key, value, length, failure);
    case KIND_ACCEL: return set_accel(spec, value, length, failure);
  }
  return fail(failure, "internal", "spec: key of unknown kind");
}

static int parse_line(struct spec *spec, enum spec_mode mode, const char *line, size_t length,
                      unsigned *seen, struct failure *failure) {
  const char *equals = memchr(line, '=', length);
  if (equals == NULL) return fail(failure, "internal", "spec: a line without '='");
  size_t name_length = (size_t)(equals - line);
  const struct key *key = find_key(line, name_length);
  if (key == NULL || !(key->modes & mode))
    return fail(failure, "internal", "spec: unknown key '%.*s'",
                (int)(name_length < 40 ? name_length : 40), line);
  unsigned bit = 1u << (key - KEYS);
  if (*seen & bit) return fail(failure, "internal", "spec: %s stands twice", key->name);
  *seen |= bit;
  return set_value(spec, key, equals + 1, length - name_length - 1, failure);
}

static int check_required(enum spec_mode mode, unsigned seen, struct failure *failure) {
  for (size_t i = 0; i < COUNT_OF(KEYS); i++)
    if ((KEYS[i].required & mode) && !(seen & (1u << i)))
      return fail(failure, "internal", "spec: %s is missing", KEYS[i].name);
  return 0;
}

int spec_parse(struct spec *spec, enum spec_mode mode, const char *text, size_t length,
               struct failure *failure) {
  unsigned seen = 0;
  memset(spec, 0, sizeof *spec);
  if (length > SPEC_BYTES_MAX) return fail(failure, "internal", "spec: more than 64 KiB");
  if (memchr(text, 0, length) != NULL) return fail(failure, "internal", "spec: holds a NUL");
  while (length > 0) {
    const char *end = memchr(text, '\n', length);
    if (end == NULL) return fail(failure, "internal", "spec: the last line is not ended");
    size_t line = (size_t)(end - text);
    if (parse_line(spec, mode, text, line, &seen, failure) < 0) return -1;
    text += line + 1;
    length -= line + 1;
  }
  return check_required(mode, seen, failure);
}

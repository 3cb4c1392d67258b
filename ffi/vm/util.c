/* util: see util.h. */
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int fail(struct failure *failure, const char *code, const char *format, ...) {
  va_list values;
  va_start(values, format);
  failure->code = code;
  vsnprintf(failure->message, sizeof failure->message, format, values);
  va_end(values);
  return -1;
}

int fail_errno(struct failure *failure, const char *code, int error, const char *format, ...) {
  va_list values;
  va_start(values, format);
  failure->code = error == ENOSPC || error == EDQUOT ? "disk-full" : code;
  vsnprintf(failure->message, sizeof failure->message, format, values);
  va_end(values);
  size_t used = strlen(failure->message);
  snprintf(failure->message + used, sizeof failure->message - used, ": %s", strerror(error));
  return -1;
}

void text_begin(struct text *text, char *bytes, size_t size) {
  *text = (struct text){.bytes = bytes, .size = size};
  bytes[0] = 0;
}

void text_add(struct text *text, const char *format, ...) {
  va_list values;
  va_start(values, format);
  size_t room = text->size - text->used;
  int length = vsnprintf(text->bytes + text->used, room, format, values);
  va_end(values);
  if (length < 0 || (size_t)length >= room) {
    text->bytes[text->used] = 0;
    text->full = true;
    return;
  }
  text->used += (size_t)length;
}

static void text_json_byte(struct text *text, unsigned char byte) {
  if (byte == '"' || byte == '\\')
    text_add(text, "\\%c", byte);
  else if (byte == '\n')
    text_add(text, "\\n");
  else if (byte < 0x20 || byte >= 0x7f)
    text_add(text, "\\u%04x", byte);
  else
    text_add(text, "%c", byte);
}

void text_json(struct text *text, const char *bytes, size_t length) {
  text_add(text, "\"");
  for (size_t i = 0; i < length; i++) text_json_byte(text, (unsigned char)bytes[i]);
  text_add(text, "\"");
}

void text_field(struct text *text, const char *name, const char *value) {
  text_add(text, "\"%s\":", name);
  text_json(text, value, strlen(value));
}

int64_t boottime_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int write_all(int fd, const void *bytes, size_t length) {
  const char *at = bytes;
  while (length > 0) {
    ssize_t written = write(fd, at, length);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return -1;
    at += written;
    length -= (size_t)written;
  }
  return 0;
}

ssize_t read_all(int fd, void *bytes, size_t size) {
  size_t used = 0;
  while (used < size) {
    ssize_t got = read(fd, (char *)bytes + used, size - used);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -1;
    if (got == 0) break;
    used += (size_t)got;
  }
  return (ssize_t)used;
}

int write_file_at(int dir, const char *path, const char *content) {
  int fd = openat(dir, path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  size_t length = strlen(content);
  ssize_t written = write(fd, content, length);
  int error = errno;
  close(fd);
  errno = written < 0 ? error : EIO;
  return written == (ssize_t)length ? 0 : -1;
}

void close_fd(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

int set_nonblocking(int fd) {
  int flags = fcntl(fd, F_GETFL);
  return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

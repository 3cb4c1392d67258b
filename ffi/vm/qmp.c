/* qmp: see qmp.h. */
#include "qmp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define READS_MAX 8

void qmp_begin(struct qmp *qmp, int fd) {
  memset(qmp, 0, sizeof *qmp);
  qmp->fd = fd;
}

static int say(struct qmp *qmp, const char *line) {
  size_t length = strlen(line);
  return send(qmp->fd, line, length, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)length ? 0 : -1;
}

static long number_after(const char *line, const char *name) {
  const char *at = strstr(line, name);
  return at == NULL ? 0 : strtol(at + strlen(name), NULL, 10);
}

static void take_greeting(struct qmp *qmp, const char *line) {
  const char *version = strstr(line, "\"qemu\": {");
  qmp->greeted = true;
  if (version != NULL)
    snprintf(qmp->version, sizeof qmp->version, "%ld.%ld.%ld",
             number_after(version, "\"major\": "), number_after(version, "\"minor\": "),
             number_after(version, "\"micro\": "));
  say(qmp, "{\"execute\":\"qmp_capabilities\"}\n");
}

static void copy_word(char *to, size_t size, const char *from) {
  size_t length = strspn(from, "abcdefghijklmnopqrstuvwxyz-");
  snprintf(to, size, "%.*s", (int)(length < size ? length : size - 1), from);
}

static void take_shutdown(struct qmp *qmp, const char *line) {
  static const char name[] = "\"reason\": \"";
  const char *reason = strstr(line, name);
  if (reason != NULL)
    copy_word(qmp->shutdown_reason, sizeof qmp->shutdown_reason, reason + sizeof name - 1);
  qmp->guest_ended = qmp->guest_ended || strncmp(qmp->shutdown_reason, "guest-", 6) == 0;
}

static void take_line(struct qmp *qmp, const char *line) {
  if (!qmp->greeted) {
    if (strstr(line, "\"QMP\"") != NULL) take_greeting(qmp, line);
  } else if (strstr(line, "\"event\": \"SHUTDOWN\"") != NULL) {
    take_shutdown(qmp, line);
  } else if (strstr(line, "\"event\": \"STOP\"") != NULL) {
    qmp->stopped = true;
  } else if (strstr(line, "\"return\"") != NULL) {
    qmp->ready = true;
  }
}

static void take_byte(struct qmp *qmp, char byte) {
  if (byte == '\n') {
    qmp->line[qmp->used] = 0;
    if (!qmp->skipping) take_line(qmp, qmp->line);
    qmp->used = 0;
    qmp->skipping = false;
  } else if (qmp->used + 1 < QMP_LINE_MAX && byte != 0) {
    qmp->line[qmp->used++] = byte;
  } else {
    qmp->skipping = true;
  }
}

int qmp_readable(struct qmp *qmp) {
  char bytes[2048];
  for (int i = 0; i < READS_MAX; i++) {
    ssize_t got = recv(qmp->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (got == 0) return -1;
    if (got < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
    for (ssize_t at = 0; at < got; at++) take_byte(qmp, bytes[at]);
  }
  return 0;
}

int qmp_quit(struct qmp *qmp) {
  return qmp->ready ? say(qmp, "{\"execute\":\"quit\"}\n") : -1;
}

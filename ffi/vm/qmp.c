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

/* The word that is the value of `name`, which ends with the quote before it. */
static void copy_value(char *to, size_t size, const char *line, const char *name) {
  const char *at = strstr(line, name);
  if (at != NULL) copy_word(to, size, at + strlen(name));
}

static void take_shutdown(struct qmp *qmp, const char *line) {
  copy_value(qmp->shutdown_reason, sizeof qmp->shutdown_reason, line, "\"reason\": \"");
  qmp->guest_ended = qmp->guest_ended || strncmp(qmp->shutdown_reason, "guest-", 6) == 0;
}

/* The event does not say why. */
static void take_stop(struct qmp *qmp) {
  qmp->stopped = true;
  qmp->status[0] = 0;
  say(qmp, "{\"execute\":\"query-status\"}\n");
}

static void take_return(struct qmp *qmp, const char *line) {
  qmp->ready = true;
  if (qmp->stopped) copy_value(qmp->status, sizeof qmp->status, line, "\"status\": \"");
}

static void take_line(struct qmp *qmp, const char *line) {
  if (!qmp->greeted) {
    if (strstr(line, "\"QMP\"") != NULL) take_greeting(qmp, line);
  } else if (strstr(line, "\"event\": \"SHUTDOWN\"") != NULL) {
    take_shutdown(qmp, line);
  } else if (strstr(line, "\"event\": \"STOP\"") != NULL) {
    take_stop(qmp);
  } else if (strstr(line, "\"event\": \"RESUME\"") != NULL) {
    qmp->stopped = false;
  } else if (strstr(line, "\"return\"") != NULL) {
    take_return(qmp, line);
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

int qmp_continue(struct qmp *qmp) {
  return say(qmp, "{\"execute\":\"cont\"}\n");
}

int qmp_quit(struct qmp *qmp) {
  return qmp->ready ? say(qmp, "{\"execute\":\"quit\"}\n") : -1;
}

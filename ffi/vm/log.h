/*
 * log: helper.log: one line per event with the time since the start, at most 64 KiB, no secrets.
 */
#ifndef OMERTA_LOG_H
#define OMERTA_LOG_H

#include "util.h"

struct log {
  int fd; /* -1: nowhere */
  size_t used;
  int64_t start_ms;
};

__attribute__((format(printf, 2, 3))) void log_line(struct log *log, const char *format, ...);

#endif

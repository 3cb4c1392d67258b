/* log: see log.h. */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LOG_BYTES_MAX (64 * 1024)
#define LINE_MAX_BYTES 600

void log_line(struct log *log, const char *format, ...) {
  char line[LINE_MAX_BYTES];
  if (log->fd < 0 || log->used + LINE_MAX_BYTES > LOG_BYTES_MAX) return;
  int used = snprintf(line, sizeof line, "%8lld ms  ", (long long)(boottime_ms() - log->start_ms));
  va_list values;
  va_start(values, format);
  int more = vsnprintf(line + used, sizeof line - (size_t)used - 1, format, values);
  va_end(values);
  if (more < 0) return;
  size_t length = strlen(line);
  for (size_t i = 0; i < length; i++)
    if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f) line[i] = ' ';
  line[length++] = '\n';
  log->used += length;
  ssize_t ignored = write(log->fd, line, length); /* a full disk must not end a VM */
  (void)ignored;
}

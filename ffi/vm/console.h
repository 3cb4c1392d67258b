/*
 * console: what the guest writes to its serial port: kept bounded, and searched for two lines.
 *
 * The file holds plain text, at most 256 KiB: when it is full it begins again with its second
 * half. A guest that writes without end costs time only as fast as QEMU's UART is.
 */
#ifndef OMERTA_CONSOLE_H
#define OMERTA_CONSOLE_H

#include "util.h"

#define CONSOLE_BYTES_MAX (256 * 1024)
#define CONSOLE_TAIL_BYTES 2048
#define LINE_ROOM 64

struct console {
  int file; /* -1: not kept */
  size_t used;
  char bytes[CONSOLE_BYTES_MAX];
  char line[LINE_ROOM];
  size_t line_used;
  bool line_too_long;
  const char *marker; /* the line that is waited for */
  bool found;
};

void console_begin(struct console *console, int file, const char *marker);
/* Takes what the guest wrote. */
void console_take(struct console *console, const char *bytes, size_t length);
/* The last bytes, at most CONSOLE_TAIL_BYTES; `length` tells how many. */
const char *console_tail(const struct console *console, size_t *length);

#endif

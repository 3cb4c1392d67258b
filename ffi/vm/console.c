/* console: see console.h. */
#include "console.h"

#include <string.h>
#include <unistd.h>

void console_begin(struct console *console, int file, const char *marker) {
  memset(console, 0, sizeof *console);
  console->file = file;
  console->marker = marker;
}

static void end_line(struct console *console) {
  size_t length = console->line_used;
  if (!console->line_too_long && length == strlen(console->marker) &&
      memcmp(console->line, console->marker, length) == 0)
    console->found = true;
  console->line_used = 0;
  console->line_too_long = false;
}

static void scan(struct console *console, char byte) {
  if (byte == '\n')
    end_line(console);
  else if (byte == '\r')
    return;
  else if (console->line_used < LINE_ROOM)
    console->line[console->line_used++] = byte;
  else
    console->line_too_long = true;
}

/* A full disk must not end a VM: the console is then only in memory. */
static void store(struct console *console, size_t from) {
  if (console->file < 0) return;
  ssize_t ignored = pwrite(console->file, console->bytes + from, console->used - from, (off_t)from);
  (void)ignored;
}

static void make_room(struct console *console) {
  size_t keep = CONSOLE_BYTES_MAX / 2;
  memmove(console->bytes, console->bytes + console->used - keep, keep);
  console->used = keep;
  if (console->file < 0) return;
  int ignored = ftruncate(console->file, 0);
  (void)ignored;
  store(console, 0);
}

void console_take(struct console *console, const char *bytes, size_t length) {
  for (size_t i = 0; i < length; i++) scan(console, bytes[i]);
  while (length > 0) {
    if (console->used == CONSOLE_BYTES_MAX) make_room(console);
    size_t room = CONSOLE_BYTES_MAX - console->used;
    size_t part = length < room ? length : room;
    memcpy(console->bytes + console->used, bytes, part);
    console->used += part;
    store(console, console->used - part);
    bytes += part;
    length -= part;
  }
}

const char *console_tail(const struct console *console, size_t *length) {
  *length = console->used < CONSOLE_TAIL_BYTES ? console->used : CONSOLE_TAIL_BYTES;
  return console->bytes + console->used - *length;
}

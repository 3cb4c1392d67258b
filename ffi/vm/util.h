/*
 * util: failures with the project's error codes, bounded text, clocks and small file helpers.
 *
 * Nothing here allocates: every buffer belongs to the caller and has a size.
 */
#ifndef OMERTA_UTIL_H
#define OMERTA_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Why something could not be done: a code of src/base/errors.ts and a sentence. */
struct failure {
  const char *code;
  char message[512];
};

/* Fills `failure` and returns -1, so that a caller can `return fail(...)`. */
__attribute__((format(printf, 3, 4))) int fail(struct failure *failure, const char *code,
                                               const char *format, ...);
/* The same with ": strerror(error)" behind it; ENOSPC and EDQUOT become the code disk-full. */
__attribute__((format(printf, 4, 5))) int fail_errno(struct failure *failure, const char *code,
                                                     int error, const char *format, ...);

/* Text that grows in a buffer of fixed size; `full` tells that something did not fit. */
struct text {
  char *bytes;
  size_t used;
  size_t size;
  bool full;
};

void text_begin(struct text *text, char *bytes, size_t size);
__attribute__((format(printf, 2, 3))) void text_add(struct text *text, const char *format, ...);
/* Adds `bytes` as a JSON string with its quotes; every byte ≥ 0x7f is written as \u00XX. */
void text_json(struct text *text, const char *bytes, size_t length);
/* Adds `"name":"value"`. */
void text_field(struct text *text, const char *name, const char *value);

/* Milliseconds on CLOCK_BOOTTIME, which also counts while the machine sleeps. */
int64_t boottime_ms(void);

/* Writes all of it, however often that takes; -1 with errno. */
int write_all(int fd, const void *bytes, size_t length);
/* Reads until end or `size` bytes; the count, or -1 with errno. */
ssize_t read_all(int fd, void *bytes, size_t size);
/* Writes one short text to an existing file; -1 with errno. */
int write_file_at(int dir, const char *path, const char *content);
/* Closes `*fd` where it is open and sets it to -1. */
void close_fd(int *fd);
/* Makes reads and writes of `fd` return at once; -1 with errno. */
int set_nonblocking(int fd);

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif

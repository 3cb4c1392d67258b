/*
 * What the guest's init stands on, before it is told anything: words on the console, the guest's end, small
 * files, and what the kernel must be asked for (file systems, console, modules).
 */
#ifndef IMAGE_SYSTEM_H
#define IMAGE_SYSTEM_H

#include <stddef.h>
#include <sys/types.h>

#define TEXT_MAX 4096

/* Words for the console, as printf. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Ends the guest as reboot(2) says; does not come back. */
_Noreturn void end_guest(int how);

/* Ends a guest that nobody could reach, with errno as the reason. */
_Noreturn void fail(const char *step);

/* The same where `result` is less than 0. */
void require(int result, const char *step);

/* Reads a small file whole and ends it with NUL; its length, or -1. */
ssize_t read_file(const char *path, char *buffer, size_t capacity);

int write_file(const char *path, const char *text);

/* Overwrites a file and removes it. */
void wipe(const char *path);

/* Every line of a list, one call each; the list is taken apart. */
void each_line(char *text, void (*visit)(const char *));

void mount_all(void);
void open_console(void);

/* Whether a word stands on the kernel's command line. */
int is_asked(const char *word);

/* Loads the modules whose names stand in the file. */
void load_modules(const char *list);

#endif

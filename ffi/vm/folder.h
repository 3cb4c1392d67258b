/*
 * folder: VMDIR, of which this helper is the only writer while it holds `lock`.
 *
 *   lock      flock, for the helper's whole life: free means that no helper is there
 *   ctl.sock  the control socket, 0600
 *   helper.log, console   bounded
 *   exit.json why it ended; appears at once and whole
 *   the spec's seed and disk lose their names when QEMU has them, so that nothing can leave them
 *             behind: the seed is a copy in memory then, the disk an open file
 */
#ifndef OMERTA_FOLDER_H
#define OMERTA_FOLDER_H

#include "spec.h"

#include <sys/types.h>

/* A file that shall lose its name: its folder and name, and which file it was. */
struct doomed {
  int dir; /* -1: there is none */
  char name[NAME_MAX + 1];
  dev_t device;
  ino_t inode;
};

struct folder {
  int dir;
  int lock;
  int listener;
  int log;
  int console;
  int exit_file; /* exit.json.new, opened beforehand */
  uid_t owner;
  struct doomed seed;
  struct doomed disk;
};

/* Opens VMDIR and takes its lock: code "exists" if another helper has it. */
int folder_open(struct folder *folder, const char *path, struct failure *failure);
/* Makes the socket and files; only with the lock. */
int folder_fill(struct folder *folder, struct failure *failure);
/* Opens a file that shall lose its name; its descriptor, or -1. */
int doomed_open(struct doomed *doomed, const char *path, int flags, struct failure *failure);
/* Removes seed and disk, if they are still the files that were opened. */
void folder_forget(struct folder *folder);
/* Removes ctl.sock. */
void folder_close(struct folder *folder);
/* After a start that failed: all of that, and exit.json.new. */
void folder_discard(struct folder *folder);
/* Makes exit.json of `content`. */
void folder_write_exit(struct folder *folder, const char *content);

#endif

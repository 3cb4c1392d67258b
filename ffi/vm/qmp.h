/*
 * qmp: as much of QEMU's monitor protocol as one needs to know its version, why it ends, and to
 * ask it to. Each line is one JSON object; ours are constants, theirs are only searched.
 *
 *   greeting {"QMP": {"version": …}} → qmp_capabilities → {"return": {}} → ready → quit
 *   STOP → query-status → "io-error", "internal-error" … → (cont → RESUME)
 */
#ifndef OMERTA_QMP_H
#define OMERTA_QMP_H

#include "util.h"

#define QMP_LINE_MAX 8192

struct qmp {
  int fd;
  char line[QMP_LINE_MAX];
  size_t used;
  bool skipping; /* the rest of a line that was too long */
  bool greeted;
  bool ready;
  bool guest_ended;   /* SHUTDOWN that the guest caused */
  bool stopped;       /* STOP without a RESUME: the machine stands still */
  char status[32];    /* why, once QEMU has said so */
  char version[32];
  char shutdown_reason[32];
};

void qmp_begin(struct qmp *qmp, int fd);
/* Reads what has come; -1 when QEMU closed its end. */
int qmp_readable(struct qmp *qmp);
/* Asks QEMU to end; -1 if it cannot be asked. */
int qmp_quit(struct qmp *qmp);
/* Asks it to let a stopped machine go on. */
int qmp_continue(struct qmp *qmp);

#endif

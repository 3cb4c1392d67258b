/*
 * run: `omerta-vm run VMDIR < spec`: from the spec to a served VM.
 */
#ifndef OMERTA_RUN_H
#define OMERTA_RUN_H

#include "spec.h"

/* Reads and parses stdin; 0, or -1 with `failure`. */
int read_spec(struct spec *spec, enum spec_mode mode, struct failure *failure);
/* Prints the one line that tells of a failure; the exit status. */
int print_failure(const struct failure *failure);
/* Points stdin and stderr at /dev/null, so that nothing of the caller is held. */
int leave_terminal(struct failure *failure);

int run(const char *dir);
int probe(void);

#endif

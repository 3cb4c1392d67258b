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
/* Holds nothing of the caller any more but stdout: no other descriptor, session or signal setting. */
int leave_caller(struct failure *failure);

int run(const char *dir);
int probe(void);

#endif

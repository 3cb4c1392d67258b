/*
 * cgroup: leaves the control group of the node, where that is allowed, so that what ends the node
 * by its group (systemd's default) does not end the VMs of its renters.
 *
 *   …/system.slice/omerta.service  →  …/system.slice/omerta-vms
 *
 * All helpers of that slice share the new group; it stays, empty, when they are gone. Only
 * version 2; who is in the root group is in nobody's unit and stays there.
 */
#ifndef OMERTA_CGROUP_H
#define OMERTA_CGROUP_H

#include "util.h"

#include <limits.h>

/* Finds "0::PATH" in the text of /proc/self/cgroup and the group beside it: "PARENT/omerta-vms".
 * False in the root group, or where there is no version 2. */
bool cgroup_sibling(const char *text, char path[PATH_MAX]);

/* Moves this process; whether it did. */
bool cgroup_leave(void);

#endif

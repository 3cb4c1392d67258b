/*
 * user: a user id that nobody else has, for one VM of a helper that runs as root.
 */
#ifndef OMERTA_USER_H
#define OMERTA_USER_H

#include <sys/types.h>

/* Made of our own process id, which is ours alone for as long as we live, and QEMU lives no longer;
 * checked against all processes, for those of another PID namespace may count alike. */
uid_t unused_user(void);

#endif

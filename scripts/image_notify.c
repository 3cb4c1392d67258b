/*
 * What sshd needs of libsystemd, in its place: the word to init that it listens. The library itself
 * has 0.8 MB and asks for four others, 2.5 MB in all, of which sshd calls two functions.
 *
 * Source: sd_notify(3), sd_listen_fds(3).
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Sends a state to the socket of the file system that NOTIFY_SOCKET names: 1, 0 for none, -1. */
int sd_notify(int unset, const char *state) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  const char *name = getenv("NOTIFY_SOCKET");
  size_t length = name ? strlen(name) : 0;
  (void)unset; /* sshd gives 0 */
  if (length == 0 || length >= sizeof address.sun_path) return 0;
  memcpy(address.sun_path, name, length);
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  ssize_t sent = sendto(fd, state, strlen(state), 0, (struct sockaddr *)&address,
                        sizeof address);
  close(fd);
  return sent < 0 ? -1 : 1;
}

/* How many listening sockets were inherited: init gives none. */
int sd_listen_fds(int unset) {
  (void)unset;
  return 0;
}

/* control: see control.h. */
#include "control.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void control_begin(struct control *control, int listener) {
  memset(control, 0, sizeof *control);
  control->listener = listener;
  for (size_t i = 0; i < CLIENTS_MAX; i++) control->clients[i].fd = control->clients[i].passed = -1;
}

void control_close(struct client *client) {
  close_fd(&client->fd);
  close_fd(&client->passed);
  client->watching = client->stopping = client->ended = false;
  client->in_used = client->out_first = client->out_used = 0;
}

static bool may_speak(int fd) {
  struct ucred peer;
  socklen_t length = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0) return false;
  return peer.uid == 0 || peer.uid == geteuid();
}

static struct client *place_for_client(struct control *control) {
  struct client *oldest = NULL;
  for (size_t i = 0; i < CLIENTS_MAX; i++) {
    struct client *client = &control->clients[i];
    if (client->fd < 0) return client;
    if (client->watching || client->stopping) continue;
    if (oldest == NULL || client->heard_ms < oldest->heard_ms) oldest = client;
  }
  if (oldest != NULL) control_close(oldest);
  return oldest;
}

static bool accept_one(struct control *control) {
  int fd = accept4(control->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) return false;
  struct client *client = may_speak(fd) ? place_for_client(control) : NULL;
  if (client == NULL) {
    close(fd);
    return true;
  }
  client->fd = fd;
  client->heard_ms = boottime_ms();
  return true;
}

/* A bounded number, for the guest waits meanwhile. */
void control_accept(struct control *control) {
  for (int i = 0; i < CLIENTS_MAX && accept_one(control);) i++;
}

static void flush(struct client *client) {
  while (client->out_first < client->out_used) {
    ssize_t sent = send(client->fd, client->out + client->out_first,
                        client->out_used - client->out_first, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno != EAGAIN) control_close(client);
    if (sent < 0) return;
    client->out_first += (size_t)sent;
  }
  client->out_first = client->out_used = 0;
}

void control_answer(struct client *client, const char *line) {
  size_t length = strlen(line);
  if (client->fd < 0) return;
  if (client->out_used + length + 1 > sizeof client->out) {
    control_close(client);
    return;
  }
  memcpy(client->out + client->out_used, line, length);
  client->out[client->out_used + length] = '\n';
  client->out_used += length + 1;
  flush(client);
}

void control_error(struct client *client, const char *code, const char *message) {
  char line[512];
  struct text text;
  text_begin(&text, line, sizeof line);
  text_add(&text, "{\"ok\":false,");
  text_field(&text, "code", code);
  text_add(&text, ",");
  text_field(&text, "message", message);
  text_add(&text, "}");
  control_answer(client, line);
}

/* Keeps the first descriptor of a line; there may be but one. */
static void keep_passed(struct client *client, struct msghdr *message) {
  for (struct cmsghdr *at = CMSG_FIRSTHDR(message); at != NULL; at = CMSG_NXTHDR(message, at)) {
    if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != SCM_RIGHTS) continue;
    size_t count = (at->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
      int fd;
      memcpy(&fd, CMSG_DATA(at) + i * sizeof fd, sizeof fd);
      if (client->passed < 0)
        client->passed = fd;
      else
        close(fd);
    }
  }
}

static ssize_t receive(struct client *client) {
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(4 * sizeof(int))];
  } rights;
  struct iovec part = {client->in + client->in_used, REQUEST_MAX - client->in_used};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &rights,
                           .msg_controllen = sizeof rights};
  ssize_t got = recvmsg(client->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (got >= 0) keep_passed(client, &message);
  return got;
}

/* Hands over the first whole line; whether there was one. */
static bool take_line(struct client *client, control_handler *handle, void *context) {
  char line[REQUEST_MAX + 1];
  char *end = memchr(client->in, '\n', client->in_used);
  if (end == NULL) return false;
  size_t length = (size_t)(end - client->in);
  memcpy(line, client->in, length);
  line[length] = 0;
  client->in_used -= length + 1;
  memmove(client->in, end + 1, client->in_used);
  if (memchr(line, 0, length) != NULL)
    control_error(client, "usage", "the request holds a NUL");
  else
    handle(context, client, line);
  close_fd(&client->passed);
  return client->fd >= 0;
}

static void read_client(struct client *client, control_handler *handle, void *context) {
  ssize_t got = receive(client);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got == 0 && client->stopping && !client->ended) {
    client->ended = true; /* said its last word, and waits for ours */
    return;
  }
  if (got <= 0) {
    control_close(client);
    return;
  }
  client->heard_ms = boottime_ms();
  client->in_used += (size_t)got;
  while (take_line(client, handle, context)) continue;
  if (client->fd < 0 || client->in_used < REQUEST_MAX) return;
  control_error(client, "usage", "the request is longer than 256 bytes");
  control_close(client);
}

short control_events(const struct client *client) {
  return (short)((client->ended ? 0 : POLLIN) |
                 (client->out_first < client->out_used ? POLLOUT : 0));
}

void control_ready(struct client *client, short events, control_handler *handle, void *context) {
  if (events & POLLOUT) flush(client);
  if (client->fd >= 0 && (events & (POLLIN | POLLHUP | POLLERR))) read_client(client, handle, context);
}

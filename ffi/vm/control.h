/*
 * control: ctl.sock. A client sends lines of at most 256 bytes, gets one line of JSON for each.
 *
 *   status | renew MS | extend MS | attach (with one descriptor) | stop | watch
 *
 * At most 16 clients of the same user (or root); for the 17th the one that was silent longest and
 * does not watch has to go. What a client does not read is bounded too: then it is closed.
 */
#ifndef OMERTA_CONTROL_H
#define OMERTA_CONTROL_H

#include "util.h"

#include <poll.h>

#define CLIENTS_MAX 16
#define REQUEST_MAX 256
#define ANSWER_MAX (16 * 1024)

struct client {
  int fd; /* -1: free */
  bool watching;
  bool stopping;  /* waits for the answer to its stop */
  bool ended;     /* has closed its sending side */
  int passed;     /* a descriptor that came with the line being read, or -1 */
  int64_t heard_ms;
  size_t in_used;
  char in[REQUEST_MAX + 1];
  size_t out_first, out_used;
  char out[2 * ANSWER_MAX];
};

struct control {
  int listener;
  struct client clients[CLIENTS_MAX];
};

/* Answers one line; takes `client->passed` where it is used. */
typedef void control_handler(void *context, struct client *client, const char *line);

void control_begin(struct control *control, int listener);
void control_accept(struct control *control);
/* Handles what poll said of a client. */
void control_ready(struct client *client, short events, control_handler *handle, void *context);
short control_events(const struct client *client);
/* Sends a line, or closes a client that does not read. */
void control_answer(struct client *client, const char *line);
void control_error(struct client *client, const char *code, const char *message);
void control_close(struct client *client);

#endif

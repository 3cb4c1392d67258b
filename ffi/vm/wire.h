/*
 * wire: carries batches between the guest's NIC and the node's socket, through the frame filter.
 *
 *   NIC ──frames──▶ judge ──payloads──▶ to_node  ──▶ the socket that the node attached last
 *   NIC ◀──frames── headers ◀─────────── to_guest ◀──
 *
 * Per direction one batch of 32 waits at most 100 ms for room at its goal; meanwhile nothing is
 * read from its source, so the queues before it fill and their owners drop. Then it is dropped and
 * counted. Nothing here ever blocks.
 *
 * Each direction has a bucket of packets and bytes. What comes beyond it is dropped and counted, and
 * then for 10 ms nothing is read from where it came, so that a flood costs no processor either.
 */
#ifndef OMERTA_WIRE_H
#define OMERTA_WIRE_H

#include "bucket.h"
#include "frames.h"
#include "util.h"

#include <sys/socket.h>
#include <sys/uio.h>

#define BATCH_MAX 32
#define FRAME_ROOM 2048

struct batch {
  uint8_t bytes[BATCH_MAX][FRAME_ROOM];
  uint8_t headers[BATCH_MAX][FRAME_HEADER_BYTES];
  struct iovec parts[BATCH_MAX][2];
  struct mmsghdr messages[BATCH_MAX];
  unsigned first, count; /* still to be sent: messages[first … count) */
  int64_t since_ms;
};

struct wire {
  int nic;
  int node; /* -1: nothing is attached */
  uint64_t dropped[DROP_COUNT];
  uint64_t from_guest, to_node_total, to_guest_total;
  struct bucket from_guest_rate, from_node_rate;
  int64_t guest_rests_ms, node_rests_ms; /* until when it is not read from; 0: it is */
  struct batch to_node;
  struct batch to_guest;
};

/* What may pass in a second, each way. */
struct wire_limits {
  int64_t packets, bytes;
};

void wire_begin(struct wire *wire, int nic, struct wire_limits limits);
/* Takes over `fd`; the one before is closed. -1 (and `fd` is the caller's) if it is of no use. */
int wire_attach(struct wire *wire, int fd);
void wire_detach(struct wire *wire);
/* What to poll the two sockets for. */
short wire_nic_events(const struct wire *wire);
short wire_node_events(const struct wire *wire);
/* Handles what poll said. */
void wire_nic_ready(struct wire *wire, short events);
void wire_node_ready(struct wire *wire, short events);
/* When a waiting batch must be given up, or a rest ends, or -1; and doing so. */
int64_t wire_deadline(const struct wire *wire);
void wire_give_up(struct wire *wire, int64_t now_ms);
/* Adds `{"reason":count,…}` of all reasons that occurred. */
void wire_dropped(const struct wire *wire, struct text *text);

#endif

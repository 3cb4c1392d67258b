/* wire: see wire.h. */
#include "wire.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

/* How long a full socket may hold a batch; guess: longer than any pause of a living node. */
#define HOLD_MS 100
#define SOCKET_BYTES (1 << 20)
/* For how long who sent too much is not read from: at most 3200 more datagrams a second to drop. */
#define REST_MS 10

void wire_begin(struct wire *wire, int nic, struct wire_limits limits) {
  memset(wire, 0, sizeof *wire);
  struct bucket rate = bucket_begin(limits.packets, limits.bytes, boottime_ms());
  wire->from_guest_rate = wire->from_node_rate = rate;
  wire->nic = nic;
  wire->node = -1;
}

int wire_attach(struct wire *wire, int fd) {
  int type = 0, domain = 0, bytes = SOCKET_BYTES;
  socklen_t length = sizeof(int);
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) < 0) return -1;
  if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) < 0) return -1;
  if (domain != AF_UNIX || (type != SOCK_DGRAM && type != SOCK_SEQPACKET)) return -1;
  if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) < 0)
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes); /* as far as the system lets us */
  wire_detach(wire);
  wire->node = fd;
  return 0;
}

static void drop_batch(struct wire *wire, struct batch *batch, enum drop reason) {
  wire->dropped[reason] += batch->count - batch->first;
  batch->first = batch->count = 0;
}

void wire_detach(struct wire *wire) {
  close_fd(&wire->node);
  drop_batch(wire, &wire->to_node, DROP_DETACHED);
}

static bool waiting(const struct batch *batch) {
  return batch->first < batch->count;
}

static bool reads_guest(const struct wire *wire) {
  return wire->guest_rests_ms == 0 && !waiting(&wire->to_node);
}

static bool reads_node(const struct wire *wire) {
  return wire->node_rests_ms == 0 && !waiting(&wire->to_guest);
}

short wire_nic_events(const struct wire *wire) {
  return (short)((reads_guest(wire) ? POLLIN : 0) | (waiting(&wire->to_guest) ? POLLOUT : 0));
}

short wire_node_events(const struct wire *wire) {
  return (short)((reads_node(wire) ? POLLIN : 0) | (waiting(&wire->to_node) ? POLLOUT : 0));
}

/* Prepares all 32 to receive; the count received, or 0. */
static unsigned receive(struct batch *batch, int fd, bool *ended) {
  for (unsigned i = 0; i < BATCH_MAX; i++) {
    batch->parts[i][0] = (struct iovec){batch->bytes[i], FRAME_ROOM};
    batch->messages[i] = (struct mmsghdr){
        .msg_hdr = {.msg_iov = batch->parts[i], .msg_iovlen = 1}};
  }
  int got = recvmmsg(fd, batch->messages, BATCH_MAX, MSG_DONTWAIT, NULL);
  *ended = got < 0 && errno != EAGAIN && errno != EINTR;
  return got < 0 ? 0 : (unsigned)got;
}

/* Sends what waits. -1: the other end is gone. */
static int flush(struct wire *wire, struct batch *batch, int fd, uint64_t *sent, enum drop reason) {
  unsigned begin = batch->first;
  while (waiting(batch)) {
    unsigned left = batch->count - batch->first;
    int done = sendmmsg(fd, batch->messages + batch->first, left, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (done > 0) {
      batch->first += (unsigned)done;
      *sent += (uint64_t)done;
      continue;
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN && batch->first > begin) batch->since_ms = boottime_ms(); /* it moves */
    if (errno == EAGAIN) return 0;
    if (errno != ENOBUFS && errno != EMSGSIZE) return -1;
    batch->first++;
    wire->dropped[reason]++;
  }
  batch->first = batch->count = 0;
  return 0;
}

static void flush_to_node(struct wire *wire) {
  if (wire->node < 0)
    drop_batch(wire, &wire->to_node, DROP_DETACHED);
  else if (flush(wire, &wire->to_node, wire->node, &wire->to_node_total, DROP_NODE_FULL) < 0)
    wire_detach(wire);
}

static void flush_to_guest(struct wire *wire) {
  if (flush(wire, &wire->to_guest, wire->nic, &wire->to_guest_total, DROP_GUEST_FULL) < 0)
    drop_batch(wire, &wire->to_guest, DROP_GUEST_FULL); /* QEMU is ending; its pidfd will say so */
}

static void answer_arp(struct wire *wire) {
  uint8_t reply[FRAME_ARP_BYTES];
  frame_arp_reply(reply);
  if (send(wire->nic, reply, sizeof reply, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
    wire->dropped[DROP_GUEST_FULL]++;
}

static struct verdict judge(const struct mmsghdr *message, const uint8_t *bytes) {
  if (message->msg_hdr.msg_flags & MSG_TRUNC)
    return (struct verdict){.kind = VERDICT_DROP, .reason = DROP_OVERSIZE};
  return frame_judge(bytes, message->msg_len);
}

/* Puts a payload, which stays where it lies, into the next message to send. */
static void queue(struct batch *batch, const void *payload, size_t length) {
  struct iovec *part = batch->parts[batch->count];
  part[0] = (struct iovec){(void *)(uintptr_t)payload, length};
  batch->messages[batch->count].msg_hdr = (struct msghdr){.msg_iov = part, .msg_iovlen = 1};
  batch->count++;
}

static void read_guest(struct wire *wire) {
  struct batch *batch = &wire->to_node;
  bool ended;
  unsigned got = receive(batch, wire->nic, &ended);
  batch->first = batch->count = 0;
  batch->since_ms = boottime_ms();
  bucket_fill(&wire->from_guest_rate, batch->since_ms);
  wire->from_guest += got;
  for (unsigned i = 0; i < got; i++) {
    if (!bucket_take(&wire->from_guest_rate, batch->messages[i].msg_len)) {
      wire->dropped[DROP_RATE]++;
      wire->guest_rests_ms = batch->since_ms + REST_MS;
      continue;
    }
    struct verdict verdict = judge(&batch->messages[i], batch->bytes[i]);
    if (verdict.kind == VERDICT_DROP) wire->dropped[verdict.reason]++;
    if (verdict.kind == VERDICT_ARP) answer_arp(wire);
    if (verdict.kind == VERDICT_PASS) queue(batch, verdict.payload, verdict.length);
  }
  flush_to_node(wire);
}

static void queue_frame(struct batch *batch, unsigned from, size_t length) {
  unsigned to = batch->count;
  frame_header(batch->headers[to], batch->bytes[from], length);
  batch->parts[to][0] = (struct iovec){batch->headers[to], FRAME_HEADER_BYTES};
  batch->parts[to][1] = (struct iovec){batch->bytes[from], length};
  batch->messages[to].msg_hdr = (struct msghdr){.msg_iov = batch->parts[to], .msg_iovlen = 2};
  batch->count++;
}

static void read_node(struct wire *wire) {
  struct batch *batch = &wire->to_guest;
  bool ended;
  unsigned got = receive(batch, wire->node, &ended);
  batch->first = batch->count = 0;
  batch->since_ms = boottime_ms();
  bucket_fill(&wire->from_node_rate, batch->since_ms);
  for (unsigned i = 0; i < got; i++) {
    size_t length = batch->messages[i].msg_len;
    bool cut = batch->messages[i].msg_hdr.msg_flags & MSG_TRUNC;
    if (!bucket_take(&wire->from_node_rate, length)) {
      wire->dropped[DROP_RATE]++;
      wire->node_rests_ms = batch->since_ms + REST_MS;
    } else if (cut || length == 0 || length > FRAME_PAYLOAD_MAX)
      wire->dropped[DROP_NODE_SIZE]++;
    else
      queue_frame(batch, i, length);
  }
  flush_to_guest(wire);
  if (ended) wire_detach(wire);
}

void wire_nic_ready(struct wire *wire, short events) {
  if (events & POLLOUT) flush_to_guest(wire);
  if ((events & POLLIN) && reads_guest(wire)) read_guest(wire);
}

void wire_node_ready(struct wire *wire, short events) {
  if (events & (POLLHUP | POLLERR | POLLNVAL)) {
    wire_detach(wire); /* what it still sent is of no use: its owner is gone */
    return;
  }
  if (events & POLLOUT) flush_to_node(wire);
  if (wire->node >= 0 && (events & POLLIN) && reads_node(wire)) read_node(wire);
}

static int64_t batch_deadline(const struct batch *batch) {
  return waiting(batch) ? batch->since_ms + HOLD_MS : -1;
}

int64_t wire_deadline(const struct wire *wire) {
  int64_t at[] = {batch_deadline(&wire->to_node), batch_deadline(&wire->to_guest),
                  wire->guest_rests_ms > 0 ? wire->guest_rests_ms : -1,
                  wire->node_rests_ms > 0 ? wire->node_rests_ms : -1};
  int64_t first = -1;
  for (size_t i = 0; i < COUNT_OF(at); i++)
    if (at[i] >= 0 && (first < 0 || at[i] < first)) first = at[i];
  return first;
}

void wire_give_up(struct wire *wire, int64_t now_ms) {
  if (wire->guest_rests_ms <= now_ms) wire->guest_rests_ms = 0;
  if (wire->node_rests_ms <= now_ms) wire->node_rests_ms = 0;
  if (waiting(&wire->to_node) && batch_deadline(&wire->to_node) <= now_ms)
    drop_batch(wire, &wire->to_node, DROP_NODE_FULL);
  if (waiting(&wire->to_guest) && batch_deadline(&wire->to_guest) <= now_ms)
    drop_batch(wire, &wire->to_guest, DROP_GUEST_FULL);
}

void wire_dropped(const struct wire *wire, struct text *text) {
  const char *comma = "";
  text_add(text, "{");
  for (enum drop reason = 0; reason < DROP_COUNT; reason++) {
    if (wire->dropped[reason] == 0) continue;
    text_add(text, "%s\"%s\":%llu", comma, frame_drop_name(reason),
             (unsigned long long)wire->dropped[reason]);
    comma = ",";
  }
  text_add(text, "}");
}

/* Tests of wire.c over real sockets: the test plays QEMU's NIC at one end and the node at another. */
#include "../wire.h"
#include "sample_frames.h"
#include "test.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

static struct wire wire;
static struct wire_limits limits;
static int guest, node; /* the far ends */

static void attach(int type) {
  int pair[2];
  CHECK(socketpair(AF_UNIX, type, 0, pair) == 0);
  CHECK(wire_attach(&wire, pair[0]) == 0);
  node = pair[1];
}

static void begin_within(int64_t packets, int64_t bytes) {
  int pair[2];
  limits = (struct wire_limits){packets, bytes};
  CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
  wire_begin(&wire, pair[0], limits);
  guest = pair[1];
  attach(SOCK_DGRAM);
}

static void begin(void) {
  begin_within(1000000, 1000000000);
}

static void end(void) {
  wire_detach(&wire);
  close(wire.nic);
  close(guest);
  close(node);
}

/* One turn of the helper's loop. */
static void turn(void) {
  struct pollfd set[] = {{.fd = wire.nic, .events = wire_nic_events(&wire)},
                         {.fd = wire.node, .events = wire_node_events(&wire)}};
  CHECK(poll(set, 2, 0) >= 0);
  if (set[0].revents) wire_nic_ready(&wire, set[0].revents);
  if (set[1].revents) wire_node_ready(&wire, set[1].revents);
}

static void guest_sends(size_t payload) {
  uint8_t frame[2048];
  size_t length = sample_udp(frame, payload);
  CHECK(send(guest, frame, length, MSG_DONTWAIT) == (ssize_t)length);
}

static void carries_both_ways(void) {
  uint8_t bytes[2048];
  begin();
  guest_sends(148);
  turn();
  CHECK(recv(node, bytes, sizeof bytes, MSG_DONTWAIT) == 148 && bytes[1] == 7);
  CHECK(send(node, "hello", 5, 0) == 5);
  turn();
  CHECK(recv(guest, bytes, sizeof bytes, MSG_DONTWAIT) == 47);
  CHECK(memcmp(bytes + 42, "hello", 5) == 0);
  CHECK(wire.to_node_total == 1 && wire.to_guest_total == 1 && wire.from_guest == 1);
  end();
}

static void answers_arp_without_a_node(void) {
  uint8_t bytes[2048];
  begin();
  wire_detach(&wire);
  CHECK(send(guest, SAMPLE_ARP, sizeof SAMPLE_ARP, 0) == sizeof SAMPLE_ARP);
  guest_sends(10);
  turn();
  CHECK(recv(guest, bytes, sizeof bytes, MSG_DONTWAIT) == 42 && bytes[21] == 2);
  CHECK(wire.dropped[DROP_DETACHED] == 1);
  end();
}

static void keeps_order_in_a_mixed_batch(void) {
  uint8_t bytes[2048];
  begin();
  for (int i = 1; i <= 40; i++) {
    guest_sends((size_t)i);
    CHECK(send(guest, "rubbish", 7, MSG_DONTWAIT) == 7);
  }
  for (int i = 0; i < 4; i++) turn();
  for (int i = 1; i <= 40; i++) CHECK(recv(node, bytes, sizeof bytes, MSG_DONTWAIT) == i);
  CHECK(wire.dropped[DROP_SHORT] == 40);
  end();
}

static void counts_what_is_too_large(void) {
  static uint8_t large[4000];
  begin();
  CHECK(send(guest, large, sizeof large, 0) == sizeof large);
  CHECK(send(node, large, FRAME_PAYLOAD_MAX + 1, 0) == FRAME_PAYLOAD_MAX + 1);
  CHECK(send(node, large, sizeof large, 0) == sizeof large);
  CHECK(send(node, large, 0, 0) == 0);
  CHECK(send(node, large, FRAME_PAYLOAD_MAX, 0) == FRAME_PAYLOAD_MAX);
  turn();
  CHECK(wire.dropped[DROP_OVERSIZE] == 1 && wire.dropped[DROP_NODE_SIZE] == 3);
  CHECK(recv(guest, large, sizeof large, MSG_DONTWAIT) == FRAME_BYTES_MAX);
  end();
}

/* The guest sends on, the node does not read: the batch waits, is given up, and nothing blocks. */
static void drops_for_a_node_that_does_not_read(void) {
  begin();
  while (!(wire_node_events(&wire) & POLLOUT)) {
    guest_sends(1400);
    turn();
  }
  CHECK(!(wire_nic_events(&wire) & POLLIN)); /* backs up to the guest */
  int64_t deadline = wire_deadline(&wire);
  CHECK(deadline > 0);
  wire_give_up(&wire, deadline - 1);
  CHECK(wire.dropped[DROP_NODE_FULL] == 0);
  wire_give_up(&wire, deadline);
  CHECK(wire.dropped[DROP_NODE_FULL] > 0 && wire_deadline(&wire) == -1);
  CHECK(wire_nic_events(&wire) & POLLIN);
  end();
}

static void resumes_when_the_node_reads_again(void) {
  static uint8_t bytes[2048];
  unsigned sent = 0, got = 0;
  begin();
  while (!(wire_node_events(&wire) & POLLOUT)) {
    guest_sends(1400);
    sent++;
    turn();
  }
  while (recv(node, bytes, sizeof bytes, MSG_DONTWAIT) == 1400) got++;
  turn();
  while (recv(node, bytes, sizeof bytes, MSG_DONTWAIT) == 1400) got++;
  CHECK(got == sent && wire.dropped[DROP_NODE_FULL] == 0);
  end();
}

static void the_latest_attachment_wins(void) {
  uint8_t bytes[64];
  begin();
  int before = node;
  attach(SOCK_DGRAM);
  guest_sends(9);
  turn();
  CHECK(recv(node, bytes, sizeof bytes, MSG_DONTWAIT) == 9);
  CHECK(recv(before, bytes, sizeof bytes, MSG_DONTWAIT) == -1);
  CHECK(send(before, "x", 1, 0) == -1 && errno == ECONNREFUSED);
  close(before);
  end();
}

static void notices_a_node_that_left(int type) {
  begin();
  close(node);
  attach(type);
  close(node);
  guest_sends(9);
  turn(); /* SEQPACKET tells by itself, DGRAM when something is sent */
  guest_sends(9);
  turn();
  CHECK(wire.node == -1);
  CHECK(wire.dropped[DROP_DETACHED] >= 1);
  node = -1;
  end();
}

static void notices_both_kinds(void) {
  notices_a_node_that_left(SOCK_DGRAM);
  notices_a_node_that_left(SOCK_SEQPACKET);
}

static void refuses_other_descriptors(void) {
  int pair[2], pipes[2];
  begin();
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && pipe(pipes) == 0);
  int inet = socket(AF_INET, SOCK_DGRAM, 0);
  CHECK(wire_attach(&wire, pair[0]) == -1);
  CHECK(wire_attach(&wire, pipes[0]) == -1);
  CHECK(wire_attach(&wire, inet) == -1);
  CHECK(wire.node >= 0); /* the one before stays */
  close(pair[0]), close(pair[1]), close(pipes[0]), close(pipes[1]), close(inet);
  end();
}

static unsigned count_at(int fd) {
  uint8_t bytes[2048];
  unsigned count = 0;
  while (recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0) count++;
  return count;
}

/* At one a second, after a batch: all of what came with the first too many is gone, and no more is
 * read before the rest is over. */
static void holds_a_guest_to_its_rate(void) {
  begin_within(1, 1000000000);
  for (int i = 0; i < 40; i++) guest_sends(10);
  turn(), turn();
  CHECK(count_at(node) == 32 && wire.dropped[DROP_RATE] == 8);
  CHECK(!(wire_nic_events(&wire) & POLLIN) && (wire_node_events(&wire) & POLLIN));
  guest_sends(10);
  turn();
  CHECK(wire.from_guest == 40);
  int64_t rested = wire_deadline(&wire);
  CHECK(rested > 0);
  wire_give_up(&wire, rested - 1);
  CHECK(!(wire_nic_events(&wire) & POLLIN));
  wire_give_up(&wire, rested);
  CHECK((wire_nic_events(&wire) & POLLIN) && wire_deadline(&wire) == -1);
  end();
}

static void holds_a_node_to_its_rate(void) {
  static uint8_t bytes[FRAME_PAYLOAD_MAX];
  begin_within(1000000, 1);
  for (int i = 0; i < 60; i++) CHECK(send(node, bytes, sizeof bytes, MSG_DONTWAIT) > 0);
  turn(), turn();
  CHECK(count_at(guest) == 44 && wire.dropped[DROP_RATE] == 16); /* 64 KiB */
  CHECK(!(wire_node_events(&wire) & POLLIN) && (wire_nic_events(&wire) & POLLIN));
  end();
}

static void survives_a_guest_that_left(void) {
  begin();
  close(guest);
  CHECK(send(node, "hello", 5, 0) == 5);
  turn();
  turn();
  CHECK(wire.dropped[DROP_GUEST_FULL] == 1);
  guest = -1;
  end();
}

int main(void) {
  static const struct test tests[] = {
      {"datagrams go both ways", carries_both_ways},
      {"ARP is answered while no node is attached", answers_arp_without_a_node},
      {"what passes stays in order", keeps_order_in_a_mixed_batch},
      {"what is too large is counted", counts_what_is_too_large},
      {"a node that does not read costs drops, never time", drops_for_a_node_that_does_not_read},
      {"nothing is lost when it reads again in time", resumes_when_the_node_reads_again},
      {"the latest attachment wins", the_latest_attachment_wins},
      {"a node that left is noticed", notices_both_kinds},
      {"only unix datagram and seqpacket sockets are taken", refuses_other_descriptors},
      {"a guest that sends too much is held to its rate", holds_a_guest_to_its_rate},
      {"a node that sends too much is held to its rate", holds_a_node_to_its_rate},
      {"a QEMU that ends does no harm", survives_a_guest_that_left},
  };
  return RUN_TESTS("wire", tests);
}

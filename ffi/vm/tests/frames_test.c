/* Tests of frames.c: what passes, and that each way of being wrong has its own reason. */
#include "sample_frames.h"
#include "test.h"

static uint8_t frame[4096];

static void passes_the_one_flow(void) {
  size_t length = sample_udp(frame, 148);
  struct verdict verdict = frame_judge(frame, length);
  CHECK(verdict.kind == VERDICT_PASS);
  CHECK(verdict.payload == frame + 42 && verdict.length == 148);
}

static void ignores_ethernet_padding(void) {
  size_t length = sample_udp(frame, 1);
  struct verdict verdict = frame_judge(frame, length + 20);
  CHECK(verdict.kind == VERDICT_PASS && verdict.length == 1);
}

static void passes_the_largest(void) {
  size_t length = sample_udp(frame, FRAME_PAYLOAD_MAX);
  CHECK(length == FRAME_BYTES_MAX);
  CHECK(frame_judge(frame, length).length == FRAME_PAYLOAD_MAX);
}

static void answers_who_has_gateway(void) {
  static const uint8_t wanted[42] = {
      0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 0x02, 0, 0, 0, 0, 1, 0x08, 0x06,
      0,    1,    8,    0,    6,    4,    0,    2, 0x02, 0, 0, 0, 0,   1,
      10,   0,    2,    2,    0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 10, 0, 2, 15};
  uint8_t reply[42];
  memcpy(frame, SAMPLE_ARP, sizeof SAMPLE_ARP);
  CHECK(frame_judge(frame, sizeof SAMPLE_ARP).kind == VERDICT_ARP);
  memcpy(frame, wanted + 6, 6); /* asked of the gateway directly, as Linux re-checks a neighbour */
  CHECK(frame_judge(frame, sizeof SAMPLE_ARP).kind == VERDICT_ARP);
  frame_arp_reply(reply);
  CHECK(memcmp(reply, wanted, sizeof wanted) == 0);
}

/* One byte of a good frame changed, and the reason that this must have. */
struct change {
  const char *what;
  int arp;
  size_t at;
  uint8_t to;
  int mend; /* the IP checksum is made right again */
  enum drop reason;
};

static const struct change CHANGES[] = {
    {"another source MAC", 0, 11, 0x57, 0, DROP_SOURCE_MAC},
    {"another destination MAC", 0, 5, 2, 0, DROP_DESTINATION_MAC},
    {"UDP to the broadcast address", 0, 0, 0xff, 0, DROP_DESTINATION_MAC},
    {"VLAN", 0, 12, 0x81, 0, DROP_ETHERTYPE},
    {"IP version 6 in an IPv4 frame", 0, 14, 0x65, 1, DROP_IP_HEADER},
    {"IP options", 0, 14, 0x46, 1, DROP_IP_HEADER},
    {"a header of 16 bytes", 0, 14, 0x44, 1, DROP_IP_HEADER},
    {"a total longer than the frame", 0, 16, 0x10, 1, DROP_IP_HEADER},
    {"a wrong IP checksum", 0, 24, 0xee, 0, DROP_IP_CHECKSUM},
    {"more fragments", 0, 20, 0x20, 1, DROP_FRAGMENT},
    {"a fragment's offset", 0, 21, 1, 1, DROP_FRAGMENT},
    {"the reserved flag", 0, 20, 0x80, 1, DROP_FRAGMENT},
    {"TCP", 0, 23, 6, 1, DROP_PROTOCOL},
    {"ICMP", 0, 23, 1, 1, DROP_PROTOCOL},
    {"a forged source", 0, 29, 16, 1, DROP_ADDRESS},
    {"another destination", 0, 33, 3, 1, DROP_ADDRESS},
    {"another source port", 0, 35, 0x6d, 0, DROP_PORT},
    {"DNS", 0, 37, 53, 0, DROP_PORT},
    {"a UDP length above the packet's", 0, 39, 200, 0, DROP_UDP_LENGTH},
    {"a UDP length below the packet's", 0, 39, 9, 0, DROP_UDP_LENGTH},
    {"ARP for another address", 1, 41, 3, 0, DROP_ARP},
    {"ARP in another's name", 1, 31, 16, 0, DROP_ARP},
    {"ARP with another sender MAC", 1, 27, 0x57, 0, DROP_ARP},
    {"an ARP reply", 1, 21, 2, 0, DROP_ARP},
    {"ARP of another hardware", 1, 15, 6, 0, DROP_ARP},
    {"ARP with long addresses", 1, 18, 8, 0, DROP_ARP},
};

static void drops_each_change(void) {
  for (size_t i = 0; i < sizeof CHANGES / sizeof CHANGES[0]; i++) {
    const struct change *change = &CHANGES[i];
    size_t length = sizeof SAMPLE_ARP;
    memcpy(frame, SAMPLE_ARP, length);
    if (!change->arp) length = sample_udp(frame, 100);
    frame[change->at] = change->to;
    if (change->mend) sample_ip_checksum(frame);
    struct verdict verdict = frame_judge(frame, length);
    if (verdict.kind == VERDICT_DROP && verdict.reason == change->reason) continue;
    fprintf(stderr, "%s: verdict %d, reason %s\n", change->what, verdict.kind,
            frame_drop_name(verdict.reason));
    exit(1);
  }
}

static void drops_ipv6(void) {
  sample_udp(frame, 100);
  frame[12] = 0x86;
  frame[13] = 0xdd;
  CHECK(frame_judge(frame, 142).reason == DROP_IPV6);
}

static void drops_an_empty_datagram(void) {
  size_t length = sample_udp(frame, 0);
  CHECK(frame_judge(frame, length).reason == DROP_UDP_LENGTH);
}

static void drops_oversize(void) {
  size_t length = sample_udp(frame, FRAME_PAYLOAD_MAX + 1);
  CHECK(frame_judge(frame, length).reason == DROP_OVERSIZE);
}

/* Each copy has its exact size, so that AddressSanitizer sees a byte read too many. */
static void drops_every_truncation(void) {
  for (size_t length = 0; length < 142; length++) {
    sample_udp(frame, 100);
    uint8_t *exact = malloc(length ? length : 1);
    memcpy(exact, frame, length);
    struct verdict verdict = frame_judge(exact, length);
    CHECK(verdict.kind == VERDICT_DROP);
    CHECK(verdict.reason == (length < 34 ? DROP_SHORT : DROP_IP_HEADER));
    free(exact);
  }
  for (size_t length = 0; length < sizeof SAMPLE_ARP; length++) {
    uint8_t *exact = malloc(length ? length : 1);
    memcpy(exact, SAMPLE_ARP, length);
    CHECK(frame_judge(exact, length).reason == DROP_SHORT);
    free(exact);
  }
}

/* The sum over a whole correct packet is 0xffff, computed here byte by byte. */
static unsigned udp_sum(const uint8_t *packet, size_t payload) {
  uint32_t total = 17 + 8 + (uint32_t)payload;
  for (size_t i = 26; i < 34; i++) total += (uint32_t)packet[i] << (i % 2 ? 0 : 8);
  for (size_t i = 34; i < 42 + payload; i++) total += (uint32_t)packet[i] << (i % 2 ? 0 : 8);
  while (total >> 16) total = (total & 0xffff) + (total >> 16);
  return total;
}

static void builds_correct_headers(void) {
  for (size_t payload = 1; payload <= FRAME_PAYLOAD_MAX; payload += payload < 40 ? 1 : 131) {
    uint8_t packet[FRAME_BYTES_MAX], again[FRAME_BYTES_MAX];
    for (size_t i = 0; i < payload; i++) packet[42 + i] = (uint8_t)(255 - i * 3);
    frame_header(packet, packet + 42, payload);
    CHECK(udp_sum(packet, payload) == 0xffff);
    memcpy(again, packet, 42);
    sample_ip_checksum(again);
    CHECK(memcmp(again, packet, 42) == 0);
    CHECK(packet[16] * 256u + packet[17] == 28 + payload);
    CHECK(packet[38] * 256u + packet[39] == 8 + payload);
  }
}

/* A payload whose sum makes the checksum 0, which on the wire would mean "none". */
static void never_says_no_checksum(void) {
  uint8_t packet[44] = {0};
  for (unsigned word = 0; word <= 0xffff; word++) {
    packet[42] = (uint8_t)(word >> 8);
    packet[43] = (uint8_t)word;
    frame_header(packet, packet + 42, 2);
    CHECK(packet[40] != 0 || packet[41] != 0);
  }
}

static void names_every_reason(void) {
  for (enum drop reason = 0; reason < DROP_COUNT; reason++) CHECK(frame_drop_name(reason)[0] != 0);
}

int main(void) {
  static const struct test tests[] = {
      {"UDP between the two ports passes", passes_the_one_flow},
      {"padding behind the packet is not payload", ignores_ethernet_padding},
      {"the largest datagram passes", passes_the_largest},
      {"who-has of the gateway is answered", answers_who_has_gateway},
      {"each single wrong field is dropped with its reason", drops_each_change},
      {"IPv6 is dropped", drops_ipv6},
      {"an empty datagram is dropped", drops_an_empty_datagram},
      {"a datagram above 1472 bytes is dropped", drops_oversize},
      {"every truncation is dropped, and read within its bounds", drops_every_truncation},
      {"headers for the guest have correct lengths and checksums", builds_correct_headers},
      {"a UDP checksum of zero is written as 0xffff", never_says_no_checksum},
      {"every reason has a name", names_every_reason},
  };
  return RUN_TESTS("frames", tests);
}

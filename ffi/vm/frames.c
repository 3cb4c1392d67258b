/* frames: see frames.h. Sources: RFC 826, 791, 768, 1071. */
#include "frames.h"

#include <stdbool.h>
#include <string.h>

#define ETHERNET_BYTES 14
#define IP_BYTES 20
#define UDP_BYTES 8
#define PORT 51820
#define TYPE_IPV4 0x0800
#define TYPE_ARP 0x0806
#define TYPE_IPV6 0x86dd
#define PROTOCOL_UDP 17
#define TTL 64
#define DONT_FRAGMENT 0x4000

static const uint8_t GUEST_MAC[6] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};
static const uint8_t GATEWAY_MAC[6] = {0x02, 0x00, 0x00, 0x00, 0x00, 0x01};
static const uint8_t BROADCAST[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t GUEST_IP[4] = {10, 0, 2, 15};
static const uint8_t GATEWAY_IP[4] = {10, 0, 2, 2};
/* Ethernet and IPv4, with their lengths, asking. */
static const uint8_t ARP_REQUEST[8] = {0, 1, 8, 0, 6, 4, 0, 1};
static const uint8_t ARP_REPLY[8] = {0, 1, 8, 0, 6, 4, 0, 2};

static const char *const NAMES[DROP_COUNT] = {
    [DROP_SHORT] = "short",
    [DROP_OVERSIZE] = "oversize",
    [DROP_SOURCE_MAC] = "source-mac",
    [DROP_DESTINATION_MAC] = "destination-mac",
    [DROP_IPV6] = "ipv6",
    [DROP_ETHERTYPE] = "ethertype",
    [DROP_ARP] = "arp",
    [DROP_IP_HEADER] = "ip-header",
    [DROP_IP_CHECKSUM] = "ip-checksum",
    [DROP_FRAGMENT] = "fragment",
    [DROP_PROTOCOL] = "protocol",
    [DROP_ADDRESS] = "address",
    [DROP_PORT] = "port",
    [DROP_UDP_LENGTH] = "udp-length",
    [DROP_DETACHED] = "detached",
    [DROP_NODE_FULL] = "node-full",
    [DROP_GUEST_FULL] = "guest-full",
    [DROP_RATE] = "rate",
    [DROP_NODE_SIZE] = "node-size",
};

const char *frame_drop_name(enum drop reason) {
  return NAMES[reason];
}

static uint16_t get16(const uint8_t *at) {
  return (uint16_t)(at[0] << 8 | at[1]);
}

static void put16(uint8_t *at, unsigned value) {
  at[0] = (uint8_t)(value >> 8);
  at[1] = (uint8_t)value;
}

/* RFC 1071: the sum of 16-bit words, not yet folded; at most 64 KiB of bytes. */
static uint32_t sum(uint32_t total, const uint8_t *bytes, size_t length) {
  for (; length > 1; bytes += 2, length -= 2) total += get16(bytes);
  return length == 0 ? total : total + (uint32_t)(bytes[0] << 8);
}

static uint16_t fold(uint32_t total) {
  total = (total >> 16) + (total & 0xffff);
  total += total >> 16;
  return (uint16_t)~total;
}

static struct verdict drop(enum drop reason) {
  return (struct verdict){.kind = VERDICT_DROP, .reason = reason};
}

static struct verdict judge_arp(const uint8_t *arp, size_t length) {
  if (length < FRAME_ARP_BYTES - ETHERNET_BYTES) return drop(DROP_SHORT);
  if (memcmp(arp, ARP_REQUEST, sizeof ARP_REQUEST) != 0) return drop(DROP_ARP);
  if (memcmp(arp + 8, GUEST_MAC, 6) != 0 || memcmp(arp + 14, GUEST_IP, 4) != 0)
    return drop(DROP_ARP);
  if (memcmp(arp + 24, GATEWAY_IP, 4) != 0) return drop(DROP_ARP);
  return (struct verdict){.kind = VERDICT_ARP};
}

/* `room`: what the IP packet says that it holds behind its header. */
static struct verdict judge_udp(const uint8_t *udp, size_t room) {
  if (room < UDP_BYTES) return drop(DROP_UDP_LENGTH);
  if (get16(udp) != PORT || get16(udp + 2) != PORT) return drop(DROP_PORT);
  size_t length = get16(udp + 4);
  if (length != room || length == UDP_BYTES) return drop(DROP_UDP_LENGTH);
  if (length - UDP_BYTES > FRAME_PAYLOAD_MAX) return drop(DROP_OVERSIZE);
  /* Its checksum is left alone: WireGuard's own is over the same bytes and cannot be forged. */
  return (struct verdict){
      .kind = VERDICT_PASS, .payload = udp + UDP_BYTES, .length = length - UDP_BYTES};
}

static struct verdict judge_ip(const uint8_t *ip, size_t length) {
  if (length < IP_BYTES) return drop(DROP_SHORT);
  if (ip[0] != 0x45) return drop(DROP_IP_HEADER); /* version 4, no options */
  size_t total = get16(ip + 2);
  if (total < IP_BYTES || total > length) return drop(DROP_IP_HEADER);
  if (fold(sum(0, ip, IP_BYTES)) != 0) return drop(DROP_IP_CHECKSUM);
  if ((get16(ip + 6) & ~DONT_FRAGMENT) != 0) return drop(DROP_FRAGMENT);
  if (memcmp(ip + 12, GUEST_IP, 4) != 0 || memcmp(ip + 16, GATEWAY_IP, 4) != 0)
    return drop(DROP_ADDRESS);
  if (ip[9] != PROTOCOL_UDP) return drop(DROP_PROTOCOL);
  return judge_udp(ip + IP_BYTES, total - IP_BYTES);
}

struct verdict frame_judge(const uint8_t *frame, size_t length) {
  if (length < ETHERNET_BYTES) return drop(DROP_SHORT);
  const uint8_t *rest = frame + ETHERNET_BYTES;
  size_t left = length - ETHERNET_BYTES;
  if (memcmp(frame + 6, GUEST_MAC, 6) != 0) return drop(DROP_SOURCE_MAC);
  uint16_t type = get16(frame + 12);
  if (type == TYPE_IPV6) return drop(DROP_IPV6);
  bool to_gateway = memcmp(frame, GATEWAY_MAC, 6) == 0;
  if (type == TYPE_ARP && (to_gateway || memcmp(frame, BROADCAST, 6) == 0))
    return judge_arp(rest, left);
  if (!to_gateway) return drop(DROP_DESTINATION_MAC);
  return type == TYPE_IPV4 ? judge_ip(rest, left) : drop(DROP_ETHERTYPE);
}

void frame_arp_reply(uint8_t reply[FRAME_ARP_BYTES]) {
  memcpy(reply, GUEST_MAC, 6);
  memcpy(reply + 6, GATEWAY_MAC, 6);
  put16(reply + 12, TYPE_ARP);
  memcpy(reply + 14, ARP_REPLY, sizeof ARP_REPLY);
  memcpy(reply + 22, GATEWAY_MAC, 6);
  memcpy(reply + 28, GATEWAY_IP, 4);
  memcpy(reply + 32, GUEST_MAC, 6);
  memcpy(reply + 38, GUEST_IP, 4);
}

static void put_ip(uint8_t *ip, size_t payload) {
  memset(ip, 0, IP_BYTES);
  ip[0] = 0x45;
  put16(ip + 2, (unsigned)(IP_BYTES + UDP_BYTES + payload));
  put16(ip + 6, DONT_FRAGMENT); /* so that no identification is needed: RFC 6864 */
  ip[8] = TTL;
  ip[9] = PROTOCOL_UDP;
  memcpy(ip + 12, GATEWAY_IP, 4);
  memcpy(ip + 16, GUEST_IP, 4);
  put16(ip + 10, fold(sum(0, ip, IP_BYTES)));
}

static void put_udp(uint8_t *udp, const uint8_t *payload, size_t length) {
  unsigned total = (unsigned)(UDP_BYTES + length);
  put16(udp, PORT);
  put16(udp + 2, PORT);
  put16(udp + 4, total);
  put16(udp + 6, 0);
  uint32_t pseudo = sum(sum(PROTOCOL_UDP + total, GATEWAY_IP, 4), GUEST_IP, 4);
  uint16_t checksum = fold(sum(sum(pseudo, udp, UDP_BYTES), payload, length));
  put16(udp + 6, checksum == 0 ? 0xffff : checksum); /* 0 would mean "none" */
}

void frame_header(uint8_t header[FRAME_HEADER_BYTES], const uint8_t *payload, size_t length) {
  memcpy(header, GUEST_MAC, 6);
  memcpy(header + 6, GATEWAY_MAC, 6);
  put16(header + 12, TYPE_IPV4);
  put_ip(header + ETHERNET_BYTES, length);
  put_udp(header + ETHERNET_BYTES + IP_BYTES, payload, length);
}

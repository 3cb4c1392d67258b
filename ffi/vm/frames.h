/*
 * frames: the guest's whole network, as pure functions over bytes of hostile origin.
 *
 *   guest 10.0.2.15  52:54:00:12:34:56        gateway 10.0.2.2  02:00:00:00:00:01
 *
 *   Ethernet  destination 6 | source 6 | type 2
 *   ARP       htype 1 | ptype 0800 | 6 | 4 | op | sender MAC, IP | target MAC, IP
 *   IPv4      45 | tos | length | id | flags+offset | ttl | 17 | checksum | source | destination
 *   UDP       51820 | 51820 | length | checksum | one WireGuard datagram
 *
 * Two things pass: "who has 10.0.2.2" (answered here) and unfragmented UDP between the two
 * addresses, both ports 51820. Everything else is dropped and counted by reason.
 */
#ifndef OMERTA_FRAMES_H
#define OMERTA_FRAMES_H

#include <stddef.h>
#include <stdint.h>

#define FRAME_HEADER_BYTES 42
#define FRAME_ARP_BYTES 42
/* Ethernet's 1500 less the headers of IPv4 and UDP. */
#define FRAME_PAYLOAD_MAX 1472
#define FRAME_BYTES_MAX (FRAME_HEADER_BYTES + FRAME_PAYLOAD_MAX)

enum drop {
  /* the guest's frames */
  DROP_SHORT,
  DROP_OVERSIZE,
  DROP_SOURCE_MAC,
  DROP_DESTINATION_MAC,
  DROP_IPV6,
  DROP_ETHERTYPE,
  DROP_ARP,
  DROP_IP_HEADER,
  DROP_IP_CHECKSUM,
  DROP_FRAGMENT,
  DROP_PROTOCOL,
  DROP_ADDRESS,
  DROP_PORT,
  DROP_UDP_LENGTH,
  /* good ones that could not be delivered */
  DROP_DETACHED,
  DROP_NODE_FULL,
  DROP_GUEST_FULL,
  DROP_RATE, /* of either side */
  /* the node's datagrams */
  DROP_NODE_SIZE,
  DROP_COUNT
};

enum verdict_kind { VERDICT_DROP, VERDICT_ARP, VERDICT_PASS };

struct verdict {
  enum verdict_kind kind;
  enum drop reason;       /* of VERDICT_DROP */
  const uint8_t *payload; /* of VERDICT_PASS: within the frame */
  size_t length;
};

/* The name under which a reason is reported. */
const char *frame_drop_name(enum drop reason);

/* What to do with a frame from the guest. */
struct verdict frame_judge(const uint8_t *frame, size_t length);

/* The answer to a frame judged VERDICT_ARP. */
void frame_arp_reply(uint8_t reply[FRAME_ARP_BYTES]);

/* The headers that turn a payload of 1 to FRAME_PAYLOAD_MAX bytes into a frame for the guest. */
void frame_header(uint8_t header[FRAME_HEADER_BYTES], const uint8_t *payload, size_t length);

#endif

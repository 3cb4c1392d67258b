/* sample_frames: frames as a guest would send them, for the tests of the filter. */
#ifndef OMERTA_SAMPLE_FRAMES_H
#define OMERTA_SAMPLE_FRAMES_H

#include "../frames.h"

#include <string.h>

/* "Who has 10.0.2.2? Tell 10.0.2.15." */
static const uint8_t SAMPLE_ARP[42] = {
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 0x08, 0x06,
    0,    1,    8,    0,    6,    4,    0,    1,    0x52, 0x54, 0x00, 0x12, 0x34, 0x56,
    10,   0,    2,    15,   0,    0,    0,    0,    0,    0,    10,   0,    2,    2};

/* The IPv4 header's checksum, RFC 1071, computed in a second way: with one's complement adds. */
static inline void sample_ip_checksum(uint8_t *frame) {
  uint32_t total = 0;
  frame[24] = frame[25] = 0;
  for (int i = 14; i < 34; i += 2) {
    total += (uint32_t)(frame[i] * 256 + frame[i + 1]);
    if (total > 0xffff) total -= 0xffff;
  }
  frame[24] = (uint8_t)((0xffff - total) >> 8);
  frame[25] = (uint8_t)(0xffff - total);
}

/* UDP 10.0.2.15:51820 → 10.0.2.2:51820 with a payload of `length` bytes; the frame's length. */
static inline size_t sample_udp(uint8_t *frame, size_t length) {
  static const uint8_t head[42] = {
      0x02, 0,    0,    0,    0,    1, 0x52, 0x54, 0,  0x12, 0x34, 0x56, 0x08, 0x00,
      0x45, 0,    0,    0,    0x12, 0x34, 0x40, 0, 64, 17,   0,    0,    10,   0,
      2,    15,   10,   0,    2,    2, 0xca, 0x6c, 0xca, 0x6c, 0,  0,    0,    0};
  memcpy(frame, head, sizeof head);
  frame[16] = (uint8_t)((28 + length) >> 8);
  frame[17] = (uint8_t)(28 + length);
  frame[38] = (uint8_t)((8 + length) >> 8);
  frame[39] = (uint8_t)(8 + length);
  for (size_t i = 0; i < length; i++) frame[42 + i] = (uint8_t)(i * 7);
  sample_ip_checksum(frame);
  return 42 + length;
}

#endif

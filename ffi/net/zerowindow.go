package main

import (
	"bytes"
	"encoding/binary"
)

// A workaround for gVisor's TCP receiver, which rounds its window down to the window scale: a last
// piece of data that it had allowed falls out of the window when it closes, and from then on every
// segment of the far end has a sequence number that gVisor refuses, and with it the acknowledgement
// that it carries. If the local reader waits for its own writes to be taken, both sides stand still for
// good (seen with an echo of 8 MiB). RFC 9293 §3.10.7.4 wants acknowledgements to be taken while the
// window is zero, so such a segment is preceded by its acknowledgement alone, with the sequence number
// that the receiver expects.

const (
	tcpFlagsOffset  = ipv6HeaderBytes + 13
	tcpWindowOffset = ipv6HeaderBytes + 14
	tcpFIN          = 0x01
	tcpSYN          = 0x02
	tcpRST          = 0x04
	tcpPSH          = 0x08
	tcpACK          = 0x10

	// windowScaleMax is the largest amount by which a scaled window is rounded down: RFC 7323 §2.3.
	windowScaleMax = 1 << 14

	windowClosed = 1 << 32 // beside the acknowledgement in flow.closed
)

// noteWindow keeps, for an outbound segment that closes its flow's window, what it acknowledges.
func (l *link) noteWindow(packet []byte) {
	if len(packet) < ipv6HeaderBytes+tcpHeaderBytes || packet[6] != protocolTCP {
		return
	}
	flow := l.flows.of(binary.BigEndian.Uint16(packet[ipv6HeaderBytes:]), 0)
	if flow == nil || packet[tcpFlagsOffset]&(tcpSYN|tcpRST|tcpACK) != tcpACK {
		return
	}
	closed := uint64(0)
	if binary.BigEndian.Uint16(packet[tcpWindowOffset:]) == 0 {
		closed = windowClosed | uint64(binary.BigEndian.Uint32(packet[ipv6HeaderBytes+8:]))
	}
	if flow.closed.Load() != closed {
		flow.closed.Store(closed)
	}
}

// bareAck returns the acknowledgement of an inbound segment that a closed window keeps out, as a packet
// of its own, or nil. The packet has passed the guard.
func (l *link) bareAck(packet []byte) []byte {
	flow := l.flows.of(binary.BigEndian.Uint16(packet[ipv6HeaderBytes+2:]), 0)
	if flow == nil {
		return nil
	}
	closed := flow.closed.Load()
	if closed == 0 || packet[tcpFlagsOffset]&(tcpSYN|tcpRST|tcpACK) != tcpACK {
		return nil
	}
	expected := uint32(closed)
	end := ipv6HeaderBytes + int(packet[ipv6HeaderBytes+12]>>4)*4
	ahead := binary.BigEndian.Uint32(packet[ipv6HeaderBytes+4:]) - expected
	if end < ipv6HeaderBytes+tcpHeaderBytes || end > len(packet) || ahead > windowScaleMax {
		return nil
	}
	if ahead == 0 && end == len(packet) {
		return nil // it is one already
	}
	ack := bytes.Clone(packet[:end])
	binary.BigEndian.PutUint16(ack[4:], uint16(end-ipv6HeaderBytes))
	binary.BigEndian.PutUint32(ack[ipv6HeaderBytes+4:], expected)
	ack[tcpFlagsOffset] &^= tcpFIN | tcpPSH
	return ack
}

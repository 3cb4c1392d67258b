package main

import "encoding/binary"

// The frames of the UDP port, big-endian, version 1:
//
//	6f 6d 01 TYPE …                    control: to TypeScript; but for hello and cookie it goes on
//	              RECEIVER(4) …        with the id that TypeScript chose for its session or handshake
//	6f 74 01 00 ID(4) …                a WireGuard datagram for the tunnel ID of its receiver
//	6f 72 01 DIR SESSION(4) FRAME      relayed: one inner control or tunnel frame
//
// The parser looks at headers only, allocates nothing and keeps nothing.

const (
	magicByte       = 0x6f
	kindControl     = 0x6d
	kindTunnel      = 0x74
	kindRelay       = 0x72
	kindFragment    = 0x66
	wireVersion     = 1
	headerBytes     = 4
	tunnelBytes     = 8 // header and tunnel id
	relayBytes      = 8 // header and session
	controlHello    = 1 // the types of control frames, as in src/wire/frames.ts
	controlReply    = 2
	controlFinish   = 3
	controlCookie   = 4
	controlRefusal  = 7
	controlDatagram = 8
	toRelay         = 0
	fromRelay       = 1
	wireguardMin    = 32 // a keepalive: WireGuard whitepaper §5.4.6
	controlMin      = 12 // the shortest control frame: header and a receiver's session
)

// frame is a parsed datagram. Slices point into the datagram.
type frame struct {
	kind    byte   // kindControl, kindTunnel or kindRelay
	id      uint32 // tunnel id, or relay session
	dir     byte   // of a relay frame
	payload []byte // control: the whole frame; tunnel: the WireGuard datagram; relay: the inner frame
}

// parseFrame reads one datagram; a drop reason other than dropNone means that it is none of ours.
func parseFrame(datagram []byte) (frame, dropReason) {
	if len(datagram) < headerBytes {
		return frame{}, dropShort
	}
	if datagram[0] != magicByte {
		return frame{}, dropMagic
	}
	switch kind := datagram[1]; kind {
	case kindControl, kindTunnel, kindRelay:
		if datagram[2] != wireVersion {
			return frame{}, dropVersion
		}
		return parseKind(kind, datagram)
	case kindFragment:
		return frame{}, dropReserved
	default:
		return frame{}, dropMagic
	}
}

func parseKind(kind byte, datagram []byte) (frame, dropReason) {
	switch kind {
	case kindControl:
		return parseControl(datagram)
	case kindTunnel:
		return parseTunnel(datagram)
	default:
		return parseRelay(datagram)
	}
}

func parseControl(datagram []byte) (frame, dropReason) {
	switch datagram[3] {
	case controlHello, controlCookie, controlReply, controlFinish, controlRefusal, controlDatagram:
	default:
		return frame{}, dropType
	}
	if len(datagram) < controlMin {
		return frame{}, dropShort
	}
	return frame{kind: kindControl, payload: datagram}, dropNone
}

// receiverOf is the session, or the handshake under way, that a control frame is for; named is false
// where it names none, as strangers do.
func receiverOf(control []byte) (id uint32, named bool) {
	switch control[3] {
	case controlHello, controlCookie:
		return 0, false
	}
	return binary.BigEndian.Uint32(control[headerBytes:]), true
}

func parseTunnel(datagram []byte) (frame, dropReason) {
	if datagram[3] != 0 {
		return frame{}, dropType
	}
	if len(datagram) < tunnelBytes+wireguardMin {
		return frame{}, dropShort
	}
	id := binary.BigEndian.Uint32(datagram[headerBytes:])
	return frame{kind: kindTunnel, id: id, payload: datagram[tunnelBytes:]}, dropNone
}

// parseRelay checks the inner magic too, so that nothing but control and tunnel frames is ever
// forwarded and a relay frame cannot hold another.
func parseRelay(datagram []byte) (frame, dropReason) {
	dir := datagram[3]
	if dir != toRelay && dir != fromRelay {
		return frame{}, dropType
	}
	if len(datagram) < relayBytes+headerBytes {
		return frame{}, dropShort
	}
	inner := datagram[relayBytes:]
	if inner[0] != magicByte || (inner[1] != kindControl && inner[1] != kindTunnel) {
		return frame{}, dropNested
	}
	id := binary.BigEndian.Uint32(datagram[headerBytes:])
	return frame{kind: kindRelay, id: id, dir: dir, payload: inner}, dropNone
}

func putTunnelHeader(to []byte, id uint32) {
	to[0], to[1], to[2], to[3] = magicByte, kindTunnel, wireVersion, 0
	binary.BigEndian.PutUint32(to[headerBytes:], id)
}

func putRelayHeader(to []byte, dir byte, session uint32) {
	to[0], to[1], to[2], to[3] = magicByte, kindRelay, wireVersion, dir
	binary.BigEndian.PutUint32(to[headerBytes:], session)
}

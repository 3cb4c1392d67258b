package main

import (
	"bytes"
	"testing"
)

func tunnelFrame(id uint32, payload int) []byte {
	frame := make([]byte, tunnelBytes+payload)
	putTunnelHeader(frame, id)
	return frame
}

func relayFrame(dir byte, session uint32, inner []byte) []byte {
	frame := make([]byte, relayBytes, relayBytes+len(inner))
	putRelayHeader(frame, dir, session)
	return append(frame, inner...)
}

// hostile are datagrams that must go nowhere, with the reason under which they are counted.
var hostile = []struct {
	name     string
	datagram []byte
	reason   dropReason
}{
	{"an empty datagram", nil, dropShort},
	{"half a header", []byte{0x6f, 0x6d, 1}, dropShort},
	{"bare WireGuard", append([]byte{4, 0, 0, 0}, make([]byte, 28)...), dropMagic},
	{"an unknown kind", []byte{0x6f, 0x7a, 1, 0, 0, 0, 0, 0}, dropMagic},
	{"a fragment", []byte{0x6f, 0x66, 1, 0, 0, 0, 0, 0}, dropReserved},
	{"a control frame of another version", []byte{0x6f, 0x6d, 2, 8, 0, 0, 0, 0, 0, 0, 0, 0}, dropVersion},
	{"a tunnel frame of another version", []byte{0x6f, 0x74, 0, 0, 0, 0, 0, 0}, dropVersion},
	{"a control frame of an unknown type", []byte{0x6f, 0x6d, 1, 5, 0, 0, 0, 0, 0, 0, 0, 0}, dropType},
	{"a control frame that ends early", []byte{0x6f, 0x6d, 1, 8, 0, 0, 0, 0, 0, 0, 0}, dropShort},
	{"a tunnel frame with flags", []byte{0x6f, 0x74, 1, 1, 0, 0, 0, 1}, dropType},
	{"a tunnel frame that ends early", tunnelFrame(1, wireguardMin-1), dropShort},
	{"a tunnel frame for nobody", tunnelFrame(1, wireguardMin), dropNoTunnel},
	{"a relay frame of an unknown direction", relayFrame(2, 1, tunnelFrame(1, 32)), dropType},
	{"a relay frame without an inner frame", relayFrame(toRelay, 1, []byte{0x6f, 0x74, 1}), dropShort},
	{"a relay frame in a relay frame", relayFrame(toRelay, 1, relayFrame(toRelay, 1, control("x"))), dropNested},
	{"a relay frame in a relay frame to a client", relayFrame(fromRelay, 1, relayFrame(fromRelay, 1, control("x"))), dropNested},
	{"a relay frame around bare WireGuard", relayFrame(toRelay, 1, make([]byte, 32)), dropNested},
	{"a relay frame for an unknown session", relayFrame(toRelay, 1, tunnelFrame(1, 32)), dropNoSession},
	{"a relayed tunnel frame for nobody", relayFrame(fromRelay, 1, tunnelFrame(1, 32)), dropNoTunnel},
	{"a relayed control frame of another version", relayFrame(fromRelay, 1, []byte{0x6f, 0x6d, 2, 8, 0, 0, 0, 0}), dropVersion},
	{"a datagram larger than any of ours", append(control("x"), make([]byte, datagramBytesMax)...), dropOversize},
}

func TestHostileDatagramsAreDroppedAndCountedByReason(t *testing.T) {
	for _, c := range hostile {
		t.Run(c.name, func(t *testing.T) {
			n := openTest(t)
			n.from(stranger(t), c.datagram)
			n.dropped(c.reason, 1)
			n.pump(0)
			if len(n.mail) > 0 || len(n.events) > 0 {
				t.Fatalf("it reached TypeScript: %v %v", n.mail, n.events)
			}
		})
	}
}

func FuzzParseFrame(f *testing.F) {
	for _, c := range hostile {
		f.Add(c.datagram)
	}
	f.Add(control("hello"))
	f.Add(datagramFor(5, "of a session"))
	f.Add(datagramFor(6, "of none"))
	f.Add(tunnelFrame(7, 64))
	f.Add(relayFrame(fromRelay, 7, tunnelFrame(7, 64)))
	f.Fuzz(func(t *testing.T, datagram []byte) {
		before := bytes.Clone(datagram)
		parsed, reason := parseFrame(datagram)
		if !bytes.Equal(before, datagram) {
			t.Fatal("the parser changed the datagram")
		}
		if reason != dropNone {
			return
		}
		if len(parsed.payload) == 0 || !bytes.HasSuffix(datagram, parsed.payload) {
			t.Fatal("the payload is not the end of the datagram")
		}
		if parsed.kind == kindRelay {
			if inner, reason := parseFrame(parsed.payload); reason == dropNone && inner.kind == kindRelay {
				t.Fatal("a relay frame holds a relay frame")
			}
		}
	})
}

func FuzzParsePath(f *testing.F) {
	for _, text := range []string{"1.2.3.4:5", "[::1]:9", "[::ffff:1.2.3.4]:5", "1.2.3.4:5#0000002a", "[fe80::1%2]:9", "x"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		one, err := parsePath(text)
		if err != nil {
			return
		}
		again, err := parsePath(one.String())
		if err != nil || again != one || string(one.appendTo(nil)) != one.String() {
			t.Fatalf("%q is %v, which is read as %v, %v", text, one, again, err)
		}
	})
}

// sinkEnd is an inside that only counts.
type sinkEnd struct{ datagrams int }

func (s *sinkEnd) start() *opError            { return nil }
func (s *sinkEnd) deliver(datagrams [][]byte) { s.datagrams += len(datagrams) }
func (s *sinkEnd) close()                     {}

func FuzzDispatch(f *testing.F) {
	for _, c := range hostile {
		f.Add(c.datagram)
	}
	f.Add(control("hello"))
	f.Add(datagramFor(5, "of a session"))
	f.Add(datagramFor(6, "of none"))
	f.Add(tunnelFrame(7, 64))
	f.Add(relayFrame(toRelay, 42, tunnelFrame(7, 64)))
	f.Add(relayFrame(fromRelay, 42, control("hello")))
	f.Fuzz(func(t *testing.T, datagram []byte) {
		n := newNode(&sockets{})
		from, other := mustAddr(t, "192.0.2.1:1"), mustAddr(t, "192.0.2.2:2")
		n.relay.sessions[42] = &relaySession{a: relayEnd{addr: from}, b: relayEnd{addr: other}}
		p := &peer{node: n}
		p.routes.Store(&routes{accept: []*pathState{{path: path{addr: from}}}})
		n.receivers[5] = struct{}{}
		end := &sinkEnd{}
		n.tunnels[7] = &tunnel{node: n, id: 7, peer: p, inside: end}
		d := &demux{node: n, out: outbox{node: n}, at: now()}
		reason := d.dispatch(bytes.Clone(datagram), hop{remote: from})
		d.endRun()
		if went := end.datagrams + n.mail.strangers.count + n.mail.sessions.count + d.out.v4.count; (reason == dropNone) != (went == 1) {
			t.Fatalf("the reason is %s, and it went %d ways", dropNames[reason], went)
		}
		for _, out := range d.out.v4.batch[:d.out.v4.count] {
			if out.to.remote != other || len(out.payload) != len(datagram) || out.payload[3] != fromRelay {
				t.Fatalf("forwarded to %v: %x", out.to, out.payload)
			}
		}
	})
}

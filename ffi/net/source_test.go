package main

import (
	"bytes"
	"net"
	"net/netip"
	"testing"
	"time"
)

// On loopback every 127.x.y.z is a local address, and the kernel leaves from 127.0.0.1.

func (n *testNode) second() netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.2"), n.sockets.port)
}

// cameFrom is the address that the next datagram comes from.
func cameFrom(t *testing.T, conn *net.UDPConn) (netip.AddrPort, []byte) {
	t.Helper()
	data := make([]byte, 4096)
	conn.SetReadDeadline(time.Now().Add(waitMax))
	n, from, err := conn.ReadFromUDPAddrPort(data)
	if err != nil {
		t.Fatal(err)
	}
	return netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), data[:n]
}

func (n *testNode) fromTo(conn *net.UDPConn, to netip.AddrPort, datagram []byte) {
	n.t.Helper()
	if _, err := conn.WriteToUDPAddrPort(datagram, to); err != nil {
		n.t.Fatal(err)
	}
}

func (n *testNode) mustComeFrom(conn *net.UDPConn, want netip.AddrPort) {
	n.t.Helper()
	if got, data := cameFrom(n.t, conn); got != want {
		n.t.Fatalf("%q came from %s, want %s", data, got, want)
	}
}

func (n *testNode) first() netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), n.sockets.port)
}

func TestADatagramSaysAtWhichAddressItCameAndItsAnswerLeavesFromThere(t *testing.T) {
	n, conn := openTest(t), stranger(t)
	peer := conn.LocalAddr().String()
	n.fromTo(conn, n.second(), control("hello"))
	got := n.datagram()
	if want := n.second().Addr().AsSlice(); !bytes.Equal(got.local, want) {
		t.Fatal(got)
	}
	n.send(recordFrom(got.local, peer, 0, control("answer")))
	n.mustComeFrom(conn, n.second())
	n.send(recordFrom(got.local, peer, 9, control("with a time to live")))
	n.mustComeFrom(conn, n.second())
	n.send(record(peer, 0, control("of our own accord")))
	n.mustComeFrom(conn, n.first()) // a stranger's word moves nothing else
}

func TestWhatIsSentToASessionLeavesFromWhereItReachedUs(t *testing.T) {
	n, conn := openTest(t), stranger(t)
	peer := conn.LocalAddr().String()
	n.must("session.set", map[string]any{"add": []uint32{5}})
	n.fromTo(conn, n.second(), datagramFor(5, "before the path has a peer"))
	n.datagram()
	n.send(record(peer, 0, control("x")))
	n.mustComeFrom(conn, n.second())
	n.must("peer.set", map[string]any{"peer": "p", "active": peer})
	n.send(record(peer, 0, control("x")))
	n.mustComeFrom(conn, n.second())
	n.fromTo(conn, n.first(), datagramFor(5, "from elsewhere"))
	got := n.datagram()
	n.send(recordFrom(got.local, peer, 0, nil)) // it was authentic
	n.send(record(peer, 0, control("x")))
	n.mustComeFrom(conn, n.first())
}

// Whoever has a session knows a number, and may forge the address of another peer.
func TestWhatMayBeForgedDoesNotChangeFromWhereWeLeave(t *testing.T) {
	n, conn := openTest(t), stranger(t)
	peer := conn.LocalAddr().String()
	n.must("session.set", map[string]any{"add": []uint32{5, 6}})
	for _, path := range []bool{false, true} {
		if path {
			n.must("peer.set", map[string]any{"peer": "p", "active": peer})
		}
		n.fromTo(conn, n.first(), datagramFor(5, "of the peer"))
		n.send(recordFrom(n.datagram().local, peer, 0, nil))
		n.fromTo(conn, n.second(), datagramFor(6, "of another, with the peer's address"))
		n.datagram()
		n.send(record(peer, 0, control("x")))
		n.mustComeFrom(conn, n.first())
	}
}

func TestWhatIsAuthenticPutsRightWhatWasForgedBefore(t *testing.T) {
	for _, path := range []bool{false, true} {
		n, conn := openTest(t), stranger(t)
		peer := conn.LocalAddr().String()
		n.must("session.set", map[string]any{"add": []uint32{5, 6}})
		n.fromTo(conn, n.second(), datagramFor(6, "of another, with the peer's address"))
		n.datagram()
		if path {
			n.must("peer.set", map[string]any{"peer": "p", "active": peer})
		}
		n.fromTo(conn, n.first(), datagramFor(5, "of the peer"))
		n.send(recordFrom(n.datagram().local, peer, 0, nil))
		n.send(record(peer, 0, control("x")))
		n.mustComeFrom(conn, n.first())
	}
}

func TestATunnelAnswersFromTheAddressAtWhichItWasReached(t *testing.T) {
	renter, provider := openTest(t), openTest(t)
	r := rent(t, renter, provider, provider.second().String(), renter.address())
	// The renter takes frames from the second address only: any other answer is lost.
	go echo(r.listen(7))
	exchange(t, r.stream(7), "hello")
}

func TestARelayForwardsFromTheAddressThatEachEndKnows(t *testing.T) {
	relay, a, b := relayed(t, 42)
	frame := relayFrame(toRelay, 42, control("x"))
	relay.fromTo(a, relay.second(), frame)
	relay.mustComeFrom(b, relay.first())
	relay.fromTo(b, relay.first(), frame)
	relay.mustComeFrom(a, relay.second())
	for range 3 { // as one buffer, too
		relay.fromTo(b, relay.first(), relayFrame(toRelay, 42, tunnelFrame(1, 100)))
	}
	for range 3 {
		relay.mustComeFrom(a, relay.second())
	}
}

func TestAnAddressThatIsGoneIsNotLeftFrom(t *testing.T) {
	n, conn := openTest(t), stranger(t)
	to := mustAddr(t, conn.LocalAddr().String())
	gone := &source{}
	gone.known.Store(&knownSource{netip.MustParseAddr("192.0.2.77"), true})
	box := &outbox{node: n.node}
	for range 3 {
		box.slotFrom(to, gone).payload = control("still")
	}
	box.slotFrom(to, gone).payload = control("longer than these are")
	box.flush()
	for range 4 {
		n.mustComeFrom(conn, n.first())
	}
	if gone.known.Load() != nil || n.drops[dropSendFailed].Load() != 0 {
		t.Fatal(gone.known.Load(), n.drops.document())
	}
}

func TestOnlyAnAddressThatTheKernelWouldNotChooseIsHeldOnTo(t *testing.T) {
	var s source
	remote := netip.MustParseAddrPort("127.0.0.1:9")
	s.learn(remote, netip.MustParseAddr("127.0.0.1"))
	if s.local().IsValid() {
		t.Fatal("the kernel's own choice is pinned")
	}
	s.learn(remote, netip.MustParseAddr("127.0.0.3"))
	if s.local() != netip.MustParseAddr("127.0.0.3") {
		t.Fatal(s.local())
	}
}

// A doubt is usual, after the last acknowledgement of every burst: its ping must leave from where the peer
// knows us. A death is not.
func TestOnlyADeadPathIsFreeToLeaveFromElsewhere(t *testing.T) {
	n := openTest(t)
	p, dead := judgedPeer(t, n, 20, 60_000)
	state := p.routes.Load().active
	state.source.learn(mustAddr(t, dead), netip.MustParseAddr("127.0.0.2"))
	p.sent(p.routes.Load(), now())
	n.event("path-doubt")
	if !state.source.local().IsValid() {
		t.Fatal("a path in doubt may leave from elsewhere")
	}
	p.armed.Store(true)
	begin := instant(p.first.Load())
	p.sent(p.routes.Load(), begin+30*ms)
	p.verdict(p.routes.Load(), begin+120_000*ms)
	n.event("path-dead")
	if state.source.local().IsValid() {
		t.Fatal("a dead path is held to its address")
	}
}

func TestTheSourcesOfStrangersAreBounded(t *testing.T) {
	var s sources
	local := netip.MustParseAddr("127.0.0.1")
	for i := range 3 * sourcesMax {
		remote := netip.AddrPortFrom(local, uint16(i+1))
		s.at(remote).learn(remote, local)
	}
	if len(s.young)+len(s.old) > 2*sourcesMax {
		t.Fatal(len(s.young), len(s.old))
	}
	if s.of(netip.AddrPortFrom(local, uint16(3*sourcesMax))) == nil {
		t.Fatal("the newest is forgotten")
	}
}

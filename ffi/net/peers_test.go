package main

import (
	"io"
	"net/netip"
	"testing"
	"time"
)

// silent is the address of a socket that never answers.
func silent(t *testing.T) string {
	t.Helper()
	return stranger(t).LocalAddr().String()
}

func TestADeadPathIsLeftForTheStandbyWithoutJavaScript(t *testing.T) {
	r := rentDirect(t)
	go echo(r.listen(7))
	conn := r.stream(7)
	exchange(t, conn, "before")
	dead := silent(t)
	r.renter.must("peer.set", map[string]any{
		"peer": "provider", "active": dead, "standby": r.provider.address(), "doubtMs": 20, "deadMs": 50,
	})
	if _, err := io.WriteString(conn, "after"); err != nil { // TCP's own retry is the second frame
		t.Fatal(err)
	}
	if doubt := r.renter.event("path-doubt"); doubt["path"] != dead || doubt["peer"] != "provider" {
		t.Fatal(doubt)
	}
	event := r.renter.event("path-dead")
	if event["path"] != dead || event["to"] != r.provider.address() || event["peer"] != "provider" {
		t.Fatal(event)
	}
	back := make([]byte, len("after"))
	if _, err := io.ReadFull(conn, back); err != nil || string(back) != "after" {
		t.Fatalf("%q %v", back, err)
	}
}

func TestAnUnansweredPingOnASilentPathIsEnoughOfASecondFrame(t *testing.T) {
	n := openTest(t)
	p, dead := judgedPeer(t, n, 20, 50)
	p.sent(p.routes.Load(), now())
	n.event("path-doubt")
	n.send(record(dead, 0, control("ping")))
	n.event("path-dead")
}

// judgedPeer is a peer whose active path is silent.
func judgedPeer(t *testing.T, n *testNode, doubtMs, deadMs int) (*peer, string) {
	t.Helper()
	dead := silent(t)
	n.must("peer.set", map[string]any{
		"peer": "p", "active": dead, "standby": silent(t), "doubtMs": doubtMs, "deadMs": deadMs,
	})
	return n.peers["p"], dead
}

// The verdict is tested with times of its own.
const ms = instant(time.Millisecond)

func TestTheVerdictOnAPath(t *testing.T) {
	const doubt, dead = 200, 500
	type step struct {
		at   instant // of a tunnel frame sent
		ping instant // of a control frame sent
		seen instant // of anything received
	}
	for _, c := range []struct {
		name  string
		steps []step
		look  instant
		died  bool
		asked bool
	}{
		{"one unanswered frame is no proof", []step{{at: 1000}}, 60_000, false, true},
		{"a second one soon after is the same burst", []step{{at: 1000}, {at: 1100}}, 1600, false, true},
		{"a second one after the doubt is proof in time", []step{{at: 1000}, {at: 1250}}, 1550, true, true},
		{"the second one must be silent for a while", []step{{at: 1000}, {at: 60_000}}, 60_200, false, true},
		{"and then it is proof", []step{{at: 1000}, {at: 60_000}}, 60_300, true, true},
		{"a ping is a second frame", []step{{at: 1000}, {ping: 1210}}, 1510, true, true},
		{"a ping before the doubt is not", []step{{at: 1000}, {ping: 1010}}, 1600, false, true},
		{"anything received ends the silence", []step{{at: 1000}, {at: 1250}, {seen: 1400}}, 1700, false, false},
		{"what was received before does not", []step{{seen: 900}, {at: 1000}, {at: 1250}}, 1600, true, true},
		{"before the doubt nothing is asked", []step{{at: 1000}}, 1100, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := openTest(t)
			p, _ := judgedPeer(t, n, doubt, dead)
			p.armed.Store(true) // no timer: this test is the timer
			r := p.routes.Load()
			base := now()
			for _, s := range c.steps {
				switch {
				case s.at > 0:
					p.sent(r, base+s.at*ms)
				case s.ping > 0:
					r.active.controlsSent.Store(int64(base + s.ping*ms))
				default:
					r.active.received.Store(int64(base + s.seen*ms))
				}
			}
			p.verdict(r, base+c.look*ms)
			n.pump(0)
			died, asked := false, false
			for _, event := range n.events {
				died = died || event["type"] == "path-dead"
				asked = asked || event["type"] == "path-doubt"
			}
			if died != c.died || asked != c.asked {
				t.Fatal(n.events)
			}
		})
	}
}

func TestWithoutADoubtOneUnansweredFrameIsEnough(t *testing.T) {
	n := openTest(t)
	p, _ := judgedPeer(t, n, 0, 30)
	p.sent(p.routes.Load(), now())
	n.event("path-dead")
}

// G7: the standby is judged by what is sent on it, not by the silence of the one before.
func TestThePathAfterADeadOneIsJudgedAnew(t *testing.T) {
	n := openTest(t)
	p, _ := judgedPeer(t, n, 200, 500)
	p.armed.Store(true) // no timer: this test is the timer
	base := now()
	p.sent(p.routes.Load(), base)
	p.sent(p.routes.Load(), base+250*ms)
	p.verdict(p.routes.Load(), base+600*ms)
	next := p.routes.Load()
	if next.standby != nil {
		t.Fatal("the tunnels stayed on the dead path")
	}
	n.event("path-doubt")
	n.event("path-dead")
	if p.first.Load() != 0 || p.second.Load() != 0 {
		t.Fatal("the dead path's silence is held against the next one")
	}
	p.sent(next, base+601*ms)
	p.verdict(next, base+700*ms)
	if n.pump(0); len(n.events) > 0 {
		t.Fatal("the next path is doubted at once: ", n.events)
	}
}

func TestADatagramThatCameEarlyReachesNobodyElsesTunnel(t *testing.T) {
	n := openTest(t)
	ends := map[string]*sinkEnd{"one": {}, "two": {}}
	from := stranger(t)
	for id, peer := range map[uint32]string{1: "one", 2: "two"} {
		tunnel := &tunnel{node: n.node, id: id, inside: ends[peer]}
		n.tables.Lock()
		tunnel.peer, _ = n.peerFor(peer)
		tunnel.peer.ties++
		n.tunnels[id] = tunnel
		n.tables.Unlock()
		n.from(from, tunnelFrame(id, 64))
	}
	n.dropped(dropForeignPath, 2)
	n.must("peer.set", map[string]any{"peer": "one", "active": from.LocalAddr().String()})
	if ends["one"].datagrams != 1 || ends["two"].datagrams != 0 {
		t.Fatalf("one got %d, two got %d", ends["one"].datagrams, ends["two"].datagrams)
	}
}

func TestKeepalivesExpectNoAnswer(t *testing.T) {
	r := rentDirect(t)
	r.renter.event("tunnel-up")
	tunnel, _ := r.renter.tunnel(renterTunnel)
	p := tunnel.peer
	r.renter.must("peer.set", map[string]any{
		"peer": "provider", "active": silent(t), "standby": r.provider.address(), "doubtMs": 20, "deadMs": 50,
	})
	tunnel.transmit([][]byte{make([]byte, wireguardMin)})
	if p.first.Load() != 0 {
		t.Fatal("a keepalive is judged")
	}
	tunnel.transmit([][]byte{make([]byte, wireguardMin+16)})
	if p.first.Load() == 0 {
		t.Fatal("data is not judged")
	}
}

func TestWithoutAStandbyAPathIsNeverLeft(t *testing.T) {
	n := openTest(t)
	n.must("peer.set", map[string]any{"peer": "p", "active": silent(t), "doubtMs": 0, "deadMs": 10})
	p := n.peers["p"]
	p.armed.Store(true)
	r := p.routes.Load()
	p.sent(r, 1000*ms)
	p.verdict(r, 2000*ms)
	if p.routes.Load() != r {
		t.Fatal("the path changed")
	}
}

// A first WireGuard message that overtakes the proof of its path is not lost.
func TestADatagramThatCameBeforeItsPathWasProvenIsDeliveredThen(t *testing.T) {
	var e early
	from := path{addr: netip.MustParseAddrPort("192.0.2.1:1")}
	other := path{addr: netip.MustParseAddrPort("192.0.2.2:2")}
	at := now()
	e.keep(other, []byte("other"), at)
	for i := range earlyMax {
		e.keep(from, []byte{byte(i)}, at)
	}
	proven := &routes{accept: []*pathState{{path: from}}}
	if got := e.take(&routes{}, at); len(got) != 0 {
		t.Fatalf("delivered %d datagrams of paths that nobody proved", len(got))
	}
	if got := e.take(proven, at); len(got) != earlyMax || got[0][0] != 0 {
		t.Fatalf("delivered %v, want the newest %d in order", got, earlyMax)
	}
	e.keep(from, []byte("late"), at)
	if got := e.take(proven, at+instant(2*earlyPatience)); len(got) != 0 || len(e.kept) != 0 {
		t.Fatalf("delivered %v after its time, kept %d", got, len(e.kept))
	}
}

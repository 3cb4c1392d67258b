package main

import (
	"fmt"
	"testing"
)

func from(one path) arrival { return arrival{path: one} }

// anySource is the i-th of sources that have nothing to do with each other.
func anySource(t *testing.T, i int) arrival {
	return from(path{addr: mustAddr(t, fmt.Sprintf("10.%d.%d.1:1", i>>8&255, i&255))})
}

func TestTheMailboxIsBounded(t *testing.T) {
	var drops dropCounters
	m := newMailbox(&drops)
	for i := range strangerPlaces.count + 5 {
		m.control(anySource(t, i), 0, []byte{byte(i)})
	}
	for i := range sessionPlaces.count + 7 {
		m.control(anySource(t, 0), uint32(i+1), []byte{byte(i)})
	}
	for range eventQueueMax + 3 {
		m.event("x", nil, nil)
	}
	if drops[dropControlQueue].Load() != 5+7 || drops[dropEventQueue].Load() != 3 {
		t.Fatal(drops.document())
	}
	big := make([]byte, datagramBytesMax)
	m = newMailbox(&drops)
	for i := range strangerPlaces.count {
		m.control(anySource(t, i), 0, big)
	}
	if m.strangers.bytes > strangerPlaces.bytes || m.strangers.count < strangerPlaces.bytes/(datagramBytesMax+100) {
		t.Fatal(m.strangers.count, m.strangers.bytes)
	}
}

func TestOneSourcePrefixTakesAPartOfTheMailboxOnly(t *testing.T) {
	var drops dropCounters
	m := newMailbox(&drops)
	for i := range 10 * strangerPlaces.share {
		m.control(from(path{addr: mustAddr(t, fmt.Sprintf("192.0.2.%d:%d", i&255, i+1))}), 0, []byte{1})
		m.control(from(path{addr: mustAddr(t, fmt.Sprintf("[2001:db8::%x]:1", i))}), 0, []byte{1})
	}
	if got, want := m.strangers.count, 2*strangerPlaces.share; got != want || drops[dropControlShare].Load() == 0 {
		t.Fatalf("%d wait, want %d; %v", got, want, drops.document())
	}
	m.control(from(path{addr: mustAddr(t, "198.51.100.1:1")}), 0, []byte{2})
	if m.strangers.count != 2*strangerPlaces.share+1 {
		t.Fatal("another source finds no room")
	}
	for m.strangers.count > 0 {
		m.poll(make([]byte, 4096), 0)
	}
	if len(m.strangers.queues) != 0 || len(m.strangers.turns) != 0 || m.strangers.bytes != 0 {
		t.Fatalf("an empty mailbox remembers %+v", m.strangers)
	}
}

func TestThoseWhoComeThroughOneRelayDoNotShareTheirPlaces(t *testing.T) {
	var drops dropCounters
	m := newMailbox(&drops)
	relay := mustAddr(t, "192.0.2.1:9000")
	for range 2 * strangerPlaces.share {
		m.control(from(path{addr: relay, session: 1, relayed: true}), 0, []byte{1})
	}
	m.control(from(path{addr: relay, session: 2, relayed: true}), 0, []byte{2})
	m.control(from(path{addr: relay}), 0, []byte{3})
	if m.strangers.count != strangerPlaces.share+2 {
		t.Fatal(m.strangers.count)
	}
}

func TestWhoHasMostGivesWayWhenAllPlacesAreTaken(t *testing.T) {
	var drops dropCounters
	m := newMailbox(&drops)
	for i := range strangerPlaces.count {
		m.control(from(path{addr: mustAddr(t, "192.0.2.1:9000"), session: uint32(i % 6), relayed: true}), 0, []byte{1})
	}
	for i := range 50 {
		m.control(anySource(t, i), 0, []byte{2})
	}
	if len(m.strangers.queues) != 56 || m.strangers.count > strangerPlaces.count {
		t.Fatalf("%d senders found a place, %d wait", len(m.strangers.queues), m.strangers.count)
	}
}

// A flood of strangers takes no place and few turns of a session; sessions do not silence strangers.
func TestSessionsAndStrangersBothGetTheirTurns(t *testing.T) {
	var drops dropCounters
	m := newMailbox(&drops)
	for i := range 2 * strangerPlaces.count {
		m.control(anySource(t, i), 0, []byte{0})
	}
	for i := range 300 {
		m.control(anySource(t, 0), uint32(1+i%3), []byte{1})
	}
	n := &testNode{node: &node{mail: m}, t: t}
	n.pump(0)
	turns := map[byte]int{}
	for _, one := range n.mail[:200] {
		turns[one.data[0]]++
	}
	if turns[1] != 150 || turns[0] != 50 {
		t.Fatalf("of the first 200 turns sessions had %d, strangers %d", turns[1], turns[0])
	}
}

func TestTheNewestStateIsToldHoweverManyChangesWait(t *testing.T) {
	n := openTest(t)
	for i := range 2 * eventQueueMax {
		n.node.mail.event("stream", uint32(7), map[string]any{"tunnel": 7, "open": i})
	}
	p, _ := judgedPeer(t, n, 0, 10)
	p.sent(p.routes.Load(), now())
	n.event("path-dead")
	if last := n.event("stream"); last["open"] != float64(2*eventQueueMax-1) || len(n.events) > 0 {
		t.Fatal(last, n.events)
	}
	if n.drops[dropEventQueue].Load() != 0 {
		t.Fatal(n.drops.document())
	}
}

func TestFramesForSessionsThatThereAreNotNeverReachTypeScript(t *testing.T) {
	n, conn := openTest(t), stranger(t)
	n.must("session.set", map[string]any{"add": []uint32{5, 6}})
	n.must("session.set", map[string]any{"remove": []uint32{6, 7}})
	n.from(conn, datagramFor(6, "ended"))
	n.from(conn, relayFrame(fromRelay, 9, datagramFor(8, "never was")))
	for _, kind := range []byte{controlReply, controlFinish, controlRefusal} {
		frame := datagramFor(8, "no such handshake")
		frame[3] = kind
		n.from(conn, frame)
	}
	n.dropped(dropNoReceiver, 5)
	n.from(conn, datagramFor(5, "hello"))
	if got := n.datagram(); string(got.data) != string(datagramFor(5, "hello")) {
		t.Fatalf("%q", got.data)
	}
	refusal := datagramFor(5, "refused")
	refusal[3] = controlRefusal
	n.from(conn, refusal)
	if got := n.datagram(); got.data[3] != controlRefusal {
		t.Fatalf("%q", got.data)
	}
}

func TestTheSessionsThatAreToldAreBounded(t *testing.T) {
	n := openTest(t)
	for id := range uint32(receiversMax) {
		n.receivers[id] = struct{}{}
	}
	one := map[string]any{"add": []uint32{receiversMax + 1}}
	if answer := n.run("session.set", one); answer["code"] != "refused" {
		t.Fatal(answer)
	}
	one["remove"] = []uint32{7}
	n.must("session.set", one) // in place of one that ended
}

// Garbage from the address of a dead path is no life; what TypeScript found authentic is.
func TestOnlyWhatIsAuthenticKeepsAPathAlive(t *testing.T) {
	n, conn := openTest(t), stranger(t)
	path := conn.LocalAddr().String()
	n.must("session.set", map[string]any{"add": []uint32{5}})
	n.must("peer.set", map[string]any{"peer": "p", "active": path, "standby": silent(t), "doubtMs": 60_000, "deadMs": 60_000})
	p := n.peers["p"]
	r := p.routes.Load()
	p.sent(r, now())
	n.from(conn, datagramFor(5, "garbage"))
	n.from(conn, control("garbage"))
	n.datagram()
	n.datagram()
	if r.active.received.Load() != 0 {
		t.Fatal("garbage counts as life")
	}
	n.send(record(path, 0, nil)) // TypeScript says that something was authentic
	if r.active.received.Load() < p.first.Load() {
		t.Fatal("what was authentic does not count as life")
	}
}

func TestTunnelFramesKeepTheirPathAlive(t *testing.T) {
	r := rentDirect(t)
	go echo(r.listen(7))
	conn := r.stream(7)
	exchange(t, conn, "hello")
	tunnel, _ := r.renter.tunnel(renterTunnel)
	active := tunnel.peer.routes.Load().active
	active.received.Store(0)
	exchange(t, conn, "hello")
	if active.received.Load() == 0 {
		t.Fatal("what came on the path was not noted")
	}
}

package main

import (
	"net"
	"strings"
	"testing"
	"time"
)

func newFlows() *flows { return &flows{ports: map[uint16]*flow{}} }

func TestAFlowEndsOnceAndNeverAnotherOnesPort(t *testing.T) {
	f := newFlows()
	first, _ := f.begin()
	f.end(first)
	first.ends = 1 // its grace is over
	if again, _ := f.begin(); again.port == first.port || f.of(first.port, now()) != nil {
		t.Fatal("the port of a flow whose grace is over is still let in")
	}
	second := &flow{port: first.port}
	f.ports[first.port] = second // the port is taken again
	f.end(first)                 // by a reader that was slow to leave
	if f.of(first.port, now()+2*instant(flowGrace)) != second {
		t.Fatal("the end of an old flow shut the door of a new one")
	}
}

func TestClosedFlowsGiveWayBeforeANewOneIsRefused(t *testing.T) {
	f := newFlows()
	oldest, _ := f.begin()
	f.end(oldest)
	for range flowsMax - 1 {
		f.begin()
	}
	newest, ok := f.begin()
	if !ok || f.ports[oldest.port] == oldest {
		t.Fatal("a closed flow kept a new one out")
	}
	if _, ok := f.begin(); ok {
		t.Fatal("an open flow gave way")
	}
	f.end(newest)
	if _, ok := f.begin(); !ok {
		t.Fatal("a closed flow kept a new one out")
	}
}

// More short streams than the table holds, within the grace of the first.
func TestManyShortStreamsAreNotRefused(t *testing.T) {
	r := rentDirect(t)
	go banner(r.listen(7), "x")
	r.renter.event("tunnel-up")
	end, _ := r.renter.device(renterTunnel)
	for i := range flowsMax + 100 {
		stream, err := end.net.dial(end.ctx, 7)
		if err != nil {
			t.Fatalf("stream %d: %s", i, err)
		}
		stream.Close()
	}
}

// The guest floods a stream and resets it while the local reader stands still; another stream reaps the
// port; the reader leaves.
func TestAGuestThatResetsAStreamWhoseReaderIsSlowHarmsNobody(t *testing.T) {
	r := rentDirect(t)
	flood := r.listen(7)
	go echo(r.listen(8))
	reset := make(chan struct{})
	go func() {
		defer close(reset)
		conn, err := flood.Accept()
		if err != nil {
			return
		}
		conn.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
		conn.Write(make([]byte, 32<<20)) // more than is taken; what the client writes stays unread
		conn.Close()
	}()
	conn := r.stream(7)
	conn.SetWriteDeadline(time.Now().Add(waitMax))
	end, _ := r.renter.device(renterTunnel)
	flows := &end.net.link.flows
	ended := func() bool {
		conn.Write(make([]byte, 1024))
		flows.mu.Lock()
		defer flows.mu.Unlock()
		return len(flows.ending) > 0
	}
	conn.Write(make([]byte, 1024))
	<-reset
	eventually(t, ended, func() string { return "the flow did not end" })
	flows.mu.Lock()
	flows.ending[0].ends = 1 // its grace is over
	flows.mu.Unlock()
	exchange(t, r.stream(8), "another stream")
	conn.Close()
	eventually(t, func() bool { return end.streams.Load() == 1 }, func() string { return "the stream did not end" })
	exchange(t, r.stream(8), "and another")
	if defects := r.renter.defects.Load(); defects != 0 {
		t.Fatalf("%d defects", defects)
	}
}

func TestADefectEndsItsStreamAndNothingElse(t *testing.T) {
	r := rentDirect(t)
	go echo(r.listen(7))
	healthy := r.stream(7)
	local, remote := net.Pipe()
	defer local.Close()
	end, _ := r.renter.device(renterTunnel)
	done := make(chan bool)
	go func() {
		done <- r.renter.shelter("a stream", func() {
			_ = end.stream(end.ctx, brokenConn{remote}, 7, func() error { return nil })
		})
	}()
	event := r.renter.event("defect")
	if event["message"] != "broken" || !strings.Contains(event["stack"].(string), "brokenConn") {
		t.Fatal(event)
	}
	<-done
	local.SetReadDeadline(time.Now().Add(waitMax))
	if _, err := local.Read(make([]byte, 1)); err == nil {
		t.Fatal("the stream goes on")
	}
	exchange(t, healthy, "the other one lives")
	if r.renter.defects.Load() == 0 {
		t.Fatal("no defect was counted")
	}
}

// brokenConn is an end of a stream that panics.
type brokenConn struct{ net.Conn }

func (c brokenConn) Read([]byte) (int, error) { panic("broken") }
func (c brokenConn) CloseWrite() error        { return nil }

func TestADefectInACommandOrATimerOrABatchIsAnEvent(t *testing.T) {
	n := openTest(t)
	operations["test.panic"] = takes(func(*node, none) (map[string]any, *opError) { panic("of a command") })
	defer delete(operations, "test.panic")
	if answer := n.run("test.panic", nil); answer["ok"] != false || answer["code"] != "internal" {
		t.Fatal(answer)
	}
	if event := n.event("defect"); event["where"] != "a command" {
		t.Fatal(event)
	}
	conn := stranger(t)
	n.tables.Lock()
	n.tunnels[5] = &tunnel{node: n.node, id: 5} // without a peer: who looks at it panics
	n.tables.Unlock()
	n.defectTold.Store(0)
	n.from(conn, tunnelFrame(5, 64))
	if event := n.event("defect"); event["where"] != "receiving" {
		t.Fatal(event)
	}
	n.tables.Lock()
	delete(n.tunnels, 5)
	n.tables.Unlock()
	n.from(conn, control("after")) // receiving goes on, and no lock is held
	n.datagram()
}

// Ended twice, its port would be taken from the one that has it by then.
func TestAFlowEndsOnce(t *testing.T) {
	f := flows{ports: map[uint16]*flow{}}
	ended, _ := f.begin()
	f.end(ended)
	ends := ended.ends
	f.end(ended)
	if len(f.ending) != 1 || ended.ends != ends {
		t.Fatal(len(f.ending), ended.ends-ends)
	}
}

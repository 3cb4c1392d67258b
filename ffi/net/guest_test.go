package main

import (
	"net"
	"path/filepath"
	"testing"
	"time"
)

func TestTheEndOfTheHelpersSocketIsAnEvent(t *testing.T) {
	r := rentDirect(t)
	r.renter.event("tunnel-up")
	r.guest.Detach()
	if gone := r.provider.event("guest-gone"); gone["tunnel"] != float64(guestTunnel) {
		t.Fatal(gone)
	}
}

func TestTheTunnelsAttachmentCanBeMadeAnew(t *testing.T) {
	r := rentDirect(t)
	r.renter.event("tunnel-up")
	r.provider.must("tunnel.close", map[string]any{"tunnel": guestTunnel})
	r.provider.attach(r.control)
	r.renter.must("tunnel.ping", map[string]any{"tunnel": renterTunnel, "probe": 1, "timeoutMs": 5000})
	if ping := r.renter.event("probe-done"); ping["ok"] != true {
		t.Fatal(ping)
	}
	if len(r.provider.events) > 0 {
		t.Fatal("closing on purpose is no event: ", r.provider.events)
	}
}

func TestAGuestWhoseHelperIsNotThereIsToldOf(t *testing.T) {
	n := openTest(t)
	n.must("tunnel.open", map[string]any{"tunnel": 1, "peer": "p", "mode": "guest", "control": "/nowhere"})
	if attached := n.event("guest-attached"); attached["ok"] != false || attached["code"] != "vm-failed" {
		t.Fatal(attached)
	}
	if stats := n.must("stats", nil); stats["tunnels"] != 0.0 || stats["peers"] != 0.0 {
		t.Fatal(stats)
	}
}

// slowHelper takes a connection on its control socket and says nothing.
func slowHelper(t *testing.T) (control string, asked <-chan net.Conn) {
	t.Helper()
	control = filepath.Join(t.TempDir(), "c")
	listener, err := net.Listen("unix", control)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	conns := make(chan net.Conn, 1)
	go func() {
		if conn, err := listener.Accept(); err == nil {
			conns <- conn
		}
	}()
	return control, conns
}

func TestAHelperThatIsSlowToAnswerKeepsNobodyWaiting(t *testing.T) {
	n := openTest(t)
	control, asked := slowHelper(t)
	begin := time.Now()
	n.must("tunnel.open", map[string]any{"tunnel": 1, "peer": "p", "mode": "guest", "control": control})
	defer (<-asked).Close()
	n.must("tunnel.status", map[string]any{"tunnel": 1})
	n.must("tunnel.close", map[string]any{"tunnel": 1})
	if took := time.Since(begin); took >= attachTimeout {
		t.Fatal("commands took ", took)
	}
	if attached := n.event("guest-attached"); attached["ok"] != false {
		t.Fatal(attached)
	}
	if stats := n.must("stats", nil); stats["tunnels"] != 0.0 || stats["peers"] != 0.0 {
		t.Fatal(stats)
	}
}

func TestANodeEndsWhileAHelperIsSlowToAnswer(t *testing.T) {
	n := openTest(t)
	control, asked := slowHelper(t)
	begin := time.Now()
	n.must("tunnel.open", map[string]any{"tunnel": 1, "peer": "p", "mode": "guest", "control": control})
	defer (<-asked).Close()
	n.closeOnce()
	if took := time.Since(begin); took >= attachTimeout {
		t.Fatal("the end took ", took)
	}
}

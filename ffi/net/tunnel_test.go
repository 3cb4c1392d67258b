package main

import (
	"io"
	"net"
	"testing"
)

func TestProbeReachesTheGuestThroughTheTunnel(t *testing.T) {
	r := rentDirect(t)
	listener := r.listen(22)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			io.WriteString(conn, "SSH-2.0-test\r\n")
		}
	}()
	r.renter.must("tunnel.probe", map[string]any{
		"tunnel": renterTunnel, "probe": "p1", "port": 22, "prefix": "SSH-", "timeoutMs": patience.Milliseconds(),
	})
	done := r.renter.event("probe-done")
	if done["ok"] != true || done["probe"] != "p1" {
		t.Fatal(done)
	}
	t.Log(done)
	r.renter.event("tunnel-up")
	r.renter.must("tunnel.ping", map[string]any{"tunnel": renterTunnel, "probe": 7, "timeoutMs": 5000})
	ping := r.renter.event("probe-done")
	if ping["ok"] != true || ping["probe"] != 7.0 {
		t.Fatal(ping)
	}
	t.Log(ping, r.renter.must("tunnel.status", map[string]any{"tunnel": renterTunnel}), r.renter.must("stats", nil))
	_ = net.IPv4zero
}

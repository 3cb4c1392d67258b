package main

import (
	"net"
	"testing"
	"time"
)

// congested opens a node in a network of its own, whose only way out of the machine is shaped to next to
// nothing, and returns it with a socket on its loopback.
func congested(t *testing.T) (*testNode, *net.UDPConn) {
	t.Helper()
	space := newNamespace(t)
	space.run(
		"ip link set lo up",
		"ip link add v0 type veth peer name v1", "ip link set v0 up", "ip link set v1 up",
		"ip addr add 10.0.0.1/24 dev v0", "ip neigh add 10.0.0.2 lladdr 02:00:00:00:00:02 dev v0",
		"tc qdisc add dev v0 root tbf rate 64kbit burst 10k limit 64m",
	)
	var node *testNode
	var conn *net.UDPConn
	space.do(func() { node, conn = openTest(t), stranger(t) })
	return node, conn
}

// flood fills the socket's buffer through a session whose far end is behind the shaped way out.
func flood(t *testing.T, n *testNode, conn *net.UDPConn) {
	t.Helper()
	n.must("relay.set", map[string]any{"session": 1, "a": conn.LocalAddr().String(), "b": "10.0.0.2:9"})
	frame := relayFrame(toRelay, 1, tunnelFrame(1, 1300))
	eventually(t, func() bool {
		for range 100 {
			n.from(conn, frame)
		}
		return n.drops[dropSendBuffer].Load() > 0
	}, func() string { return "the socket's buffer is never full" })
}

// stallMax is far above what scheduling takes on a busy machine, and far below what the way out takes.
const stallMax = 2 * time.Second

func TestAFullWayOutStopsNeitherCommandsNorReceivingNorSendingNorTheEnd(t *testing.T) {
	n, conn := congested(t)
	flood(t, n, conn)
	quickly := func(what string, work func()) {
		t.Helper()
		begin := time.Now()
		work()
		if took := time.Since(begin); took > stallMax {
			t.Errorf("%s took %s", what, took)
		}
	}
	waiting := make(chan struct{})
	go func() { // a tunnel's sender waits for room meanwhile
		defer close(waiting)
		box := &outbox{node: n.node, patience: patience{most: waitMax}}
		box.slot(mustAddr(t, "10.0.0.2:9")).payload = make([]byte, 1300)
		box.flush()
	}()
	for range 3 {
		for range 200 {
			n.from(conn, relayFrame(toRelay, 1, tunnelFrame(1, 1300)))
		}
		quickly("relay.set", func() {
			n.must("relay.set", map[string]any{"session": 2, "a": "10.0.0.2:1", "b": "10.0.0.2:2"})
		})
		quickly("receiving", func() {
			n.from(conn, control("hello"))
			n.datagram()
		})
		quickly("sending", func() { n.send(record("10.0.0.2:9", 0, control("x"))) })
	}
	quickly("the end", n.closeOnce)
	<-waiting
}

func TestAFullWayOutDoesNotHoldATunnelsEnd(t *testing.T) {
	n, conn := congested(t)
	flood(t, n, conn)
	n.must("peer.set", map[string]any{"peer": "p", "active": "10.0.0.2:9"})
	n.must("tunnel.open", map[string]any{
		"tunnel": renterTunnel, "peer": "p", "remote": 1, "mode": "device", "mtu": 1280, "keepaliveS": 25,
		"privateKey": newKeys(t).private, "peerKey": newKeys(t).public,
		"address": renterAddress, "peerAddress": guestAddress,
	})
	begin := time.Now()
	n.must("tunnel.close", map[string]any{"tunnel": renterTunnel})
	if took := time.Since(begin); took > stallMax {
		t.Fatal(took)
	}
}

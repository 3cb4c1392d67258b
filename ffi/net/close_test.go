package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"testing"
)

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestCloseLeavesNoGoroutineAndNoDescriptor(t *testing.T) {
	busyLife(t) // the first life starts what the process keeps: pollers, gVisor's background
	goroutines, fds := runtime.NumGoroutine(), descriptors(t)
	for range 3 {
		busyLife(t)
	}
	eventually(t, func() bool {
		debug.FreeOSMemory() // finalizers of wireguard-go's queues
		return runtime.NumGoroutine() <= goroutines && descriptors(t) <= fds
	}, func() string {
		stacks := make([]byte, 1<<20)
		return fmt.Sprintf("%d goroutines, were %d; %d descriptors, were %d\n%s", runtime.NumGoroutine(), goroutines,
			descriptors(t), fds, stacks[:runtime.Stack(stacks, true)])
	})
}

// busyLife is the life of two nodes that are closed in the middle of everything.
func busyLife(t *testing.T) {
	t.Run("life", func(t *testing.T) {
		r := rentDirect(t)
		go echo(r.listen(7))
		go banner(r.listen(22), "SSH-2.0-test\r\n")
		r.probe(22)
		exchange(t, r.stream(7), "hello")
		r.stream(7)
		r.renter.must("ticket.add", map[string]any{"ticket": newTicket(), "tunnel": renterTunnel, "port": 1, "ttlMs": 60000})
		forward := map[string]any{"forward": 1, "tunnel": renterTunnel, "bind": "127.0.0.1:0", "port": 7}
		r.renter.must("forward.listen", forward)
		r.renter.must("peer.set", map[string]any{
			"peer": "provider", "active": r.provider.address(), "standby": "127.0.0.1:9", "doubtMs": 1, "deadMs": 2,
		})
		r.renter.must("tunnel.probe", map[string]any{
			"tunnel": renterTunnel, "probe": 1, "port": 23, "prefix": "SSH-", "timeoutMs": 60000,
		})
		r.renter.must("tunnel.ping", map[string]any{"tunnel": renterTunnel, "probe": 1, "timeoutMs": 60000})
		r.renter.closeOnce()
		r.provider.closeOnce()
	})
}

func TestACommandOnAClosedNodeDoesNothing(t *testing.T) {
	n := openTest(t)
	n.closeOnce()
	answer := n.run("tunnel.open", map[string]any{
		"tunnel": renterTunnel, "peer": "nobody", "mode": "device", "mtu": 1280, "keepaliveS": 25,
		"privateKey": newKeys(t).private, "peerKey": newKeys(t).public,
		"address": renterAddress, "peerAddress": guestAddress,
	})
	if answer["ok"] != false || answer["message"] != "the network is closed" || len(n.tunnels) != 0 {
		t.Fatal(answer)
	}
}

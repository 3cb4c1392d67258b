package main

import (
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// banner serves a line to whoever connects, and ends the connection.
func banner(listener net.Listener, text string) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		io.WriteString(conn, text)
		conn.Close()
	}
}

func (r *rental) probe(port uint16) map[string]any {
	r.renter.t.Helper()
	r.renter.must("tunnel.probe", map[string]any{
		"tunnel": renterTunnel, "probe": "p1", "port": port, "prefix": "SSH-", "timeoutMs": waitMax.Milliseconds(),
	})
	return r.renter.event("probe-done")
}

func TestAProbeReachesTheGuestThroughTheTunnel(t *testing.T) {
	r := rentDirect(t)
	go banner(r.listen(22), "SSH-2.0-test\r\n")
	done := r.probe(22)
	if done["ok"] != true || done["probe"] != "p1" || done["bannerMs"].(float64) < done["handshakeMs"].(float64) {
		t.Fatal(done)
	}
	if up := r.renter.event("tunnel-up"); up["tunnel"] != float64(renterTunnel) {
		t.Fatal(up)
	}
	status := r.renter.must("tunnel.status", map[string]any{"tunnel": renterTunnel})
	if status["lastHandshakeMsAgo"] == nil || status["rxBytes"].(float64) == 0 || status["txBytes"].(float64) == 0 {
		t.Fatal(status)
	}
}

func TestAProbeWaitsForAPortThatOpensLate(t *testing.T) {
	r := rentDirect(t)
	r.renter.must("tunnel.probe", map[string]any{
		"tunnel": renterTunnel, "probe": 1, "port": 22, "prefix": "SSH-", "timeoutMs": waitMax.Milliseconds(),
	})
	r.renter.event("tunnel-up")
	go banner(r.listen(22), "SSH-2.0-late\r\n")
	if done := r.renter.event("probe-done"); done["ok"] != true {
		t.Fatal(done)
	}
}

func TestAProbeOfAGuestThatIsNotThereEndsInTime(t *testing.T) {
	n := openTest(t)
	n.must("tunnel.open", map[string]any{
		"tunnel": renterTunnel, "peer": "nobody", "mode": "device", "mtu": 1280, "keepaliveS": 25,
		"privateKey": newKeys(t).private, "peerKey": newKeys(t).public,
		"address": renterAddress, "peerAddress": guestAddress,
	})
	n.must("tunnel.probe", map[string]any{
		"tunnel": renterTunnel, "probe": 1, "port": 22, "prefix": "SSH-", "timeoutMs": 50,
	})
	done := n.event("probe-done")
	if done["ok"] != false || done["handshakeMs"] != nil || done["error"] == nil {
		t.Fatal(done)
	}
}

func TestAPingGoesThroughTheTunnel(t *testing.T) {
	r := rentDirect(t)
	r.renter.must("tunnel.ping", map[string]any{"tunnel": renterTunnel, "probe": 7, "timeoutMs": 5000})
	if ping := r.renter.event("probe-done"); ping["ok"] != true || ping["probe"] != 7.0 || ping["rttMs"] == nil {
		t.Fatal(ping)
	}
}

func TestATunnelWorksWhenTheGuestInitiates(t *testing.T) {
	renter, provider := openTest(t), openTest(t)
	r := rentWith(t, renter, provider, provider.address(), renter.address(), 0) // the renter says nothing first
	guest := tcpip.AddrFrom16(netip.MustParseAddr(guestAddress).As16())
	to := tcpip.AddrFrom16(netip.MustParseAddr(renterAddress).As16())
	r.guest.Net.Send(echoRequest(guest, to, 1)) // what the guard drops needs a handshake all the same
	renter.event("tunnel-up")
	renter.dropped(dropUninvited, 1)
	go echo(r.listen(7))
	exchange(t, r.stream(7), "hello")
}

func TestAClosedTunnelIsNotFound(t *testing.T) {
	r := rentDirect(t)
	r.renter.must("tunnel.close", map[string]any{"tunnel": renterTunnel})
	for _, op := range []string{"tunnel.status", "tunnel.close"} {
		if answer := r.renter.run(op, map[string]any{"tunnel": renterTunnel}); answer["code"] != "not-found" {
			t.Fatal(answer)
		}
	}
}

func TestTheRemoteIdMayComeLater(t *testing.T) {
	r := rentDirect(t)
	r.renter.must("tunnel.remote", map[string]any{"tunnel": renterTunnel, "remote": 0})
	r.provider.must("tunnel.remote", map[string]any{"tunnel": guestTunnel, "remote": 0})
	r.renter.must("tunnel.ping", map[string]any{"tunnel": renterTunnel, "probe": 1, "timeoutMs": 5000})
	r.renter.dropped(dropNoRemote, 1)
	r.renter.must("tunnel.remote", map[string]any{"tunnel": renterTunnel, "remote": guestTunnel})
	r.provider.must("tunnel.remote", map[string]any{"tunnel": guestTunnel, "remote": renterTunnel})
	r.renter.event("probe-done")
}

func TestTunnelFramesAreTakenOnlyOnPathsOfThePeer(t *testing.T) {
	r := rentDirect(t)
	r.renter.event("tunnel-up")
	received := func() any {
		return r.renter.must("tunnel.status", map[string]any{"tunnel": renterTunnel})["rxBytes"]
	}
	before := received()
	foreign := stranger(t)
	r.renter.from(foreign, tunnelFrame(renterTunnel, 64))
	r.renter.dropped(dropForeignPath, 1)
	r.renter.from(foreign, relayFrame(fromRelay, 9, tunnelFrame(renterTunnel, 64)))
	r.renter.dropped(dropForeignPath, 2)
	if received() != before {
		t.Fatal("a frame on a foreign path was delivered")
	}
	r.renter.must("peer.set", map[string]any{
		"peer": "provider", "active": r.provider.address(), "accept": []string{foreign.LocalAddr().String()},
	})
	r.renter.from(foreign, tunnelFrame(renterTunnel, 64))
	r.renter.from(foreign, relayFrame(fromRelay, 9, tunnelFrame(renterTunnel, 64)))
	r.renter.dropped(dropForeignPath, 3)
	if got := received(); got != before.(float64)+64 {
		t.Fatalf("on the accepted path %v bytes came, want 64", got.(float64)-before.(float64))
	}
}

// relayedRental is a rental whose nodes reach each other through a relay only.
func relayedRental(t *testing.T) (*rental, *testNode) {
	t.Helper()
	relay, renter, provider := openTest(t), openTest(t), openTest(t)
	relay.must("relay.set", map[string]any{"session": 42, "a": renter.address(), "b": provider.address()})
	path := relay.address() + "#0000002a"
	return rent(t, renter, provider, path, path), relay
}

func TestATunnelGoesThroughARelayWhichCountsItAsTunnel(t *testing.T) {
	r, relay := relayedRental(t)
	go banner(r.listen(22), "SSH-2.0-test\r\n")
	if done := r.probe(22); done["ok"] != true {
		t.Fatal(done)
	}
	total := relay.must("relay.stats", nil)["total"].(map[string]any)
	if total["tunnel"].(map[string]any)["packets"].(float64) < 6 || total["control"].(map[string]any)["packets"] != 0.0 {
		t.Fatal(total)
	}
}

func TestAStreamLivesThroughAChangeOfPathWithoutAHandshake(t *testing.T) {
	r, relay := relayedRental(t)
	go echo(r.listen(7))
	conn := r.stream(7)
	exchange(t, conn, "through the relay")
	handshakes := r.handshakes()
	for _, one := range []struct {
		from *testNode
		peer string
		to   *testNode
	}{{r.renter, "provider", r.provider}, {r.provider, "renter", r.renter}} {
		one.from.must("peer.set", map[string]any{
			"peer": one.peer, "active": one.to.address(), "accept": []string{relay.address() + "#0000002a"},
		})
	}
	exchange(t, conn, "what was under way has arrived")
	relay.rest() // but for an acknowledgement
	before := relay.relay.tunnel.packets.Load()
	exchange(t, conn, "directly")
	if after := relay.relay.tunnel.packets.Load(); after != before {
		t.Fatalf("the relay forwarded %d more packets", after-before)
	}
	if r.handshakes() != handshakes {
		t.Fatal("there was another handshake")
	}
}

// rest waits until the relay has nothing to forward: both ends send directly by now, so what is still
// under way is what loopback and two goroutines hold.
func (n *testNode) rest() {
	n.t.Helper()
	last, since := n.relay.tunnel.packets.Load(), time.Now()
	eventually(n.t, func() bool {
		if packets := n.relay.tunnel.packets.Load(); packets != last {
			last, since = packets, time.Now()
		}
		return time.Since(since) > 250*time.Millisecond
	}, func() string { return "the relay goes on forwarding" })
}

// handshakes tells handshakes apart by the time of the last one.
func (r *rental) handshakes() time.Time {
	end, _ := r.renter.device(renterTunnel)
	ago, _ := end.lastHandshake()
	return time.Now().Add(-ago).Round(time.Second / 10)
}

func TestAPeerOutlivesItsRemovalAsLongAsATunnelLeadsToIt(t *testing.T) {
	r := rentDirect(t)
	r.renter.event("tunnel-up")
	r.renter.must("peer.remove", map[string]any{"peer": "provider"})
	r.renter.must("tunnel.ping", map[string]any{"tunnel": renterTunnel, "probe": 1, "timeoutMs": 5000})
	r.renter.dropped(dropNoPath, 1)
	r.renter.must("peer.set", map[string]any{"peer": "provider", "active": r.provider.address()})
	r.renter.must("tunnel.ping", map[string]any{"tunnel": renterTunnel, "probe": 2, "timeoutMs": 5000})
	for r.renter.event("probe-done")["probe"] != 2.0 {
	}
	r.renter.must("tunnel.close", map[string]any{"tunnel": renterTunnel})
	r.renter.must("peer.remove", map[string]any{"peer": "provider"})
	if len(r.renter.peers) != 0 || len(r.renter.paths) != 0 {
		t.Fatal(r.renter.peers, r.renter.paths)
	}
}

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"golang.zx2c4.com/wireguard/device"
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

func TestTheGuestCanOpenNothing(t *testing.T) {
	r := rentDirect(t)
	r.renter.event("tunnel-up")
	renter := netip.MustParseAddr(renterAddress)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := r.guest.Net.Dial(ctx, netip.AddrPortFrom(renter, 22)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal("the guest's connection was answered: ", err)
	}
	r.renter.dropped(dropUninvited, 1)
	udp, err := r.guest.Net.DialUDP(netip.AddrPortFrom(renter, 53))
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	before := r.renter.drops[dropUninvited].Load()
	udp.Write([]byte("x"))
	r.renter.dropped(dropUninvited, before+1)
	before = r.renter.drops[dropUninvited].Load()
	guest, to := tcpip.AddrFrom16(netip.MustParseAddr(guestAddress).As16()), tcpip.AddrFrom16(renter.As16())
	r.guest.Net.Send(echoRequest(guest, to, 1))
	r.renter.dropped(dropUninvited, before+1)
}

// The guard is asked directly for what a guest's kernel would not send.
func TestTheGuardAdmitsOnlyFlowsThatWereOpenedHere(t *testing.T) {
	var drops dropCounters
	local, remote := netip.MustParseAddr(renterAddress), netip.MustParseAddr(guestAddress)
	l := newLink(&drops, local, remote, 1280)
	open, _ := l.flows.begin()
	port := open.port
	id, _, _ := l.pings.begin()
	segment := func(from, to netip.Addr, next byte, port uint16) []byte {
		packet := make([]byte, ipv6HeaderBytes+tcpHeaderBytes)
		packet[0], packet[6] = 0x60, next
		copy(packet[8:], from.AsSlice())
		copy(packet[24:], to.AsSlice())
		binary.BigEndian.PutUint16(packet[ipv6HeaderBytes+2:], port)
		return packet
	}
	icmp := func(kind byte, id uint16) []byte {
		packet := segment(remote, local, protocolICMPv6, 0)
		packet[ipv6HeaderBytes] = kind
		binary.BigEndian.PutUint16(packet[ipv6HeaderBytes+4:], id)
		return packet
	}
	for _, c := range []struct {
		name   string
		packet []byte
		admits bool
	}{
		{"a segment of an open flow", segment(remote, local, protocolTCP, port), true},
		{"a segment for another port", segment(remote, local, protocolTCP, port+1), false},
		{"a segment from another address", segment(netip.MustParseAddr("fd00::3"), local, protocolTCP, port), false},
		{"a segment for another address", segment(remote, netip.MustParseAddr("fd00::3"), protocolTCP, port), false},
		{"a datagram", segment(remote, local, 17, port), false},
		{"a fragment", segment(remote, local, 44, port), false},
		{"hop-by-hop options", segment(remote, local, 0, port), false},
		{"half a segment", segment(remote, local, protocolTCP, port)[:ipv6HeaderBytes+10], false},
		{"IPv4", append([]byte{0x45}, make([]byte, 60)...), false},
		{"nothing", nil, false},
		{"the answer to a ping", icmp(icmpv6EchoReply, id), true},
		{"the answer to no ping", icmp(icmpv6EchoReply, id+1), false},
		{"a ping", icmp(128, id), false},
		{"an ICMP error", icmp(1, id), false},
		{"a router advertisement", icmp(134, id), false},
	} {
		if l.admits(c.packet) != c.admits {
			t.Errorf("%s: admitted is %v", c.name, !c.admits)
		}
	}
	l.flows.end(open)
	if l.flows.of(port, now()) == nil || l.flows.of(port, now()+2*instant(flowGrace)) != nil {
		t.Error("a closed flow has its grace, and no more")
	}
}

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

func TestATunnelWithoutAPeerHoldsABoundedNumberOfBuffersAndCloses(t *testing.T) {
	n := openTest(t)
	n.must("tunnel.open", map[string]any{
		"tunnel": renterTunnel, "peer": "nobody", "mode": "device", "mtu": 1280, "keepaliveS": 0,
		"privateKey": newKeys(t).private, "peerKey": newKeys(t).public,
		"address": renterAddress, "peerAddress": guestAddress,
	})
	end, _ := n.device(renterTunnel)
	refused := 0
	for range 3 * deviceBuffersMax { // nobody takes them: WireGuard has no keys
		if !end.net.link.put(echoRequest(end.net.local, end.net.remote, 1)) {
			refused++
			break
		}
	}
	if refused == 0 {
		t.Fatal("all were taken")
	}
	n.closeOnce()
}

func TestWhatWaitsForAHandshakeDoesNotKeepTheHandshakeOut(t *testing.T) {
	r := rentDirect(t)
	r.renter.event("tunnel-up")
	r.renter.must("tunnel.close", map[string]any{"tunnel": renterTunnel})
	n, keys := r.renter, newKeys(t)
	n.must("tunnel.open", map[string]any{
		"tunnel": renterTunnel, "peer": "provider", "mode": "device", "mtu": 1280, "keepaliveS": 0,
		"privateKey": keys.private, "peerKey": newKeys(t).public,
		"address": renterAddress, "peerAddress": guestAddress,
	})
	end, _ := n.device(renterTunnel)
	for end.net.link.put(echoRequest(end.net.local, end.net.remote, 1)) {
	}
	junk := make([]byte, device.MessageInitiationSize)
	junk[0] = device.MessageInitiationType
	for range 8 * deviceBatch { // each takes a buffer, and the reader of packets gets it
		end.deliver([][]byte{junk})
	}
	eventually(t, func() bool {
		end.deliver([][]byte{junk})
		end.bind.in.mu.Lock()
		defer end.bind.in.mu.Unlock()
		return end.bind.in.count <= 1
	}, func() string { return "the device receives nothing" })
}

func TestTheDevicesPoolWaitsWhenAllBuffersAreInUse(t *testing.T) {
	n := openTest(t)
	n.must("tunnel.open", map[string]any{
		"tunnel": renterTunnel, "peer": "nobody", "mode": "device", "mtu": 1280, "keepaliveS": 0,
		"privateKey": newKeys(t).private, "peerKey": newKeys(t).public,
		"address": renterAddress, "peerAddress": guestAddress,
	})
	end, _ := n.device(renterTunnel)
	<-end.bind.receiving
	taken := make(chan *[device.MaxMessageSize]byte, deviceBuffersMax+1)
	go func() {
		for range deviceBuffersMax + 1 { // the device's own goroutines hold some
			taken <- end.wg.GetMessageBuffer()
		}
		close(taken)
	}()
	var held []*[device.MaxMessageSize]byte
	eventually(t, func() bool {
		for len(taken) > 0 {
			held = append(held, <-taken)
		}
		return len(held) == deviceBuffersMax-2*deviceBatch
	}, func() string { return fmt.Sprintf("%d buffers were given", len(held)) })
	for range 2*deviceBatch + 1 {
		end.wg.PutMessageBuffer(held[len(held)-1])
		held = held[:len(held)-1]
	}
	for buffer := range taken {
		held = append(held, buffer)
	}
	for _, buffer := range held {
		end.wg.PutMessageBuffer(buffer)
	}
}

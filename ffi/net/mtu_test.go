package main

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"testing"
	"time"
)

// A router's far link takes 1300 bytes, and what the router says of it is lost.
func TestATunnelCarriesDataOverANarrowLinkWhoseICMPIsLost(t *testing.T) {
	left, router, right := newNamespace(t), newNamespace(t), newNamespace(t)
	router.run(
		"sysctl -qw net.ipv4.ip_forward=1",
		"ip link add name near type veth peer name way netns "+left.name(),
		"ip link add name far mtu 1300 type veth peer name way mtu 1300 netns "+right.name(),
		"ip addr add 10.1.0.2/24 dev near", "ip link set near up",
		"ip addr add 10.2.0.2/24 dev far", "ip link set far up",
		"nft add table inet f",
		"nft add chain inet f o { type filter hook output priority 0 ; }",
		"nft add rule inet f o icmp type destination-unreachable drop",
	)
	left.run("ip addr add 10.1.0.1/24 dev way", "ip link set way up", "ip route add default via 10.1.0.2")
	right.run("ip addr add 10.2.0.1/24 dev way", "ip link set way up", "ip route add default via 10.2.0.2")
	var renter, provider *testNode
	left.do(func() { renter = openTest(t) })
	right.do(func() { provider = openTest(t) })
	r := rent(t, renter, provider,
		fmt.Sprintf("10.2.0.1:%d", provider.sockets.port), fmt.Sprintf("10.1.0.1:%d", renter.sockets.port))
	go echo(r.listen(7))
	conn := r.stream(7)
	conn.SetDeadline(time.Now().Add(waitMax))
	data := make([]byte, 1<<20)
	rand.Read(data)
	go func() {
		conn.Write(data)
		conn.CloseWrite()
	}()
	back, err := io.ReadAll(conn)
	if err != nil || !bytes.Equal(back, data) {
		t.Fatalf("%d bytes of %d came back: %v", len(back), len(data), err)
	}
}

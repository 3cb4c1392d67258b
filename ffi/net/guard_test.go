package main

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
)

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

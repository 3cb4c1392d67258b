package main

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
)

// The guest is hostile to the renter too. The guard lets in only TCP segments of flows that were
// opened here and answers to pings that were sent from here: no fragments, no extension headers, no
// UDP, no ICMP errors, nothing for another address.

const (
	ipv6HeaderBytes  = 40
	protocolTCP      = 6
	protocolICMPv6   = 58
	tcpHeaderBytes   = 20
	echoHeaderBytes  = 8
	icmpv6EchoReply  = 129
	pingPayloadBytes = 8
)

// admits says whether an inbound packet may reach the stack. Echo replies end here.
func (l *link) admits(packet []byte) bool {
	if len(packet) < ipv6HeaderBytes || packet[0]>>4 != 6 {
		return false
	}
	if [16]byte(packet[8:24]) != l.remote || [16]byte(packet[24:40]) != l.local {
		return false
	}
	payload := packet[ipv6HeaderBytes:]
	switch packet[6] {
	case protocolTCP:
		return len(payload) >= tcpHeaderBytes && l.flows.of(binary.BigEndian.Uint16(payload[2:4]), now()) != nil
	case protocolICMPv6:
		if len(payload) < echoHeaderBytes || payload[0] != icmpv6EchoReply {
			return false
		}
		return l.pings.answer(binary.BigEndian.Uint16(payload[4:6]))
	}
	return false
}

// flows are the local ports of connections opened here. A port stays in the table for a while after
// its connection is closed, for the segments that end it.
type flows struct {
	mu     sync.RWMutex
	ports  map[uint16]*flow
	ending []*flow // in grace, those that ended first in front
}

// flow is one connection's place in the table. Its owner ends it by the pointer: the port may be
// another flow's by then.
type flow struct {
	port   uint16
	ends   instant       // 0: open; guarded by flows.mu
	closed atomic.Uint64 // see zerowindow.go
}

// begin takes a free port; ok is false when the table is full of open flows. Where it is full of closed
// ones too, the one that has been closed for longest gives way.
func (f *flows) begin() (begun *flow, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := now()
	for len(f.ending) > 0 && (f.ending[0].ends < at || len(f.ports) >= flowsMax) {
		delete(f.ports, f.ending[0].port)
		f.ending[0] = nil
		f.ending = f.ending[1:]
	}
	if len(f.ports) >= flowsMax {
		return nil, false
	}
	for {
		port := randomPort()
		if _, taken := f.ports[port]; !taken {
			begun = &flow{port: port}
			f.ports[port] = begun
			return begun, true
		}
	}
}

// end lets the flow in for flowGrace more. Only the first end of a flow counts.
func (f *flows) end(ended *flow) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if ended.ends != 0 {
		return
	}
	ended.ends = now() + instant(flowGrace)
	f.ending = append(f.ending, ended)
}

// of finds the flow of a local port: nil when there is none, or its grace is over.
func (f *flows) of(port uint16, at instant) *flow {
	f.mu.RLock()
	defer f.mu.RUnlock()
	flow := f.ports[port]
	if flow == nil || (flow.ends != 0 && flow.ends < at) {
		return nil
	}
	return flow
}

// pings are the echo requests that wait for an answer.
type pings struct {
	mu      sync.Mutex
	waiting map[uint16]chan instant
}

func (p *pings) begin() (id uint16, answered <-chan instant, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) >= pingsMax {
		return 0, nil, false
	}
	for {
		id = uint16(rand.Uint32())
		if p.waiting[id] == nil {
			channel := make(chan instant, 1)
			p.waiting[id] = channel
			return id, channel, true
		}
	}
}

func (p *pings) end(id uint16) {
	p.mu.Lock()
	delete(p.waiting, id)
	p.mu.Unlock()
}

// answer hands an echo reply to its ping; true when there is one.
func (p *pings) answer(id uint16) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	channel := p.waiting[id]
	if channel == nil {
		return false
	}
	select {
	case channel <- now():
	default:
	}
	return true
}

// address16 is the raw form that packets hold.
func address16(address netip.Addr) [16]byte { return address.As16() }

package main

import (
	"context"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

func TestAnOpenNodeLeavesNoCoreDump(t *testing.T) {
	openTest(t)
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &limit); err != nil || limit.Cur != 0 {
		t.Fatal(limit, err)
	}
}

// hostilePackets makes packets of a guest to an open flow: whole headers, some of them changed.
type hostilePackets struct {
	random        *rand.Rand
	local, remote tcpip.Address
	port          uint16
	acknowledged  atomic.Uint32
	writing       sync.Mutex // as by the one goroutine of a device
}

func (h *hostilePackets) write(l *link, batch ...[]byte) {
	h.writing.Lock()
	defer h.writing.Unlock()
	l.write(batch, 0)
}

// guestFirst is the sequence number with which the guest begins.
const guestFirst = 1

func (h *hostilePackets) encodeIP(packet []byte) {
	header.IPv6(packet).Encode(&header.IPv6Fields{
		PayloadLength: uint16(len(packet) - ipv6HeaderBytes), TransportProtocol: header.TCPProtocolNumber,
		HopLimit: 64, SrcAddr: h.remote, DstAddr: h.local,
	})
}

func (h *hostilePackets) next() []byte {
	length := h.random.IntN(200)
	if h.random.IntN(8) == 0 {
		length = h.random.IntN(1400)
	}
	options := 4 * h.random.IntN(11)
	packet := make([]byte, ipv6HeaderBytes+tcpHeaderBytes+options+length)
	for i := range packet {
		packet[i] = byte(h.random.Uint32())
	}
	h.encodeIP(packet)
	segment := header.TCP(packet[ipv6HeaderBytes:])
	segment.SetSourcePort(22)
	segment.SetDestinationPort(h.port)
	segment.SetDataOffset(uint8(tcpHeaderBytes + options))
	if h.random.IntN(8) > 0 { // within the window, most of them
		segment.SetSequenceNumber(guestFirst + 1 + uint32(h.random.IntN(3000)))
		segment.SetAckNumber(h.acknowledged.Load() + uint32(h.random.IntN(4)) - 2)
		segment.SetFlags(uint8(header.TCPFlagAck) | uint8(h.random.Uint32()&h.random.Uint32()&0x3b))
	}
	for range h.random.IntN(3) {
		packet[h.random.IntN(len(packet))] ^= byte(1 << h.random.IntN(8))
	}
	if h.random.IntN(16) == 0 {
		binary.BigEndian.PutUint16(packet[4:], uint16(h.random.Uint32()))
	}
	if h.random.IntN(16) == 0 {
		packet = packet[:h.random.IntN(len(packet)+1)]
	}
	return packet
}

// A guest is hostile to its renter, whose process holds keys and other tunnels: nothing that it sends
// into an open flow may end that process. The seed is printed with a failure.
func TestNoPacketOfAGuestEndsTheProcess(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	var drops dropCounters
	local, remote := netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00::2")
	stack, err := newNetstack(&drops, local, remote, mtuMin)
	if err != nil {
		t.Fatal(err)
	}
	hostile := &hostilePackets{random: rand.New(rand.NewPCG(seed, 1)), local: stack.local, remote: stack.remote}
	var working sync.WaitGroup
	var opened atomic.Int32
	defer stack.destroy()
	defer working.Wait()
	defer stack.abort()
	go hostile.answer(stack.link)
	batch := make([][]byte, deviceBatch)
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
		hostile.port = openFlow(t, stack, &working, &opened)
		for range 64 {
			for i := range batch {
				batch[i] = hostile.next()
			}
			hostile.write(stack.link, batch...)
		}
	}
	if opened.Load() == 0 {
		t.Fatal("no flow was ever open")
	}
	t.Logf("%d flows were open", opened.Load())
}

// answer takes what the stack sends, answers what opens a flow, and notes what may be acknowledged.
func (h *hostilePackets) answer(l *link) {
	bufs, sizes := makeBuffers(deviceBatch)
	for {
		n, err := l.read(bufs, sizes, 0)
		if err != nil {
			return
		}
		for i := range n {
			if sizes[i] < ipv6HeaderBytes+tcpHeaderBytes {
				continue
			}
			segment := header.TCP(bufs[i][ipv6HeaderBytes:sizes[i]])
			h.acknowledged.Store(segment.SequenceNumber() + 1)
			if segment.Flags() == header.TCPFlagSyn {
				h.write(l, h.welcome(segment))
			}
		}
	}
}

// welcome is a good answer to a SYN.
func (h *hostilePackets) welcome(syn header.TCP) []byte {
	packet := make([]byte, ipv6HeaderBytes+tcpHeaderBytes)
	h.encodeIP(packet)
	header.TCP(packet[ipv6HeaderBytes:]).Encode(&header.TCPFields{
		SrcPort: 22, DstPort: syn.SourcePort(), SeqNum: guestFirst, AckNum: syn.SequenceNumber() + 1,
		Flags: header.TCPFlagSyn | header.TCPFlagAck, DataOffset: tcpHeaderBytes, WindowSize: 65535,
	})
	return packet
}

// openFlow begins a connection, uses it for a moment, and returns its port.
func openFlow(t *testing.T, s *netstack, working *sync.WaitGroup, opened *atomic.Int32) uint16 {
	begun, ok := s.link.flows.begin()
	if !ok {
		t.Fatal("no port is left")
	}
	local := begun.port
	var queue waiter.Queue
	endpoint, failed := s.stack.NewEndpoint(tcp.ProtocolNumber, ipv6.ProtocolNumber, &queue)
	if failed != nil {
		t.Fatal(failed)
	}
	working.Add(1)
	go func() {
		defer working.Done()
		defer s.link.flows.end(begun)
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		defer cancel()
		if s.connect(ctx, endpoint, &queue, local, 22) != nil {
			endpoint.Abort()
			return
		}
		opened.Add(1)
		conn := gonet.NewTCPConn(&queue, endpoint)
		conn.SetDeadline(time.Now().Add(100 * time.Millisecond))
		conn.Write(make([]byte, 100_000))
		io.Copy(io.Discard, conn)
		conn.Close()
	}()
	return local
}

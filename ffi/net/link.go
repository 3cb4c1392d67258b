package main

import (
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.zx2c4.com/wireguard/tun"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/stack/gro"
)

// link joins the TCP/IP stack and the WireGuard device: the stack sees a network interface, the device
// a TUN. Both sides work in batches: the stack gives all segments of a large write at once, and
// inbound segments of a batch are merged (GRO) before TCP sees them.
type link struct {
	drops         *dropCounters
	local, remote [16]byte
	mtu           int
	flows         flows
	pings         pings

	out        chan *stack.PacketBuffer
	closed     chan struct{}
	closing    sync.Once
	events     chan tun.Event
	dispatcher atomic.Pointer[stack.NetworkDispatcher]
	gro        gro.GRO // of the one goroutine that writes inbound packets
}

func newLink(drops *dropCounters, local, remote netip.Addr, mtu int) *link {
	l := &link{
		drops: drops, local: address16(local), remote: address16(remote), mtu: mtu,
		out: make(chan *stack.PacketBuffer, linkQueueMax), closed: make(chan struct{}),
		events: make(chan tun.Event),
	}
	l.flows.ports = map[uint16]*flow{}
	l.pings.waiting = map[uint16]chan instant{}
	l.gro.Init(true)
	l.gro.Dispatcher = l
	return l
}

// close ends reads and writes. Packets that wait are dropped.
func (l *link) close() {
	l.closing.Do(func() {
		close(l.closed)
		close(l.events)
	})
	for {
		select {
		case packet := <-l.out:
			packet.DecRef()
		default:
			return
		}
	}
}

// WritePackets takes outbound packets from the stack. Where the queue is full it waits, as that is
// what makes TCP slow down without loss; but not for long, because the writer may be the goroutine
// whose progress makes room.
func (l *link) WritePackets(packets stack.PacketBufferList) (int, tcpip.Error) {
	for i, packet := range packets.AsSlice() {
		if !l.enqueue(packet.IncRef()) {
			return i, &tcpip.ErrNoBufferSpace{}
		}
	}
	return packets.Len(), nil
}

func (l *link) enqueue(packet *stack.PacketBuffer) bool {
	select {
	case l.out <- packet:
		return true
	case <-l.closed:
		packet.DecRef()
		return false
	default:
	}
	timer := time.NewTimer(linkWaitMax)
	defer timer.Stop()
	select {
	case l.out <- packet:
		return true
	case <-l.closed:
	case <-timer.C:
		l.drops.count(dropStackQueue)
	}
	packet.DecRef()
	return false
}

// put queues a packet that was not made by the stack.
func (l *link) put(packet []byte) bool {
	return l.enqueue(stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(packet)}))
}

// read waits for packets and copies up to len(bufs) of them.
func (l *link) read(bufs [][]byte, sizes []int, offset int) (int, error) {
	select {
	case packet := <-l.out:
		sizes[0] = l.emit(bufs[0][offset:], packet)
	case <-l.closed:
		return 0, os.ErrClosed
	}
	for n := 1; n < len(bufs); n++ {
		select {
		case packet := <-l.out:
			sizes[n] = l.emit(bufs[n][offset:], packet)
		default:
			return n, nil
		}
	}
	return len(bufs), nil
}

// emit copies an outbound packet to where WireGuard wants it.
func (l *link) emit(to []byte, packet *stack.PacketBuffer) int {
	n := 0
	for _, part := range packet.AsSlices() {
		n += copy(to[n:], part)
	}
	packet.DecRef()
	l.noteWindow(to[:n])
	return n
}

// write gives decrypted packets to the stack, as far as the guard lets them.
func (l *link) write(bufs [][]byte, offset int) {
	for _, buf := range bufs {
		packet := buf[offset:]
		if !l.admits(packet) {
			l.drops.count(dropUninvited)
			continue
		}
		if packet[6] == protocolICMPv6 {
			continue // a ping's answer, which has arrived
		}
		if ack := l.bareAck(packet); ack != nil {
			l.inject(ack)
		}
		l.inject(packet)
	}
	l.gro.Flush()
}

// inject gives a copy of a packet to the stack, at the next flush at the latest.
func (l *link) inject(packet []byte) {
	inbound := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(packet)})
	inbound.NetworkProtocolNumber = ipv6.ProtocolNumber
	inbound.RXChecksumValidated = true // WireGuard has authenticated every byte
	l.gro.Enqueue(inbound)
	inbound.DecRef()
}

// DeliverNetworkPacket passes a merged packet to the stack.
func (l *link) DeliverNetworkPacket(protocol tcpip.NetworkProtocolNumber, packet *stack.PacketBuffer) {
	if dispatcher := l.dispatcher.Load(); dispatcher != nil {
		(*dispatcher).DeliverNetworkPacket(protocol, packet)
	}
}

// DeliverLinkPacket is for packet sockets, of which there are none.
func (l *link) DeliverLinkPacket(tcpip.NetworkProtocolNumber, *stack.PacketBuffer) {}

// Attach is called with the stack when the interface begins, and with nil when it ends.
func (l *link) Attach(dispatcher stack.NetworkDispatcher) {
	if dispatcher == nil {
		l.dispatcher.Store(nil)
		return
	}
	l.dispatcher.Store(&dispatcher)
}

func (l *link) IsAttached() bool                        { return l.dispatcher.Load() != nil }
func (l *link) MTU() uint32                             { return uint32(l.mtu) }
func (l *link) SetMTU(uint32)                           {}
func (l *link) MaxHeaderLength() uint16                 { return 0 }
func (l *link) LinkAddress() tcpip.LinkAddress          { return "" }
func (l *link) SetLinkAddress(tcpip.LinkAddress)        {}
func (l *link) Wait()                                   {}
func (l *link) Close()                                  {}
func (l *link) SetOnCloseAction(func())                 {}
func (l *link) AddHeader(*stack.PacketBuffer)           {}
func (l *link) ParseHeader(*stack.PacketBuffer) bool    { return true }
func (l *link) ARPHardwareType() header.ARPHardwareType { return header.ARPHardwareNone }

func (l *link) Capabilities() stack.LinkEndpointCapabilities {
	return stack.CapabilityRXChecksumOffload
}

// GSOMaxSize and SupportedGSO let TCP hand over large segments, which the stack cuts itself.
func (l *link) GSOMaxSize() uint32               { return stack.GVisorGSOMaxSize }
func (l *link) SupportedGSO() stack.SupportedGSO { return stack.GVisorGSOSupported }

// linkTun is the link as the WireGuard device sees it.
type linkTun struct {
	link   *link
	events chan tun.Event
	ready  <-chan struct{}
}

func (t *linkTun) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	select {
	case <-t.ready:
	case <-t.link.closed:
	}
	return t.link.read(bufs, sizes, offset)
}

func (t *linkTun) Write(bufs [][]byte, offset int) (int, error) {
	t.link.write(bufs, offset)
	return len(bufs), nil
}

func (t *linkTun) Close() error {
	t.link.close()
	return nil
}

func (t *linkTun) File() *os.File           { return nil }
func (t *linkTun) Name() (string, error)    { return "omerta", nil }
func (t *linkTun) MTU() (int, error)        { return t.link.mtu, nil }
func (t *linkTun) Events() <-chan tun.Event { return t.events }
func (t *linkTun) BatchSize() int           { return deviceBatch }

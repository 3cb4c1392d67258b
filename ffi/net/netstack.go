package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// netstack is the renter's end of a tunnel in userspace: one IPv6 address, one neighbour, TCP that
// only dials. Nothing listens, nothing is forwarded, and the link's guard drops what does not belong
// to a flow that was opened here.
type netstack struct {
	stack  *stack.Stack
	link   *link
	local  tcpip.Address
	remote tcpip.Address
}

const nicID = 1

func newNetstack(drops *dropCounters, local, remote netip.Addr, mtu int) (*netstack, error) {
	s := &netstack{
		stack: stack.New(stack.Options{
			NetworkProtocols:   []stack.NetworkProtocolFactory{ipv6.NewProtocol},
			TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol},
		}),
		local:  tcpip.AddrFrom16(local.As16()),
		remote: tcpip.AddrFrom16(remote.As16()),
	}
	s.link = newLink(drops, local, remote, mtu)
	if err := s.configure(); err != nil {
		s.abort()
		s.destroy()
		return nil, err
	}
	return s, nil
}

func (s *netstack) configure() error {
	for _, option := range tcpOptions() {
		if err := s.stack.SetTransportProtocolOption(tcp.ProtocolNumber, option); err != nil {
			return stackError(err)
		}
	}
	if err := s.stack.CreateNIC(nicID, s.link); err != nil {
		return stackError(err)
	}
	address := tcpip.ProtocolAddress{
		Protocol: ipv6.ProtocolNumber, AddressWithPrefix: s.local.WithPrefix(),
	}
	if err := s.stack.AddProtocolAddress(nicID, address, stack.AddressProperties{}); err != nil {
		return stackError(err)
	}
	s.stack.AddRoute(tcpip.Route{Destination: header.IPv6EmptySubnet, NIC: nicID})
	return nil
}

// tcpOptions tune TCP for a tunnel: selective acknowledgements; buffers that grow to their maximum;
// Reno and RACK, which of the four combinations keep most of the throughput when bursts are lost
// (gVisor's CUBIC collapses then: measured); short times for what lingers, because only this side dials
// and a port is not used again soon.
func tcpOptions() []tcpip.SettableTransportProtocolOption {
	sack := tcpip.TCPSACKEnabled(true)
	recovery := tcpip.TCPRACKLossDetection
	reno := tcpip.CongestionControlOption("reno")
	moderate := tcpip.TCPModerateReceiveBufferOption(true)
	receive := tcpip.TCPReceiveBufferSizeRangeOption{
		Min: tcp.MinBufferSize, Default: streamBufferBytes, Max: streamBufferBytesMax,
	}
	send := tcpip.TCPSendBufferSizeRangeOption{
		Min: tcp.MinBufferSize, Default: streamBufferBytes, Max: streamBufferBytesMax,
	}
	wait := tcpip.TCPTimeWaitTimeoutOption(timeWait)
	linger := tcpip.TCPLingerTimeoutOption(finWait)
	return []tcpip.SettableTransportProtocolOption{
		&sack, &recovery, &reno, &moderate, &receive, &send, &wait, &linger,
	}
}

func stackError(err tcpip.Error) error { return errors.New(err.String()) }

// abort resets every connection, so that whoever copies to or from one ends.
func (s *netstack) abort() {
	for _, endpoint := range s.stack.RegisteredEndpoints() {
		endpoint.Abort()
	}
	s.link.close()
}

// destroy ends the stack and waits for its goroutines.
func (s *netstack) destroy() { s.stack.Destroy() }

// tun is the stack as a WireGuard device sees it; the device may read from it once ready is closed.
func (s *netstack) tun(ready <-chan struct{}) *linkTun {
	return &linkTun{link: s.link, events: s.link.events, ready: ready}
}

// tcpStream is a connection into the tunnel with the port that its flow occupies.
type tcpStream struct {
	*gonet.TCPConn
	endpoint tcpip.Endpoint
	link     *link
	flow     *flow
}

// Close closes the connection; late segments of the flow are let in a little longer.
func (t *tcpStream) Close() error {
	err := t.TCPConn.Close()
	t.link.flows.end(t.flow)
	return err
}

// reset ends the connection without ceremony.
func (t *tcpStream) reset() {
	t.endpoint.Abort()
	t.link.flows.end(t.flow)
}

var (
	errFlows     = errors.New("too many connections into the tunnel")
	errPortInUse = errors.New("no local port for a connection into the tunnel is free")
)

// dial connects to a port of the far end. The stack may know a local port for longer than the guard
// (TIME-WAIT of a flow that gave way): then another one is tried.
func (s *netstack) dial(ctx context.Context, port uint16) (*tcpStream, error) {
	for attempt := 1; ; attempt++ {
		stream, err := s.dialOnce(ctx, port)
		if !errors.Is(err, errPortInUse) || attempt == portAttemptsMax {
			return stream, err
		}
	}
}

func (s *netstack) dialOnce(ctx context.Context, port uint16) (*tcpStream, error) {
	local, ok := s.link.flows.begin()
	if !ok {
		return nil, errFlows
	}
	var queue waiter.Queue
	endpoint, failed := s.stack.NewEndpoint(tcp.ProtocolNumber, ipv6.ProtocolNumber, &queue)
	if failed != nil {
		s.link.flows.end(local)
		return nil, stackError(failed)
	}
	if err := s.connect(ctx, endpoint, &queue, local.port, port); err != nil {
		endpoint.Abort()
		s.link.flows.end(local)
		return nil, err
	}
	return &tcpStream{gonet.NewTCPConn(&queue, endpoint), endpoint, s.link, local}, nil
}

func (s *netstack) connect(
	ctx context.Context, endpoint tcpip.Endpoint, queue *waiter.Queue, local, port uint16,
) error {
	entry, connected := waiter.NewChannelEntry(waiter.WritableEvents | waiter.EventErr | waiter.EventHUp)
	queue.EventRegister(&entry)
	defer queue.EventUnregister(&entry)
	setKeepalive(endpoint)
	if err := endpoint.Bind(tcpip.FullAddress{NIC: nicID, Addr: s.local, Port: local}); err != nil {
		if _, taken := err.(*tcpip.ErrPortInUse); taken {
			return errPortInUse
		}
		return stackError(err)
	}
	err := endpoint.Connect(tcpip.FullAddress{NIC: nicID, Addr: s.remote, Port: port})
	if _, started := err.(*tcpip.ErrConnectStarted); started {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-connected:
		}
		err = endpoint.LastError()
	}
	if err != nil {
		return stackError(err)
	}
	return nil
}

// setKeepalive lets a stream into a VM that is gone end by itself.
func setKeepalive(endpoint tcpip.Endpoint) {
	endpoint.SocketOptions().SetKeepAlive(true)
	idle, interval := tcpip.KeepaliveIdleOption(keepaliveIdle), tcpip.KeepaliveIntervalOption(keepaliveInterval)
	_ = endpoint.SetSockOpt(&idle)
	_ = endpoint.SetSockOpt(&interval)
	_ = endpoint.SetSockOptInt(tcpip.KeepaliveCountOption, keepaliveCount)
}

// ping sends an ICMPv6 echo request and waits for its answer.
func (s *netstack) ping(ctx context.Context) (time.Duration, error) {
	id, answered, ok := s.link.pings.begin()
	if !ok {
		return 0, errors.New("too many pings")
	}
	defer s.link.pings.end(id)
	sent := now()
	if !s.link.put(echoRequest(s.local, s.remote, id)) {
		return 0, errors.New("the tunnel is closed")
	}
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case at := <-answered:
		return at.since(sent), nil
	}
}

// echoRequest builds the whole IPv6 packet.
func echoRequest(local, remote tcpip.Address, id uint16) []byte {
	packet := make([]byte, header.IPv6MinimumSize+header.ICMPv6EchoMinimumSize+pingPayloadBytes)
	header.IPv6(packet).Encode(&header.IPv6Fields{
		PayloadLength:     uint16(len(packet) - header.IPv6MinimumSize),
		TransportProtocol: header.ICMPv6ProtocolNumber,
		HopLimit:          64,
		SrcAddr:           local,
		DstAddr:           remote,
	})
	icmp := header.ICMPv6(packet[header.IPv6MinimumSize:])
	icmp.SetType(header.ICMPv6EchoRequest)
	icmp.SetIdent(id)
	icmp.SetSequence(1)
	icmp.SetChecksum(header.ICMPv6Checksum(header.ICMPv6ChecksumParams{Header: icmp, Src: local, Dst: remote}))
	return packet
}

// randomPort picks a port of the ephemeral range (Linux's default range).
func randomPort() uint16 { return uint16(32768 + rand.IntN(60999-32768+1)) }

package fakeguest

import (
	"context"
	"errors"
	"net/netip"
	"os"

	"golang.zx2c4.com/wireguard/tun"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

// Stack is the guest's TCP/IP, which may open what it likes. (The module's own netstack has a race
// between its close and its writers.)
type Stack struct {
	stack  *stack.Stack
	link   *channel.Endpoint
	events chan tun.Event
	ctx    context.Context
	cancel context.CancelFunc
	mtu    int
}

const nic = 1

func newStack(address netip.Addr, mtu int) (*Stack, error) {
	s := &Stack{
		stack: stack.New(stack.Options{
			NetworkProtocols: []stack.NetworkProtocolFactory{ipv6.NewProtocol},
			TransportProtocols: []stack.TransportProtocolFactory{
				tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol6,
			},
		}),
		link:   channel.New(1024, uint32(mtu), ""),
		events: make(chan tun.Event),
		mtu:    mtu,
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	sack := tcpip.TCPSACKEnabled(true)
	s.stack.SetTransportProtocolOption(tcp.ProtocolNumber, &sack)
	if err := s.stack.CreateNIC(nic, s.link); err != nil {
		return nil, errors.New(err.String())
	}
	protocolAddress := tcpip.ProtocolAddress{
		Protocol: ipv6.ProtocolNumber, AddressWithPrefix: tcpip.AddrFrom16(address.As16()).WithPrefix(),
	}
	if err := s.stack.AddProtocolAddress(nic, protocolAddress, stack.AddressProperties{}); err != nil {
		return nil, errors.New(err.String())
	}
	s.stack.AddRoute(tcpip.Route{Destination: header.IPv6EmptySubnet, NIC: nic})
	return s, nil
}

// Listen opens a TCP port of the guest.
func (s *Stack) Listen(port uint16) (*gonet.TCPListener, error) {
	return gonet.ListenTCP(s.stack, tcpip.FullAddress{NIC: nic, Port: port}, ipv6.ProtocolNumber)
}

// Dial connects to an address by TCP.
func (s *Stack) Dial(ctx context.Context, to netip.AddrPort) (*gonet.TCPConn, error) {
	return gonet.DialContextTCP(ctx, s.stack, fullAddress(to), ipv6.ProtocolNumber)
}

// DialUDP returns a connected UDP socket.
func (s *Stack) DialUDP(to netip.AddrPort) (*gonet.UDPConn, error) {
	remote := fullAddress(to)
	return gonet.DialUDP(s.stack, nil, &remote, ipv6.ProtocolNumber)
}

// Send puts a whole IPv6 packet on the guest's wire.
func (s *Stack) Send(packet []byte) {
	var list stack.PacketBufferList
	list.PushBack(stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(packet)}))
	s.link.WritePackets(list)
}

func fullAddress(to netip.AddrPort) tcpip.FullAddress {
	return tcpip.FullAddress{NIC: nic, Addr: tcpip.AddrFrom16(to.Addr().As16()), Port: to.Port()}
}

func (s *Stack) destroy() {
	s.cancel()
	s.stack.Destroy()
	s.link.Close()
}

// stackTun is the stack as the WireGuard device sees it.
type stackTun struct{ *Stack }

func (t stackTun) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	packet := t.link.ReadContext(t.ctx)
	if packet == nil {
		return 0, os.ErrClosed
	}
	view := packet.ToView()
	packet.DecRef()
	n, err := view.Read(bufs[0][offset:])
	sizes[0] = n
	return 1, err
}

func (t stackTun) Write(bufs [][]byte, offset int) (int, error) {
	for _, buf := range bufs {
		packet := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(buf[offset:])})
		t.link.InjectInbound(ipv6.ProtocolNumber, packet)
		packet.DecRef()
	}
	return len(bufs), nil
}

func (t stackTun) Close() error {
	t.cancel()
	close(t.events)
	return nil
}

func (t stackTun) File() *os.File           { return nil }
func (t stackTun) MTU() (int, error)        { return t.mtu, nil }
func (t stackTun) Name() (string, error)    { return "guest", nil }
func (t stackTun) Events() <-chan tun.Event { return t.events }
func (t stackTun) BatchSize() int           { return 1 }

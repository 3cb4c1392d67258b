package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// sockets are the one UDP port of a node: an IPv4 and an IPv6 socket on the same number, because a NAT
// mapping belongs to one socket. IPv6 may be absent.
type sockets struct {
	port   uint16
	v4, v6 *socket
}

type socket struct {
	exit
	conn *net.UDPConn
}

// openSockets binds the port in both families; port 0 finds one that is free in both.
func openSockets(port uint16) (*sockets, error) {
	for attempt := 1; ; attempt++ {
		s, err := bindPort(port)
		if err == nil || port != 0 || attempt == portAttemptsMax || !errors.Is(err, syscall.EADDRINUSE) {
			return s, err
		}
	}
}

func bindPort(port uint16) (*sockets, error) {
	v4, err := listen("udp4", net.IPv4zero, port)
	if err != nil {
		return nil, err
	}
	bound := uint16(v4.conn.LocalAddr().(*net.UDPAddr).Port)
	v6, err := listen("udp6", net.IPv6zero, bound)
	if err != nil && !withoutIPv6(err) {
		v4.conn.Close()
		return nil, err
	}
	return &sockets{port: bound, v4: v4, v6: v6}, nil
}

// withoutIPv6 tells a system without IPv6 from a port that is taken.
func withoutIPv6(err error) bool {
	return errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EADDRNOTAVAIL) ||
		errors.Is(err, syscall.EPROTONOSUPPORT)
}

func listen(network string, ip net.IP, port uint16) (*socket, error) {
	conn, err := net.ListenUDP(network, &net.UDPAddr{IP: ip, Port: int(port)})
	if err != nil {
		return nil, err
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		conn.Close()
		return nil, err
	}
	s := &socket{conn: conn, exit: exit{raw: raw}}
	s.detectSegments()
	s.enlargeBuffers()
	s.askForLocal(network)
	s.letFragment(network)
	return s, nil
}

// enlargeBuffers asks for large buffers, beyond the system's limit where this process may. Failure is
// no error: smaller buffers only drop earlier.
func (s *socket) enlargeBuffers() {
	_ = s.raw.Control(func(fd uintptr) {
		setBuffer(int(fd), syscall.SO_RCVBUFFORCE, syscall.SO_RCVBUF)
		setBuffer(int(fd), syscall.SO_SNDBUFFORCE, syscall.SO_SNDBUF)
	})
}

// askForLocal lets every message say at which of our addresses it came. Where the system cannot, the
// kernel chooses from where the answer goes.
func (s *socket) askForLocal(network string) {
	_ = s.raw.Control(func(fd uintptr) {
		if network == "udp4" {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
			return
		}
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
	})
}

// letFragment lets IPv4 datagrams that are larger than a link be cut on the way (no DF bit), as the
// kernel's own WireGuard does: where ICMP is lost, nobody would learn that they are too large. IPv6 has no
// such choice: there the kernel cuts what it has learned to be too large.
func (s *socket) letFragment(network string) {
	if network != "udp4" {
		return
	}
	_ = s.raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DONT)
	})
}

func setBuffer(fd, force, plain int) {
	if syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, force, socketBufferBytes) != nil {
		_ = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, plain, socketBufferBytes)
	}
}

// each calls f for every socket there is.
func (s *sockets) each(f func(*socket)) {
	f(s.v4)
	if s.v6 != nil {
		f(s.v6)
	}
}

// hurry ends every wait for room.
func (s *sockets) hurry() { s.each(func(one *socket) { one.closing.Store(true) }) }

func (s *sockets) close() { s.each(func(one *socket) { one.conn.Close() }) }

// outbox gathers datagrams by family and sends them in batches. It belongs to one goroutine. Headers
// are copied, payloads are not: they must live until flush.
type outbox struct {
	node     *node
	patience patience
	v4, v6   lane
}

type lane struct {
	batch [laneMax]outgoing
	count int
}

// isFull says whether the next slot would have to flush.
func (o *outbox) isFull() bool { return o.v4.count == laneMax || o.v6.count == laneMax }

// slot returns room for one more datagram to that address; flush sends it.
func (o *outbox) slot(to netip.AddrPort) *outgoing {
	l := &o.v4
	if to.Addr().Is6() {
		l = &o.v6
	}
	if l.count == laneMax {
		o.flush()
	}
	out := &l.batch[l.count]
	l.count++
	out.to, out.source, out.headerLen, out.ttl = hop{remote: to}, nil, 0, 0
	return out
}

// slotFrom is the same for an address that may know us by one of ours.
func (o *outbox) slotFrom(to netip.AddrPort, source *source) *outgoing {
	out := o.slot(to)
	if source != nil {
		out.source, out.to.local = source, source.local()
	}
	return out
}

func (o *outbox) flush() {
	o.flushLane(o.node.sockets.v4, &o.v4)
	o.flushLane(o.node.sockets.v6, &o.v6)
}

func (o *outbox) flushLane(s *socket, l *lane) {
	count := l.count
	l.count = 0
	switch {
	case count == 0:
	case s == nil:
		o.node.drops.countMany(dropSendFailed, count)
	default:
		// The only error is that of a socket closed by close: nothing is left to be sent.
		_ = s.write(l.batch[:count], o.patience, o.node.sendFailed)
	}
	for i := range l.batch[:count] {
		l.batch[i].payload, l.batch[i].source = nil, nil
	}
}

// sendFailed counts datagrams that the system refused, and tells to whom. ICMP errors, a firewall
// (EPERM), a missing route: none of them says anything about the socket, which lives on.
func (n *node) sendFailed(errno syscall.Errno, datagrams int, to netip.AddrPort) {
	if errno == syscall.ENOBUFS || errno == syscall.EAGAIN {
		n.drops.countMany(dropSendBuffer, datagrams)
		return
	}
	n.drops.countMany(dropSendFailed, datagrams)
	if n.refusals.isNews(to) {
		n.mail.event("send-failed", to, map[string]any{"address": to.String(), "message": errno.Error()})
	}
}

// refusalNews says which refusals are worth an event: each address once in refusalPause, and not more than
// refusalsMax addresses. Which addresses there are, peers decide too.
type refusalNews struct {
	mu    sync.Mutex
	since instant
	told  map[netip.AddrPort]struct{}
}

func (r *refusalNews) isNews(to netip.AddrPort) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at := now(); r.told == nil || at.since(r.since) > refusalPause {
		r.since, r.told = at, map[netip.AddrPort]struct{}{}
	}
	if _, known := r.told[to]; known || len(r.told) >= refusalsMax {
		return false
	}
	r.told[to] = struct{}{}
	return true
}

// openError puts a failed bind in the words of the contract.
func openError(port uint16, err error) *opError {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fail("port-taken", fmt.Sprintf("UDP port %d is taken by another program", port))
	}
	if errors.Is(err, syscall.EACCES) {
		return fail("unsupported", fmt.Sprintf("UDP port %d may not be opened by this user", port))
	}
	return fail("internal", "cannot open the UDP port: "+err.Error())
}

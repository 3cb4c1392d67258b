package main

import (
	"net/netip"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// A host may have several addresses, and who sent to one of them takes an answer from that one only: a
// path, a NAT's mapping and a firewall's state are between two addresses. So the local address at which
// a remote one reached us is kept, and given as the source of what goes back (IP_PKTINFO, as in
// wireguard-go's own bind); but only where the kernel would choose another one, so that a host with one
// address, or one that moves, is as free as ever.

// hop is one step of a datagram: to whom, and from which of our addresses, where that matters.
type hop struct {
	remote netip.AddrPort
	local  netip.Addr // not valid: the kernel chooses
}

// source is the local address that one remote address knows us by. Safe for concurrent use.
type source struct{ known atomic.Pointer[knownSource] }

type knownSource struct {
	local  netip.Addr
	pinned bool // the kernel would choose another one
}

// learn notes that the remote address reached us at a local one.
func (s *source) learn(remote netip.AddrPort, local netip.Addr) {
	if !local.IsValid() {
		return
	}
	if known := s.known.Load(); known != nil && known.local == local {
		return
	}
	s.known.Store(&knownSource{local, local != kernelsChoice(remote)})
}

// learnFirst notes where a remote address reached us, as long as nothing is known: what came may be forged.
func (s *source) learnFirst(remote netip.AddrPort, local netip.Addr) {
	if s.known.Load() == nil {
		s.learn(remote, local)
	}
}

// local is the address to send from, not valid where the kernel may choose.
func (s *source) local() netip.Addr {
	if known := s.known.Load(); known != nil && known.pinned {
		return known.local
	}
	return netip.Addr{}
}

// forget lets the kernel choose again: the address is gone, or nothing comes back to it.
func (s *source) forget() { s.known.Store(nil) }

// kernelsChoice is the address from which the kernel would send there.
func kernelsChoice(remote netip.AddrPort) netip.Addr {
	family, to := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Port: int(remote.Port()), Addr: remote.Addr().As16()})
	if remote.Addr().Is4() {
		family, to = unix.AF_INET, &unix.SockaddrInet4{Port: int(remote.Port()), Addr: remote.Addr().As4()}
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return netip.Addr{}
	}
	defer unix.Close(fd)
	if unix.Connect(fd, to) != nil {
		return netip.Addr{}
	}
	switch own, _ := unix.Getsockname(fd); own := own.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrFrom4(own.Addr)
	case *unix.SockaddrInet6:
		return netip.AddrFrom16(own.Addr)
	}
	return netip.Addr{}
}

// sources are those of remote addresses that are on no peer's path, of the latest ones only: two
// generations, of which the older goes when the younger is full.
type sources struct {
	mu         sync.Mutex
	young, old map[netip.AddrPort]*source
}

// at is the source of a remote address, made where there is none.
func (s *sources) at(remote netip.AddrPort) *source {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.find(remote)
	if one == nil {
		if s.young == nil || len(s.young) >= sourcesMax {
			s.old, s.young = s.young, map[netip.AddrPort]*source{}
		}
		one = &source{}
		s.young[remote] = one
	}
	return one
}

func (s *sources) of(remote netip.AddrPort) *source {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.find(remote)
}

func (s *sources) find(remote netip.AddrPort) *source {
	if one := s.young[remote]; one != nil {
		return one
	}
	return s.old[remote]
}

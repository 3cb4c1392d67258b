package main

import (
	"net/netip"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Batched datagrams by recvmmsg(2) and sendmmsg(2), without an allocation per datagram (the batches of
// golang.org/x/net make a net.UDPAddr for each.) The calls never wait, so they keep their processor
// (RawSyscall): handing it over and back cost a third of what a relay can forward (measured). Waiting is
// left to Go's poller, so closing the connection ends every wait.

// mmsghdr is struct mmsghdr of 64-bit Linux.
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
	_   [4]byte
}

// receiver holds the buffers of one receiving goroutine, for UDP or Unix datagrams.
type receiver struct {
	raw    syscall.RawConn
	hdrs   [batchMax]mmsghdr
	iovs   [batchMax]unix.Iovec
	names  [batchMax]unix.RawSockaddrInet6
	memory []byte
	count  int
	errno  syscall.Errno
	try    func(fd uintptr) bool
}

func newReceiver(raw syscall.RawConn) *receiver {
	r := &receiver{raw: raw, memory: make([]byte, batchMax*datagramBytesMax)}
	for i := range r.hdrs {
		r.iovs[i].Base = &r.memory[i*datagramBytesMax]
		r.iovs[i].SetLen(datagramBytesMax)
		r.hdrs[i].hdr.Iov = &r.iovs[i]
		r.hdrs[i].hdr.SetIovlen(1)
		r.hdrs[i].hdr.Name = (*byte)(unsafe.Pointer(&r.names[i]))
	}
	r.try = r.receive
	return r
}

// receive is called by the poller until it returns true.
func (r *receiver) receive(fd uintptr) bool {
	for i := range r.hdrs {
		r.hdrs[i].hdr.Namelen = unix.SizeofSockaddrInet6
	}
	n, _, errno := syscall.RawSyscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&r.hdrs[0])),
		batchMax, unix.MSG_DONTWAIT, 0, 0)
	if errno == syscall.EAGAIN || errno == syscall.EINTR {
		return false
	}
	r.count, r.errno = int(n), errno
	return true
}

// next waits for datagrams and returns how many there are. The buffers hold until the next call.
func (r *receiver) next() (int, error) {
	if err := r.raw.Read(r.try); err != nil {
		return 0, err
	}
	if r.errno != 0 {
		return 0, r.errno
	}
	return r.count, nil
}

// bytes returns the i-th datagram and whether it is whole.
func (r *receiver) bytes(i int) (data []byte, whole bool) {
	start := i * datagramBytesMax
	data = r.memory[start : start+int(r.hdrs[i].len) : start+datagramBytesMax]
	return data, r.hdrs[i].hdr.Flags&unix.MSG_TRUNC == 0
}

// source returns where the i-th datagram came from.
func (r *receiver) source(i int) netip.AddrPort { return addressOf(&r.names[i]) }

func addressOf(name *unix.RawSockaddrInet6) netip.AddrPort {
	port := name.Port>>8 | name.Port<<8
	if name.Family == unix.AF_INET {
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		return netip.AddrPortFrom(netip.AddrFrom4(v4.Addr), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom16(name.Addr).Unmap(), port)
}

// sender holds the headers of one batch on its way out; a pool shares them between goroutines.
type sender struct {
	hdrs     [batchMax]mmsghdr
	iovs     [2 * batchMax]unix.Iovec
	names    [batchMax]unix.RawSockaddrInet6
	controls [batchMax][controlBytes]byte
	count    int
	done     int
	patient  bool
	failed   func(errno syscall.Errno)
	try      func(fd uintptr) bool
}

// controlBytes holds one cmsghdr and an int, aligned.
const controlBytes = 24

var senders = sync.Pool{New: func() any {
	s := &sender{}
	s.try = s.send
	for i := range s.hdrs {
		s.hdrs[i].hdr.Name = (*byte)(unsafe.Pointer(&s.names[i]))
		s.hdrs[i].hdr.Iov = &s.iovs[2*i]
	}
	return s
}}

// writeBatch sends up to batchMax datagrams. A datagram that the system refuses is reported to failed
// and skipped: no single destination may stop the others. Where the socket's buffer is full, a patient
// batch waits and another one loses the rest. The error is only that of a closed socket.
func writeBatch(raw syscall.RawConn, batch []outgoing, patient bool, failed func(syscall.Errno)) error {
	s := senders.Get().(*sender)
	for i := range batch {
		s.put(i, &batch[i])
	}
	s.count, s.done, s.patient, s.failed = len(batch), 0, patient, failed
	err := raw.Write(s.try)
	s.failed = nil
	for i := range s.iovs[:2*len(batch)] {
		s.iovs[i].Base = nil
	}
	senders.Put(s)
	return err
}

func (s *sender) put(i int, out *outgoing) {
	hdr := &s.hdrs[i].hdr
	iovs := s.iovs[2*i : 2*i+2]
	n := 0
	if out.headerLen > 0 {
		iovs[0].Base = &out.header[0]
		iovs[0].SetLen(int(out.headerLen))
		n = 1
	}
	if len(out.payload) > 0 {
		iovs[n].Base = &out.payload[0]
		iovs[n].SetLen(len(out.payload))
		n++
	}
	hdr.SetIovlen(n)
	hdr.Namelen = 0 // of a connected socket
	if out.to.IsValid() {
		hdr.Namelen = putAddress(&s.names[i], out.to)
	}
	hdr.Control = nil
	hdr.SetControllen(0)
	if out.ttl > 0 {
		s.putTTL(i, out)
	}
}

// putTTL adds the control message that sets time to live (IPv4) or hop limit (IPv6) of one datagram.
func (s *sender) putTTL(i int, out *outgoing) {
	control := &s.controls[i]
	cmsg := (*unix.Cmsghdr)(unsafe.Pointer(&control[0]))
	cmsg.Level, cmsg.Type = unix.IPPROTO_IPV6, unix.IPV6_HOPLIMIT
	if out.to.Addr().Is4() {
		cmsg.Level, cmsg.Type = unix.IPPROTO_IP, unix.IP_TTL
	}
	cmsg.SetLen(unix.CmsgLen(4))
	*(*int32)(unsafe.Pointer(&control[unix.CmsgLen(0)])) = int32(out.ttl)
	hdr := &s.hdrs[i].hdr
	hdr.Control = &control[0]
	hdr.SetControllen(unix.CmsgSpace(4))
}

func putAddress(name *unix.RawSockaddrInet6, to netip.AddrPort) uint32 {
	port := to.Port()>>8 | to.Port()<<8
	if to.Addr().Is4() {
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		*v4 = unix.RawSockaddrInet4{Family: unix.AF_INET, Port: port, Addr: to.Addr().As4()}
		return unix.SizeofSockaddrInet4
	}
	*name = unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: port, Addr: to.Addr().As16()}
	return unix.SizeofSockaddrInet6
}

// send is called by the poller until it returns true.
func (s *sender) send(fd uintptr) bool {
	for s.done < s.count {
		n, _, errno := syscall.RawSyscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&s.hdrs[s.done])),
			uintptr(s.count-s.done), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		switch {
		case errno == 0:
			s.done += int(n)
		case errno == syscall.EINTR:
		case errno == syscall.EAGAIN && s.patient:
			return false
		default:
			s.failed(errno)
			s.done++
		}
	}
	return true
}

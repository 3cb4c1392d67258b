package main

import (
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Batched datagrams by recvmmsg(2) and sendmmsg(2) (transmit.go), without an allocation per datagram.
// (The batches of golang.org/x/net make a net.UDPAddr for each.) The calls never wait, so they keep
// their processor (RawSyscall): handing it over and back cost a third of what a relay can forward
// (measured). Waiting is left to Go's poller, so closing the connection ends every wait.
//
// Where the system can, datagrams of one flow and of one size come and go as one large buffer (UDP_GRO,
// UDP_SEGMENT): the kernel walks its layers once for up to 64 of them.

// mmsghdr is struct mmsghdr of 64-bit Linux.
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
	_   [4]byte
}

// controlBytes holds, aligned, a cmsghdr with an int and one with an in6_pktinfo.
const controlBytes = 64

// receiver holds the buffers of one receiving goroutine, for UDP or Unix datagrams.
type receiver struct {
	raw      syscall.RawConn
	hdrs     [batchMax]mmsghdr
	iovs     [batchMax]unix.Iovec
	names    [batchMax]unix.RawSockaddrInet6
	controls [batchMax][controlBytes]byte
	memory   []byte
	slots    int // messages per call
	room     int // bytes per message
	count    int
	errno    syscall.Errno
	try      func(fd uintptr) bool
}

// newReceiver receives datagrams one by one.
func newReceiver(raw syscall.RawConn) *receiver {
	return makeReceiver(raw, batchMax, datagramBytesMax)
}

// newMergingReceiver receives from a UDP socket, merged where the system can.
func newMergingReceiver(raw syscall.RawConn) *receiver {
	merges := false
	_ = raw.Control(func(fd uintptr) {
		merges = unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_GRO, 1) == nil
	})
	if !merges {
		return newReceiver(raw)
	}
	return makeReceiver(raw, mergedBatchMax, mergedBytesMax)
}

func makeReceiver(raw syscall.RawConn, slots, room int) *receiver {
	r := &receiver{raw: raw, memory: make([]byte, slots*room), slots: slots, room: room}
	for i := range slots {
		r.iovs[i].Base = &r.memory[i*room]
		r.iovs[i].SetLen(room)
		r.hdrs[i].hdr.Iov = &r.iovs[i]
		r.hdrs[i].hdr.SetIovlen(1)
		r.hdrs[i].hdr.Name = (*byte)(unsafe.Pointer(&r.names[i]))
		r.hdrs[i].hdr.Control = &r.controls[i][0]
	}
	r.try = r.receive
	return r
}

// receive is called by the poller until it returns true.
func (r *receiver) receive(fd uintptr) bool {
	for i := range r.slots {
		r.hdrs[i].hdr.Namelen = unix.SizeofSockaddrInet6
		r.hdrs[i].hdr.SetControllen(controlBytes)
	}
	n, _, errno := syscall.RawSyscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&r.hdrs[0])),
		uintptr(r.slots), unix.MSG_DONTWAIT, 0, 0)
	if errno == syscall.EAGAIN || errno == syscall.EINTR {
		return false
	}
	r.count, r.errno = int(n), errno
	return true
}

// next waits for messages and returns how many there are. The buffers hold until the next call.
func (r *receiver) next() (int, error) {
	if err := r.raw.Read(r.try); err != nil {
		return 0, err
	}
	if r.errno != 0 {
		return 0, r.errno
	}
	return r.count, nil
}

// bytes returns the i-th message and whether it is whole.
func (r *receiver) bytes(i int) (data []byte, whole bool) {
	start := i * r.room
	data = r.memory[start : start+int(r.hdrs[i].len) : start+r.room]
	return data, r.hdrs[i].hdr.Flags&unix.MSG_TRUNC == 0
}

// ancillary returns the size of the datagrams in the i-th message, of which the last may be shorter, and
// to which of our addresses they came, as far as the system says.
func (r *receiver) ancillary(i int) (segment int, local netip.Addr) {
	segment = int(r.hdrs[i].len)
	control, length := &r.controls[i], int(min(r.hdrs[i].hdr.Controllen, controlBytes))
	for at := 0; at+unix.SizeofCmsghdr <= length; {
		cmsg := (*unix.Cmsghdr)(unsafe.Pointer(&control[at]))
		size := int(cmsg.Len)
		if size < unix.SizeofCmsghdr || at+size > length {
			break
		}
		data := control[at+unix.CmsgLen(0) : at+size]
		switch {
		case cmsg.Level == unix.IPPROTO_UDP && cmsg.Type == unix.UDP_GRO && len(data) >= 4:
			segment = int(*(*int32)(unsafe.Pointer(&data[0])))
		case cmsg.Level == unix.IPPROTO_IP && cmsg.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			local = netip.AddrFrom4((*unix.Inet4Pktinfo)(unsafe.Pointer(&data[0])).Spec_dst)
		case cmsg.Level == unix.IPPROTO_IPV6 && cmsg.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			local = netip.AddrFrom16((*unix.Inet6Pktinfo)(unsafe.Pointer(&data[0])).Addr)
		}
		at += unix.CmsgSpace(size - unix.CmsgLen(0))
	}
	return segment, local
}

// source returns where the i-th message came from.
func (r *receiver) source(i int) netip.AddrPort {
	name := &r.names[i]
	port := name.Port>>8 | name.Port<<8
	if name.Family == unix.AF_INET {
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		return netip.AddrPortFrom(netip.AddrFrom4(v4.Addr), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom16(name.Addr).Unmap(), port)
}

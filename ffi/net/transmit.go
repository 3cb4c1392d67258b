package main

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// outgoing is one datagram on its way out: an optional header of ours, then the payload.
type outgoing struct {
	to        hop     // the remote not valid: a connected socket
	source    *source // that forgets the local address when it is gone; may be nil
	payload   []byte
	header    [relayBytes + tunnelBytes]byte
	headerLen uint8
	ttl       uint8 // 0: the system's default
}

func (o *outgoing) bytes() int { return int(o.headerLen) + len(o.payload) }

// exit is where datagrams leave: a socket, and whether it can take many as one.
type exit struct {
	raw      syscall.RawConn
	segments atomic.Bool
	closing  atomic.Bool // nobody waits for room any more
}

// patience is how long a batch may wait for room in the socket's buffer, and what ends the wait. The zero
// value waits for nothing. Nobody who holds a lock, receives, or serves JavaScript's thread may wait.
type patience struct {
	most time.Duration
	quit *atomic.Bool // may be nil
}

func (p patience) isOver(since instant) bool {
	return now().since(since) >= p.most || (p.quit != nil && p.quit.Load())
}

// detectSegments finds out whether the socket can cut large buffers into datagrams.
func (e *exit) detectSegments() {
	_ = e.raw.Control(func(fd uintptr) {
		_, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT)
		e.segments.Store(err == nil)
	})
}

// sender holds the headers of one batch on its way out; a pool shares them between goroutines.
type sender struct {
	hdrs     [batchMax]mmsghdr
	iovs     [2 * laneMax]unix.Iovec
	names    [batchMax]unix.RawSockaddrInet6
	controls [batchMax][controlBytes]byte
	first    [batchMax + 1]int // of each message, its first datagram in the batch
	sourced  [batchMax]bool    // of each message, whether it names the address to leave from
	count    int               // of messages
	usedIovs int
	done     int
	full     bool // the socket's buffer has no room
	failed   sendFailure
	batch    []outgoing
	again    [batchMax]refusal // messages to be sent again, otherwise
	agains   int
	try      func(fd uintptr)
}

// sendFailure takes what the system did not: why, how many datagrams, and to whom the first of them was.
type sendFailure func(errno syscall.Errno, datagrams int, to netip.AddrPort)

// refusal is a message that the system would not cut, or send from that address.
type refusal struct {
	message int
	errno   syscall.Errno
}

var senders = sync.Pool{New: func() any {
	s := &sender{}
	s.try = s.send
	for i := range s.hdrs {
		s.hdrs[i].hdr.Name = (*byte)(unsafe.Pointer(&s.names[i]))
	}
	return s
}}

// write sends datagrams in their order. One that the system refuses is reported to failed and skipped:
// no single destination may stop the others. Where the socket's buffer is full, the batch waits as long
// as it may, and loses the rest. The error is only that of a closed socket.
//
// Writers do not exclude each other (RawConn.Write would, for as long as one waits).
func (e *exit) write(batch []outgoing, patience patience, failed sendFailure) error {
	return e.writeAs(batch, patience, failed, e.segments.Load())
}

func (e *exit) writeAs(batch []outgoing, patience patience, failed sendFailure, cut bool) error {
	s := senders.Get().(*sender)
	defer senders.Put(s)
	for len(batch) > 0 {
		s.fill(batch, cut)
		s.done, s.agains, s.failed, s.batch = 0, 0, failed, batch
		err := e.sendAll(s, patience)
		s.release()
		if err != nil {
			return err
		}
		if err := e.writeAgain(s, batch, patience); err != nil {
			return err
		}
		batch = batch[s.first[s.count]:]
	}
	return nil
}

// sendAll sends the messages, or loses those for which there is no room in time.
func (e *exit) sendAll(s *sender, patience patience) error {
	if err := e.raw.Control(s.try); err != nil || !s.full {
		return err
	}
	for since := now(); s.full; {
		if e.closing.Load() || patience.isOver(since) {
			s.lost(syscall.EAGAIN, s.first[s.count]-s.first[s.done])
			return nil
		}
		if err := e.raw.Control(awaitRoom); err != nil {
			return err
		}
		if err := e.raw.Control(s.try); err != nil {
			return err
		}
	}
	return nil
}

// awaitRoom waits until the socket takes more, but not for long: then its owner looks whether to go on.
func awaitRoom(fd uintptr) {
	ready := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	_, _ = unix.Poll(ready, int(roomLook.Milliseconds())) // whatever it says, the next try tells
}

// writeAgain sends one by one what the system would not cut: its device cannot, or a datagram is larger
// than the path's MTU; and from any address what it would not send from the one that was named.
func (e *exit) writeAgain(s *sender, batch []outgoing, patience patience) error {
	for _, refused := range s.again[:s.agains] {
		part := batch[s.first[refused.message]:s.first[refused.message+1]]
		switch {
		case len(part) == 1:
			part[0].forgetSource()
		case refused.errno == syscall.EIO:
			e.segments.Store(false) // the device computes no checksums: it never will
		}
		if err := e.writeAs(part, patience, s.failed, false); err != nil {
			return err
		}
	}
	return nil
}

func (o *outgoing) forgetSource() {
	o.to.local = netip.Addr{}
	if o.source != nil {
		o.source.forget()
	}
}

// lost reports datagrams from the next message on.
func (s *sender) lost(errno syscall.Errno, datagrams int) {
	s.failed(errno, datagrams, s.batch[s.first[s.done]].to.remote)
}

// release drops the references to payloads.
func (s *sender) release() {
	s.batch = nil
	for i := range s.iovs[:s.usedIovs] {
		s.iovs[i].Base = nil
	}
}

// fill makes messages of the batch, or of as much as fits.
func (s *sender) fill(batch []outgoing, cut bool) {
	s.count, s.usedIovs = 0, 0
	at := 0
	for at < len(batch) && s.count < batchMax && s.usedIovs+2 <= len(s.iovs) {
		s.first[s.count] = at
		n := 1
		if cut {
			n = runOf(batch[at:])
		}
		n = min(n, (len(s.iovs)-s.usedIovs)/2)
		s.put(batch[at : at+n])
		at += n
	}
	s.first[s.count] = at
}

// runOf is the number of datagrams at the front that may leave as one buffer: to one address, of one
// size but for the last.
func runOf(batch []outgoing) int {
	size, total := batch[0].bytes(), batch[0].bytes()
	if batch[0].ttl != 0 || !batch[0].to.remote.IsValid() {
		return 1
	}
	n := 1
	for n < min(len(batch), segmentsMax) {
		next := &batch[n]
		bytes := next.bytes()
		total += bytes
		if next.to != batch[0].to || next.ttl != 0 || bytes > size || total > segmentBytesMax {
			break
		}
		n++
		if bytes < size {
			break
		}
	}
	return n
}

// put makes one message of one or more datagrams.
func (s *sender) put(run []outgoing) {
	i := s.count
	s.count++
	hdr := &s.hdrs[i].hdr
	hdr.Iov = &s.iovs[s.usedIovs]
	begin := s.usedIovs
	for j := range run {
		out := &run[j]
		s.putBytes(&out.header[0], int(out.headerLen))
		s.putBytes(unsafe.SliceData(out.payload), len(out.payload))
	}
	hdr.SetIovlen(s.usedIovs - begin)
	hdr.Namelen = 0
	if run[0].to.remote.IsValid() {
		hdr.Namelen = putAddress(&s.names[i], run[0].to.remote)
	}
	s.putControl(i, run)
}

// putBytes adds bytes to the message.
func (s *sender) putBytes(base *byte, length int) {
	if length == 0 {
		return
	}
	s.iovs[s.usedIovs].Base = base
	s.iovs[s.usedIovs].SetLen(length)
	s.usedIovs++
}

// putControl sets what the message needs: the size to cut it by, or a time to live (hop limit in IPv6);
// and the address to leave from.
func (s *sender) putControl(i int, run []outgoing) {
	control, used := &s.controls[i], 0
	v4 := run[0].to.remote.Addr().Is4()
	switch {
	case len(run) > 1:
		data := putMessage(control, &used, unix.IPPROTO_UDP, unix.UDP_SEGMENT, 2)
		*(*uint16)(data) = uint16(run[0].bytes())
	case run[0].ttl > 0 && v4:
		*(*int32)(putMessage(control, &used, unix.IPPROTO_IP, unix.IP_TTL, 4)) = int32(run[0].ttl)
	case run[0].ttl > 0:
		*(*int32)(putMessage(control, &used, unix.IPPROTO_IPV6, unix.IPV6_HOPLIMIT, 4)) = int32(run[0].ttl)
	}
	switch local := run[0].to.local; {
	case local.Is4() && v4:
		data := putMessage(control, &used, unix.IPPROTO_IP, unix.IP_PKTINFO, unix.SizeofInet4Pktinfo)
		*(*unix.Inet4Pktinfo)(data) = unix.Inet4Pktinfo{Spec_dst: local.As4()}
	case local.Is6() && !v4:
		data := putMessage(control, &used, unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo)
		*(*unix.Inet6Pktinfo)(data) = unix.Inet6Pktinfo{Addr: local.As16()}
	}
	hdr := &s.hdrs[i].hdr
	hdr.Control = nil
	if s.sourced[i] = run[0].to.local.IsValid(); used > 0 {
		hdr.Control = &control[0]
	}
	hdr.SetControllen(used)
}

// putMessage begins a control message behind those that are there; the caller fills in its data. The
// interface is never named: the route decides it.
func putMessage(control *[controlBytes]byte, used *int, level, kind int32, size int) unsafe.Pointer {
	cmsg := (*unix.Cmsghdr)(unsafe.Pointer(&control[*used]))
	cmsg.Level, cmsg.Type = level, kind
	cmsg.SetLen(unix.CmsgLen(size))
	data := unsafe.Pointer(&control[*used+unix.CmsgLen(0)])
	*used += unix.CmsgSpace(size)
	return data
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

// send sends until all is done or there is no room. It never waits.
func (s *sender) send(fd uintptr) {
	s.full = false
	for s.done < s.count {
		n, _, errno := syscall.RawSyscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&s.hdrs[s.done])),
			uintptr(s.count-s.done), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		switch {
		case errno == 0:
			s.done += int(n)
		case errno == syscall.EINTR:
		case errno == syscall.EAGAIN:
			s.full = true
			return
		default:
			s.refused(errno)
			s.done++
		}
	}
}

// refused notes a message that was not taken.
func (s *sender) refused(errno syscall.Errno) {
	datagrams := s.first[s.done+1] - s.first[s.done]
	wasCut := errno == syscall.EIO || errno == syscall.EINVAL || errno == syscall.EMSGSIZE
	if (datagrams > 1 && wasCut) || (s.sourced[s.done] && isOfSource(errno)) {
		s.again[s.agains] = refusal{s.done, errno}
		s.agains++
		return
	}
	s.lost(errno, datagrams)
}

// isOfSource says whether an error may mean that the address to leave from is gone: Linux says EINVAL,
// or that there is no route from it.
func isOfSource(errno syscall.Errno) bool {
	switch errno {
	case syscall.EINVAL, syscall.EADDRNOTAVAIL, syscall.ENETUNREACH:
		return true
	}
	return false
}

package main

import (
	"sync"
	"time"
)

// ring is a bounded queue of datagrams between the receiving goroutines and the inside of a tunnel.
// Full: the newcomer is dropped, and the caller counts it. It holds bursts that the kernel's buffer of
// an unprivileged process could not; their memory comes from a pool and goes back to it, so an idle
// tunnel holds next to nothing.
type ring struct {
	mu     sync.Mutex
	slots  [tunnelQueueMax]slot
	head   int
	count  int
	since  instant // when datagrams began to wait, or were last taken
	closed bool
	ready  chan struct{} // holds one token when there may be something, or the ring is closed
}

type slot struct {
	data   *[datagramBytesMax]byte
	length int
}

var slotData = sync.Pool{New: func() any { return new([datagramBytesMax]byte) }}

func newRing() *ring { return &ring{ready: make(chan struct{}, 1)} }

// push copies the datagrams in and returns how many had no room, and for how long nobody has taken any
// though some waited.
func (r *ring) push(datagrams [][]byte) (dropped int, stalled time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return 0, 0
	}
	at := now()
	if r.count > 0 {
		stalled = at.since(r.since)
	} else {
		r.since = at
	}
	room := tunnelQueueMax - r.count
	taken := datagrams[:min(room, len(datagrams))]
	for _, datagram := range taken {
		slot := &r.slots[(r.head+r.count)%tunnelQueueMax]
		slot.data = slotData.Get().(*[datagramBytesMax]byte)
		slot.length = copy(slot.data[:], datagram)
		r.count++
	}
	r.poke()
	return len(datagrams) - len(taken), stalled
}

func (r *ring) poke() {
	select {
	case r.ready <- struct{}{}:
	default:
	}
}

// pop waits for datagrams and copies up to len(bufs) of them out; ok is false when the ring is closed.
// A datagram that its buffer cannot hold is cut: buffers hold datagramBytesMax or more.
func (r *ring) pop(bufs [][]byte, sizes []int) (n int, ok bool) {
	for {
		n, closed := r.take(bufs, sizes)
		if closed {
			return 0, false
		}
		if n > 0 {
			return n, true
		}
		<-r.ready
	}
}

func (r *ring) take(bufs [][]byte, sizes []int) (n int, closed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		r.poke() // for a second reader, should there be one
		return 0, true
	}
	r.since = now()
	for n < len(bufs) && r.count > 0 {
		slot := &r.slots[r.head]
		sizes[n] = copy(bufs[n], slot.data[:slot.length])
		slotData.Put(slot.data)
		slot.data = nil
		r.head = (r.head + 1) % tunnelQueueMax
		r.count--
		n++
	}
	if r.count > 0 {
		r.poke()
	}
	return n, false
}

func (r *ring) close() {
	r.mu.Lock()
	r.closed = true
	r.slots = [tunnelQueueMax]slot{}
	r.poke()
	r.mu.Unlock()
}

// reopen makes a closed ring usable again, empty.
func (r *ring) reopen() {
	r.mu.Lock()
	r.closed, r.head, r.count = false, 0, 0
	r.mu.Unlock()
}

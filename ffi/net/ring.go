package main

import "sync"

// ring is a bounded queue of datagrams between the receiving goroutines and the inside of a tunnel.
// Full: the newcomer is dropped, and the caller counts it. Slots are made when they are first needed,
// so an idle tunnel costs nothing.
type ring struct {
	mu     sync.Mutex
	slots  [tunnelQueueMax][]byte
	head   int
	count  int
	closed bool
	ready  chan struct{} // holds one token when there may be something, or the ring is closed
}

func newRing() *ring { return &ring{ready: make(chan struct{}, 1)} }

// push copies the datagrams in and returns how many had no room.
func (r *ring) push(datagrams [][]byte) (dropped int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return 0
	}
	room := tunnelQueueMax - r.count
	taken := datagrams[:min(room, len(datagrams))]
	for _, datagram := range taken {
		slot := &r.slots[(r.head+r.count)%tunnelQueueMax]
		if *slot == nil {
			*slot = make([]byte, 0, datagramBytesMax)
		}
		*slot = append((*slot)[:0], datagram...)
		r.count++
	}
	r.poke()
	return len(datagrams) - len(taken)
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
	for n < len(bufs) && r.count > 0 {
		sizes[n] = copy(bufs[n], r.slots[r.head])
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
	r.slots = [tunnelQueueMax][]byte{}
	r.poke()
	r.mu.Unlock()
}

// reopen makes a closed ring usable again, empty.
func (r *ring) reopen() {
	r.mu.Lock()
	r.closed, r.head, r.count = false, 0, 0
	r.mu.Unlock()
}

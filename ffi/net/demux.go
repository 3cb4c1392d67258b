package main

import (
	"errors"
	"net"
	"net/netip"
	"time"
)

// startReceiving starts one goroutine per socket.
func (n *node) startReceiving() {
	n.sockets.each(func(s *socket) {
		n.running.Add(1)
		r := newMergingReceiver(s.raw)
		go func() {
			defer n.running.Done()
			for !n.shelter("receiving", func() { n.receive(r) }) {
				time.Sleep(receiveFailurePause) // a datagram that does it again and again must not burn a core
			}
		}()
	})
}

// receive demultiplexes until the socket is closed. Any other error is the network's (an ICMP message
// about some datagram), so it goes on, slowly if errors are all there is.
func (n *node) receive(r *receiver) {
	d := &demux{node: n, out: outbox{node: n}} // without patience: one full way out must not stop the others
	for failures := 0; ; {
		count, err := r.next()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			if failures++; failures > receiveFailuresMax {
				n.mail.event("socket-error", "", map[string]any{"message": err.Error()})
				time.Sleep(receiveFailurePause)
				failures = 0
			}
			continue
		}
		failures = 0
		d.batch(r, count)
	}
}

// demux is the state of one receiving goroutine.
type demux struct {
	node *node
	out  outbox
	at   instant // when this batch came

	// What is next: a message of the batch, and what of it was handed out.
	next, offset int

	// Tunnel datagrams of this batch, handed over in runs of one tunnel.
	run     [batchMax][]byte
	runLen  int
	runFor  *tunnel
	runSize int

	// The path of the last frame, for which the table need not be searched again.
	last      path
	lastState *pathState
}

// batch hands out the datagrams of one system call; forwarded ones leave before the buffers are reused.
func (d *demux) batch(r *receiver, count int) {
	d.at, d.next, d.offset = now(), 0, 0
	for more := true; more; {
		more = d.handOut(r, count)
		d.out.flush()
	}
}

// handOut hands out until all is done or the outbox is full, which is emptied without a lock.
func (d *demux) handOut(r *receiver, count int) (more bool) {
	d.node.tables.RLock()
	defer d.node.tables.RUnlock()
	defer d.endRun()
	d.last, d.lastState = path{}, nil
	for ; d.next < count; d.next++ {
		if more = d.message(r, d.next); more {
			return true
		}
		d.offset = 0
	}
	return false
}

// message hands out the datagrams of one message: one, or several that came merged.
func (d *demux) message(r *receiver, i int) (more bool) {
	data, whole := r.bytes(i)
	segment, local := r.ancillary(i)
	if !whole || segment > datagramBytesMax {
		d.node.drops.count(dropOversize)
		return false
	}
	from := hop{r.source(i), local}
	for {
		if d.out.isFull() {
			return true
		}
		end := min(d.offset+segment, len(data))
		if reason := d.dispatch(data[d.offset:end:end], from); reason != dropNone {
			d.node.drops.count(reason)
		}
		if d.offset = end; end == len(data) {
			return false
		}
	}
}

func (d *demux) dispatch(data []byte, from hop) dropReason {
	f, reason := parseFrame(data)
	if reason != dropNone {
		return reason
	}
	switch {
	case f.kind != kindRelay:
		return d.arrived(f, path{addr: from.remote}, from.local)
	case f.dir == toRelay:
		return d.forward(f, data, from)
	}
	inner, reason := parseFrame(f.payload)
	if reason != dropNone {
		return reason
	}
	return d.arrived(inner, path{addr: from.remote, session: f.id, relayed: true}, from.local)
}

// arrived takes a control or tunnel frame that came on that path to this address of the node.
func (d *demux) arrived(f frame, from path, local netip.Addr) dropReason {
	if f.kind == kindControl {
		return d.arrivedControl(f.payload, from, local)
	}
	t := d.node.tunnels[f.id]
	if t == nil {
		return dropNoTunnel
	}
	r := t.peer.routes.Load()
	if r == nil || !r.accepts(from) {
		t.early.keep(from, f.payload, d.at)
		return dropForeignPath
	}
	if state := d.stateOf(from); state != nil {
		state.received.Store(int64(d.at))
		state.source.learn(from.addr, local)
	}
	d.add(t, f.payload)
	return dropNone
}

// arrivedControl hands a control frame to TypeScript, unless it is for a session that there is not. It is
// no sign of the path's life: TypeScript says when one was authentic.
func (d *demux) arrivedControl(control []byte, from path, local netip.Addr) dropReason {
	receiver, named := receiverOf(control)
	if _, known := d.node.receivers[receiver]; named && !known {
		return dropNoReceiver
	}
	if named { // no stranger knows the number; a peer with another's address may, so it changes nothing
		d.sourceOf(from).learnFirst(from.addr, local)
	}
	d.node.mail.control(arrival{from, local}, receiver, control)
	return dropNone
}

func (d *demux) sourceOf(from path) *source {
	if state := d.stateOf(from); state != nil {
		return &state.source
	}
	return d.node.sources.at(from.addr)
}

// stateOf is the state of a path that some peer names, or nil.
func (d *demux) stateOf(of path) *pathState {
	if d.last != of {
		d.last, d.lastState = of, d.node.paths[of]
	}
	return d.lastState
}

// add puts a datagram to the run of its tunnel.
func (d *demux) add(t *tunnel, datagram []byte) {
	if d.runFor != t || d.runLen == len(d.run) {
		d.endRun()
		d.runFor = t
	}
	d.run[d.runLen] = datagram
	d.runLen++
	d.runSize += len(datagram)
}

// endRun hands the run over; the inside copies what it keeps.
func (d *demux) endRun() {
	if d.runLen == 0 {
		return
	}
	d.runFor.rxBytes.Add(uint64(d.runSize))
	d.runFor.inside.deliver(d.run[:d.runLen])
	d.runFor, d.runLen, d.runSize = nil, 0, 0
}

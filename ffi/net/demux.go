package main

import (
	"errors"
	"net"
	"net/netip"
	"time"
)

// startReceiving starts one goroutine per socket.
func (n *node) startReceiving() error {
	var failed error
	n.sockets.each(func(s *socket) {
		r, err := newReceiver(s.conn)
		if err != nil {
			failed = err
			return
		}
		n.running.Add(1)
		go n.receive(r)
	})
	return failed
}

// receive demultiplexes until the socket is closed. Any other error is the network's (an ICMP message
// about some datagram), so it goes on, slowly if errors are all there is.
func (n *node) receive(r *receiver) {
	defer n.running.Done()
	d := &demux{node: n, out: outbox{node: n, patient: true}}
	for failures := 0; ; {
		count, err := r.next()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			if failures++; failures > receiveFailuresMax {
				n.mail.event("socket-error", map[string]any{"message": err.Error()})
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
}

// batch hands out the datagrams of one system call; forwarded ones leave before the buffers are reused.
func (d *demux) batch(r *receiver, count int) {
	d.node.tables.RLock()
	for i := range count {
		data, from, whole := r.datagram(i)
		if !whole {
			d.node.drops.count(dropOversize)
			continue
		}
		if reason := d.dispatch(data, from); reason != dropNone {
			d.node.drops.count(reason)
		}
	}
	d.node.tables.RUnlock()
	d.out.flush()
}

func (d *demux) dispatch(data []byte, from netip.AddrPort) dropReason {
	f, reason := parseFrame(data)
	if reason != dropNone {
		return reason
	}
	switch f.kind {
	case kindControl:
		d.node.mail.control(path{addr: from}, f.payload)
		return dropNone
	case kindRelay:
		return d.relayed(f, from)
	default:
		return dropNoTunnel
	}
}

// relayed handles what comes from a relay to this node.
func (d *demux) relayed(f frame, from netip.AddrPort) dropReason {
	if f.dir == toRelay {
		return dropNoSession
	}
	inner, reason := parseFrame(f.payload)
	if reason != dropNone {
		return reason
	}
	via := path{addr: from, session: f.id, relayed: true}
	if inner.kind == kindControl {
		d.node.mail.control(via, inner.payload)
		return dropNone
	}
	return dropNoTunnel
}

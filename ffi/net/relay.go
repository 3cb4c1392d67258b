package main

import (
	"net/netip"
	"sync/atomic"
	"time"
)

// The relay's table: a session joins exactly two addresses, and a frame from one of them goes to the
// other with its direction changed. What is inside is opaque: the inner magic alone says whether it
// counts as control or as tunnel.

// traffic counts forwarded datagrams and their bytes (the inner frame, without the relay header).
type traffic struct{ packets, bytes atomic.Uint64 }

func (t *traffic) add(bytes int) {
	t.packets.Add(1)
	t.bytes.Add(uint64(bytes))
}

func (t *traffic) document() map[string]uint64 {
	return map[string]uint64{"packets": t.packets.Load(), "bytes": t.bytes.Load()}
}

type relaySession struct {
	id              uint32
	a, b            relayEnd
	label           string
	control, tunnel traffic
	used            atomic.Int64 // instant
	bucket          bucket
}

// relayEnd is one end of a session: its address, and the one of ours at which it reached us.
type relayEnd struct {
	addr   netip.AddrPort
	source source
}

// set changes the address.
func (e *relayEnd) set(addr netip.AddrPort) {
	if e.addr != addr {
		e.addr = addr
		e.source.forget()
	}
}

// ends are the end that has the address, and the other one; nil when neither has.
func (s *relaySession) ends(from netip.AddrPort) (near, far *relayEnd) {
	switch from {
	case s.a.addr:
		return &s.a, &s.b
	case s.b.addr:
		return &s.b, &s.a
	}
	return nil, nil
}

// relay holds the sessions and what outlives them. The map is guarded by node.tables.
type relay struct {
	sessions        map[uint32]*relaySession
	control, tunnel traffic
	limits          relayLimits
	all             bucket
}

// forward sends a frame of a session to its other end. The datagram is changed in place and must live
// until the outbox is flushed.
func (d *demux) forward(f frame, datagram []byte, from hop) dropReason {
	relay := &d.node.relay
	session := relay.sessions[f.id]
	if session == nil {
		return dropNoSession
	}
	near, far := session.ends(from.remote)
	if near == nil {
		return dropForeignSource
	}
	if !session.bucket.take(d.at, len(datagram)) || !relay.all.take(d.at, len(datagram)) {
		return dropLimited
	}
	near.source.learn(from.remote, from.local)
	session.used.Store(int64(d.at))
	own, total := &session.control, &relay.control
	if f.payload[1] == kindTunnel {
		own, total = &session.tunnel, &relay.tunnel
	}
	own.add(len(f.payload))
	total.add(len(f.payload))
	datagram[3] = fromRelay
	d.out.slotFrom(far.addr, &far.source).payload = datagram
	return dropNone
}

func (n *node) relaySet(args struct {
	Session uint32 `json:"session"`
	A       string `json:"a"`
	B       string `json:"b"`
	Label   string `json:"label"`
}) (map[string]any, *opError) {
	a, errA := parseAddr(args.A)
	b, errB := parseAddr(args.B)
	if errA != nil || errB != nil || a == b || len(args.Label) > relayLabelBytesMax {
		return nil, fail("internal", "relay.set: a and b must be two addresses IP:PORT, and the label short")
	}
	n.tables.Lock()
	defer n.tables.Unlock()
	session := n.relay.sessions[args.Session]
	if session == nil {
		if len(n.relay.sessions) >= n.relay.limits.Sessions {
			return nil, fail("refused", "the relay has no room for another session")
		}
		session = &relaySession{id: args.Session}
		session.used.Store(int64(now()))
		session.bucket.limit(n.relay.limits.SessionBytesPerSecond)
		n.relay.sessions[args.Session] = session
	}
	session.a.set(a)
	session.b.set(b)
	session.label = args.Label
	return map[string]any{}, nil
}

func (n *node) relayRemove(args struct {
	Session uint32 `json:"session"`
}) (map[string]any, *opError) {
	n.tables.Lock()
	defer n.tables.Unlock()
	if n.relay.sessions[args.Session] == nil {
		return nil, fail("not-found", "no such relay session")
	}
	delete(n.relay.sessions, args.Session)
	return map[string]any{}, nil
}

func (n *node) relayStats(none) (map[string]any, *opError) {
	n.tables.RLock()
	defer n.tables.RUnlock()
	at := now()
	sessions := []map[string]any{}
	for _, s := range n.relay.sessions {
		sessions = append(sessions, map[string]any{
			"session": s.id, "label": s.label, "a": s.a.addr.String(), "b": s.b.addr.String(),
			"control": s.control.document(), "tunnel": s.tunnel.document(),
			"idleMs": milliseconds(at.since(instant(s.used.Load()))),
		})
	}
	total := map[string]any{"control": n.relay.control.document(), "tunnel": n.relay.tunnel.document()}
	return map[string]any{"sessions": sessions, "total": total, "dropped": n.drops.document()}, nil
}

// relayLimits is the argument of relay.limits. Rates are bytes per second on the wire, both directions
// together; 0 is no limit.
type relayLimits struct {
	Sessions              int   `json:"sessions"`
	SessionBytesPerSecond int64 `json:"sessionBytesPerSecond"`
	BytesPerSecond        int64 `json:"bytesPerSecond"`
}

func (n *node) relayLimit(args relayLimits) (map[string]any, *opError) {
	if args.Sessions <= 0 || args.Sessions > relaySessionsMax {
		args.Sessions = relaySessionsMax
	}
	n.tables.Lock()
	defer n.tables.Unlock()
	n.relay.limits = args
	n.relay.all.limit(args.BytesPerSecond)
	for _, session := range n.relay.sessions {
		session.bucket.limit(args.SessionBytesPerSecond)
	}
	return map[string]any{}, nil
}

// bucket is a token bucket in nanoseconds of line time, lock-free: `next` is when the line would be
// idle if all that was admitted were sent at the rate; a frame is admitted while that lies less than
// relayBurst ahead. (The generic cell rate algorithm, ITU-T I.371 annex A.)
type bucket struct {
	nanosPerByte atomic.Int64 // in 1/1024 ns; 0: no limit
	next         atomic.Int64
}

func (b *bucket) limit(bytesPerSecond int64) {
	if bytesPerSecond <= 0 {
		b.nanosPerByte.Store(0)
		return
	}
	b.nanosPerByte.Store(max(1, (int64(time.Second)<<10)/bytesPerSecond))
}

func (b *bucket) take(at instant, bytes int) bool {
	cost := b.nanosPerByte.Load()
	if cost == 0 {
		return true
	}
	for {
		next := b.next.Load()
		begin := max(next, int64(at))
		if begin-int64(at) > int64(relayBurst) {
			return false
		}
		if b.next.CompareAndSwap(next, begin+(cost*int64(bytes))>>10) {
			return true
		}
	}
}

package main

import "sync"

// early keeps the last few tunnel datagrams that came on a path not accepted yet. When both ends have
// just begun a session, the first WireGuard message often overtakes the proof of the path it came on;
// dropped, it would be repeated 5 s later. A datagram that is kept counts as dropped until its path is
// proven, and it is delivered then only if that happens within earlyPatience.
type early struct {
	mutex sync.Mutex
	kept  []earlyDatagram
}

type earlyDatagram struct {
	from path
	at   instant
	data []byte
}

// keep copies the datagram; the oldest gives way.
func (e *early) keep(from path, datagram []byte, at instant) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	if len(e.kept) >= earlyMax {
		e.kept = append(e.kept[:0], e.kept[1:]...)
	}
	e.kept = append(e.kept, earlyDatagram{from, at, append([]byte(nil), datagram...)})
}

// take removes all that is kept and returns what came on a path that is accepted by now.
func (e *early) take(r *routes, at instant) [][]byte {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	var proven [][]byte
	var waiting []earlyDatagram
	for _, one := range e.kept {
		switch {
		case at.since(one.at) > earlyPatience:
		case r.accepts(one.from):
			proven = append(proven, one.data)
		default:
			waiting = append(waiting, one)
		}
	}
	e.kept = waiting
	return proven
}

// deliverEarly hands over what came before the peer's paths were proven. node.tables is held.
func (n *node) deliverEarly(p *peer, r *routes) {
	at := now()
	for _, t := range n.tunnels {
		if t.peer != p {
			continue
		}
		if proven := t.early.take(r, at); len(proven) > 0 {
			t.inside.deliver(proven)
		}
	}
}

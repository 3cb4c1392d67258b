package main

import "net/netip"

// places are bounded queues, one for each sender, served in turn. None takes more than its share; where
// all places are taken, the newest of who has most gives way to one who has less. Who sent is known of
// what waits alone: forged sources make nothing grow.
type places struct {
	limits   placeLimits
	queues   map[party]*queue
	turns    []*queue // those that hold something, in the order of their turns
	heaviest *queue   // about: it was when last something was put
	count    int
	bytes    int
	drops    *dropCounters
}

// placeLimits bound the places in all, and those of one party.
type placeLimits struct{ count, bytes, share int }

// party is a sender who has places to itself: a session, a source prefix, or a session of a relay.
type party struct {
	prefix netip.Prefix
	relay  netip.AddrPort
	id     uint32
}

type queue struct {
	of      party
	records [][]byte
}

func newPlaces(limits placeLimits, drops *dropCounters) places {
	return places{limits: limits, queues: map[party]*queue{}, drops: drops}
}

// partyOn is whom a stranger on that path counts as: /24 of IPv4, /64 of IPv6, or what came through one
// session of a relay, for those who come through one relay have nothing else in common.
func partyOn(from path) party {
	if from.relayed {
		return party{relay: from.addr, id: from.session}
	}
	bits := 64
	if from.addr.Addr().Is4() {
		bits = 24
	}
	prefix, _ := from.addr.Addr().Prefix(bits) // fails only for an address that is none
	return party{prefix: prefix}
}

// put queues a copy of the datagram if there is a place for it.
func (p *places) put(of party, from arrival, datagram []byte) bool {
	const headMax = 6 + 56 + 17 // with a path and an address
	q := p.queues[of]
	if q != nil && len(q.records) >= p.limits.share {
		p.drops.count(dropControlShare)
		return false
	}
	if !p.makeRoom(q, headMax+len(datagram)) {
		p.drops.count(dropControlQueue)
		return false
	}
	record := make([]byte, 6, headMax+len(datagram))
	record[4] = recordControl
	record = from.appendTo(record)
	record[5] = byte(len(record) - 6)
	local := from.local.AsSlice()
	record = append(record, byte(len(local)))
	record = append(record, local...)
	record = append(record, datagram...)
	finish(record)
	p.add(of, q, record)
	return true
}

// makeRoom drops the newest of who has most, until there is room for one more of q.
func (p *places) makeRoom(q *queue, bytes int) bool {
	own := 1
	if q != nil {
		own += len(q.records)
	}
	for p.count >= p.limits.count || p.bytes+bytes > p.limits.bytes {
		if p.heaviest == nil || len(p.heaviest.records) <= own {
			return false
		}
		last := len(p.heaviest.records) - 1
		p.release(p.heaviest.records[last])
		p.heaviest.records[last] = nil
		p.heaviest.records = p.heaviest.records[:last]
		p.drops.count(dropControlShare)
	}
	return true
}

func (p *places) add(of party, q *queue, record []byte) {
	if q == nil {
		q = &queue{of: of}
		p.queues[of] = q
		p.turns = append(p.turns, q)
	}
	q.records = append(q.records, record)
	p.count++
	p.bytes += cap(record)
	if p.heaviest == nil || len(q.records) > len(p.heaviest.records) {
		p.heaviest = q
	}
}

func (p *places) release(record []byte) {
	p.count--
	p.bytes -= cap(record)
}

// take moves one record of who has the turn to buf; 0 when there is none, or no room for it.
func (p *places) take(buf []byte) int {
	if p.count == 0 || len(p.turns[0].records[0]) > len(buf) {
		return 0
	}
	q := p.turns[0]
	record := q.records[0]
	q.records[0] = nil
	q.records = q.records[1:]
	p.release(record)
	p.turns[0] = nil
	if p.turns = p.turns[1:]; len(q.records) > 0 {
		p.turns = append(p.turns, q)
	} else {
		p.forget(q)
	}
	return copy(buf, record)
}

func (p *places) forget(q *queue) {
	delete(p.queues, q.of)
	if p.heaviest == q {
		p.heaviest = nil
	}
	if len(p.turns) == 0 {
		p.turns = nil
	}
}

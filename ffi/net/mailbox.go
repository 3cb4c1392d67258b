package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"sync"
	"time"
)

// mailbox holds what waits for poll: events, then control datagrams of sessions that there are, and
// those of strangers, all bounded. Strangers have places of their own, so that no flood of theirs keeps
// a session out, and get every fourth turn, so that no session keeps them out (places.go). Events of one
// thing that is still waiting become one, the newest: there are never more than things.
//
// Records given to poll: u32 length of what follows | u8 kind | body. Kind 1: u8 path length, path, u8
// local length, local address (4 or 16 bytes), datagram. Kind 2: a JSON event.
type mailbox struct {
	mu        sync.Mutex
	events    eventQueue
	sessions  places
	strangers places
	turn      int
	woken     bool
	closed    bool
	signal    chan struct{} // holds one token when poll should look again
	drops     *dropCounters
}

// arrival is where a datagram came from, and at which of our addresses, if the system says so.
type arrival struct {
	path
	local netip.Addr
}

const (
	recordControl = 1
	recordEvent   = 2
)

// strangersTurn is how often a stranger is served where sessions wait too: guess.
const strangersTurn = 4

func newMailbox(drops *dropCounters) *mailbox {
	return &mailbox{
		signal: make(chan struct{}, 1), drops: drops,
		events:    eventQueue{waiting: map[string][]byte{}},
		sessions:  newPlaces(sessionPlaces, drops),
		strangers: newPlaces(strangerPlaces, drops),
	}
}

// control queues a copy of a control datagram; receiver is its session, 0 for a stranger's.
func (m *mailbox) control(from arrival, receiver uint32, datagram []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return
	}
	queued := false
	if receiver != 0 {
		queued = m.sessions.put(party{id: receiver}, from, datagram)
	} else {
		queued = m.strangers.put(partyOn(from.path), from, datagram)
	}
	if queued {
		m.poke()
	}
}

// event queues an event about something: a type and its fields. One that waits about the same is
// replaced; nil is like nothing else.
func (m *mailbox) event(kind string, about any, fields map[string]any) {
	document := map[string]any{"type": kind}
	for name, value := range fields {
		document[name] = value
	}
	text, err := json.Marshal(document)
	if err != nil {
		panic(err) // fields are made of strings, numbers and booleans in this package
	}
	record := append([]byte{0, 0, 0, 0, recordEvent}, text...)
	finish(record)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return
	}
	if !m.events.put(kind, about, record) {
		m.drops.count(dropEventQueue)
		return
	}
	m.poke()
}

// finish writes the record's length.
func finish(record []byte) { binary.BigEndian.PutUint32(record, uint32(len(record)-4)) }

// eventQueue holds events in the order in which their things were first told of.
type eventQueue struct {
	order   []string
	waiting map[string][]byte
	unique  uint64
}

func (q *eventQueue) put(kind string, about any, record []byte) bool {
	key := kind + " "
	if about == nil {
		q.unique++
		key += strconv.FormatUint(q.unique, 10)
	} else {
		key += fmt.Sprintf("%T %v", about, about)
	}
	if _, known := q.waiting[key]; !known {
		if len(q.order) >= eventQueueMax {
			return false
		}
		q.order = append(q.order, key)
	}
	q.waiting[key] = record
	return true
}

// take moves the first event to buf; 0 when there is none, or no room for it.
func (q *eventQueue) take(buf []byte) int {
	if len(q.order) == 0 || len(q.waiting[q.order[0]]) > len(buf) {
		return 0
	}
	written := copy(buf, q.waiting[q.order[0]])
	delete(q.waiting, q.order[0])
	if q.order = q.order[1:]; len(q.order) == 0 {
		q.order = nil
	}
	return written
}

func (m *mailbox) poke() {
	select {
	case m.signal <- struct{}{}:
	default:
	}
}

// wake ends the current poll, or the next one, at once.
func (m *mailbox) wake() {
	m.mu.Lock()
	m.woken = true
	m.poke()
	m.mu.Unlock()
}

func (m *mailbox) close() {
	m.mu.Lock()
	m.closed = true
	m.events = eventQueue{}
	m.sessions, m.strangers = places{}, places{}
	m.poke()
	m.mu.Unlock()
}

// poll copies whole records into buf, waiting for the first. It returns the bytes written: 0 when the
// time was over or wake was called, -1 when the mailbox is closed.
func (m *mailbox) poll(buf []byte, timeout time.Duration) int {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	for {
		written, done := m.take(buf)
		if done {
			return written
		}
		select {
		case <-m.signal:
		case <-timer.C:
			return 0
		}
	}
}

// take moves what fits; done is false when there is nothing to say yet.
func (m *mailbox) take(buf []byte) (written int, done bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return -1, true
	}
	for {
		one := m.takeOne(buf[written:])
		if one == 0 {
			break
		}
		written += one
	}
	done = written > 0 || m.woken
	m.woken = false
	return written, done
}

func (m *mailbox) takeOne(buf []byte) int {
	if len(m.events.order) > 0 {
		return m.events.take(buf)
	}
	m.turn++
	if m.sessions.count == 0 || (m.strangers.count > 0 && m.turn%strangersTurn == 0) {
		return m.strangers.take(buf)
	}
	return m.sessions.take(buf)
}

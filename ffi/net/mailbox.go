package main

import (
	"encoding/binary"
	"encoding/json"
	"net/netip"
	"sync"
	"time"
)

// mailbox holds what waits for poll: control datagrams and events, in order, both bounded. While they
// wait, the datagrams of one source prefix take a part of the room only, so that one who sends more than
// JavaScript can look at does not silence the others. Who sent is known of what waits alone: forged
// sources make nothing grow.
//
// Records given to poll: u32 length of what follows | u8 kind | body. Kind 1: u8 path length, path,
// datagram. Kind 2: a JSON event.
type mailbox struct {
	mu       sync.Mutex
	records  []letter
	waiting  map[netip.Prefix]int // control datagrams by source prefix
	bytes    int
	controls int
	events   int
	woken    bool
	closed   bool
	signal   chan struct{} // holds one token when poll should look again
	drops    *dropCounters
}

// letter is one record, and of a control datagram its source prefix.
type letter struct {
	record []byte
	from   netip.Prefix
}

const (
	recordControl = 1
	recordEvent   = 2
)

func newMailbox(drops *dropCounters) *mailbox {
	return &mailbox{signal: make(chan struct{}, 1), drops: drops, waiting: map[netip.Prefix]int{}}
}

// control queues a copy of a control datagram.
func (m *mailbox) control(from path, datagram []byte) {
	record := make([]byte, 6, 6+56+len(datagram))
	record[4] = recordControl
	record = from.appendTo(record)
	record[5] = byte(len(record) - 6)
	record = append(record, datagram...)
	m.put(letter{record, sourcePrefix(from.addr.Addr())})
}

// sourcePrefix is what one sender has to itself at least: /24 of IPv4, /64 of IPv6.
func sourcePrefix(address netip.Addr) netip.Prefix {
	bits := 64
	if address.Is4() {
		bits = 24
	}
	prefix, _ := address.Prefix(bits) // fails only for an address that is none
	return prefix
}

// event queues an event: a type and its fields.
func (m *mailbox) event(kind string, fields map[string]any) {
	document := map[string]any{"type": kind}
	for name, value := range fields {
		document[name] = value
	}
	text, err := json.Marshal(document)
	if err != nil {
		panic(err) // fields are made of strings, numbers and booleans in this package
	}
	m.put(letter{record: append([]byte{0, 0, 0, 0, recordEvent}, text...)})
}

func (m *mailbox) put(one letter) {
	binary.BigEndian.PutUint32(one.record, uint32(len(one.record)-4))
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.admit(one) {
		return
	}
	m.records = append(m.records, one)
	m.poke()
}

// admit counts the record in, or out.
func (m *mailbox) admit(one letter) bool {
	record := one.record
	switch {
	case m.closed:
		return false
	case record[4] == recordEvent:
		if m.events >= eventQueueMax {
			m.drops.count(dropEventQueue)
			return false
		}
		m.events++
	default:
		if m.controls >= controlQueueMax || m.bytes+len(record) > controlQueueBytesMax {
			m.drops.count(dropControlQueue)
			return false
		}
		if m.waiting[one.from] >= controlQueueShareMax {
			m.drops.count(dropControlShare)
			return false
		}
		m.waiting[one.from]++
		m.controls++
		m.bytes += len(record)
	}
	return true
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
	m.records = nil
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
	taken := 0
	for _, one := range m.records {
		if written+len(one.record) > len(buf) {
			break
		}
		written += copy(buf[written:], one.record)
		m.release(one)
		taken++
	}
	m.records = m.records[taken:]
	if len(m.records) == 0 {
		m.records = nil
	}
	done = written > 0 || m.woken
	m.woken = false
	return written, done
}

func (m *mailbox) release(one letter) {
	if one.record[4] == recordEvent {
		m.events--
		return
	}
	if m.waiting[one.from]--; m.waiting[one.from] == 0 {
		delete(m.waiting, one.from)
	}
	m.controls--
	m.bytes -= len(one.record)
}

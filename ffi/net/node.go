package main

import (
	"encoding/binary"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// node is one open handle: sockets, tables, and the mailbox that TypeScript polls.
type node struct {
	sockets *sockets
	mail    *mailbox
	drops   dropCounters

	refusals   refusalNews
	defects    atomic.Uint64
	defectTold atomic.Int64 // instant of the last event of one

	// running counts every goroutine of the node; close waits for it.
	running sync.WaitGroup
	gate    sync.Mutex // of enter, against close
	closed  bool

	// tables guards all tables below. The receiving goroutines read them once per batch; commands
	// write them.
	tables  sync.RWMutex
	peers   map[string]*peer
	paths   map[path]*pathState
	tunnels map[uint32]*tunnel
	relay   relay
	sources sources
	// receivers are the ids of sessions and handshakes for which control frames are let in.
	receivers map[uint32]struct{}

	streams streamTable
	probes  atomic.Int32

	sendMu  sync.Mutex
	sendBox outbox // of send, guarded by sendMu

	commandMu sync.Mutex
	untaken   untakenAnswer
}

// config is the argument of open.
type config struct {
	Port         uint16  `json:"port"`
	StreamSocket *string `json:"streamSocket"`
}

func openNode(c config) (*node, *opError) {
	forbidCoreDumps()
	bound, err := openSockets(c.Port)
	if err != nil {
		return nil, openError(c.Port, err)
	}
	n := newNode(bound)
	if c.StreamSocket != nil {
		if err := n.listenStreams(*c.StreamSocket); err != nil {
			n.close()
			return nil, fail("unsupported", "cannot open the stream socket: "+err.Error())
		}
	}
	n.startReceiving()
	return n, nil
}

// forbidCoreDumps keeps the keys of this process, TypeScript's too, off the disk when it crashes.
func forbidCoreDumps() {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_CORE, &limit) == nil {
		limit.Cur = 0
		_ = unix.Setrlimit(unix.RLIMIT_CORE, &limit) // lowering it is always permitted
	}
}

func newNode(bound *sockets) *node {
	n := &node{
		sockets: bound,
		peers:   map[string]*peer{},
		paths:   map[path]*pathState{},
		tunnels: map[uint32]*tunnel{},

		receivers: map[uint32]struct{}{},
	}
	n.relay.sessions = map[uint32]*relaySession{}
	n.relay.limits.Sessions = relaySessionsMax
	n.streams.tickets = map[string]*ticket{}
	n.streams.forwards = map[string]*forward{}
	n.streams.pending = map[net.Conn]struct{}{}
	n.streams.rest = time.AfterFunc(restAfter, n.rest)
	n.streams.rest.Stop()
	n.mail = newMailbox(&n.drops)
	n.sendBox.node = n
	return n
}

// enter lets a timer work on an open node; leave must follow.
func (n *node) enter() bool {
	n.gate.Lock()
	defer n.gate.Unlock()
	if n.closed {
		return false
	}
	n.running.Add(1)
	return true
}

func (n *node) isClosed() bool {
	n.gate.Lock()
	defer n.gate.Unlock()
	return n.closed
}

func (n *node) leave() { n.running.Done() }

// send puts a batch of control datagrams on the wire: records of u32 length of what follows, u8 time
// to live (0: default), u8 local length, local address, u8 path length, path, datagram. The local address
// (0, 4 or 16 bytes) is the one to leave from, of who answers what came to it. An empty datagram is not sent: it says that
// something authentic came on the path. It never waits, for JavaScript's thread calls it. A malformed
// record ends the batch.
func (n *node) send(batch []byte) *opError {
	n.sendMu.Lock()
	defer n.sendMu.Unlock()
	defer n.sendBox.flush()
	for len(batch) > 0 {
		if len(batch) < 7 {
			return errRecord
		}
		length := int(binary.BigEndian.Uint32(batch))
		if length < 3 || length > len(batch)-4 {
			return errRecord
		}
		reason := n.sendRecord(batch[4 : 4+length])
		if reason != dropNone {
			n.drops.count(reason)
		}
		batch = batch[4+length:]
	}
	return nil
}

var errRecord = fail("internal", "a record of the batch is malformed")

func (n *node) sendRecord(record []byte) dropReason {
	ttl := record[0]
	localBytes, rest, whole := takeField(record[1:])
	text, datagram, named := takeField(rest)
	if !whole || !named {
		return dropShort
	}
	to, err := parsePath(string(text))
	if err != nil {
		return dropNoPath
	}
	local, _ := netip.AddrFromSlice(localBytes) // not valid where there is none
	if len(datagram) == 0 {
		n.heard(to, local)
		return dropNone
	}
	if len(datagram) > datagramBytesMax-relayBytes {
		return dropOversize
	}
	out := n.sendBox.slotFrom(to.addr, n.noteControl(to))
	if local.IsValid() {
		out.to.local = local
	}
	out.payload, out.ttl = datagram, ttl
	if to.relayed {
		putRelayHeader(out.header[:], toRelay, to.session)
		out.headerLen = relayBytes
	}
	return dropNone
}

// takeField splits off a field of u8 length.
func takeField(record []byte) (field, rest []byte, ok bool) {
	if len(record) == 0 || len(record)-1 < int(record[0]) {
		return nil, nil, false
	}
	end := 1 + int(record[0])
	return record[1:end], record[end:], true
}

// close stops everything and waits until no goroutine of the node is left.
func (n *node) close() {
	n.commandMu.Lock() // no command begins any more: abi.go has forgotten the handle
	defer n.commandMu.Unlock()
	n.gate.Lock()
	n.closed = true
	n.gate.Unlock()
	n.sockets.hurry()
	n.closeStreams()
	n.closeTunnels()
	n.closePeers()
	n.sockets.close()
	n.mail.close()
	n.running.Wait()
}

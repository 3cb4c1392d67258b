package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Streams join a connection of this machine (stream.sock with a ticket, or a forwarded TCP port) to a
// connection into a tunnel. Their bytes never pass through JavaScript.

// ticket is the one-use right to open a stream.
type ticket struct {
	end    *deviceEnd
	port   uint16
	expiry *time.Timer
}

func (n *node) ticketAdd(args struct {
	Ticket string `json:"ticket"`
	Tunnel uint32 `json:"tunnel"`
	Port   uint16 `json:"port"`
	TTLMs  int64  `json:"ttlMs"`
}) (map[string]any, *opError) {
	if len(args.Ticket) != ticketChars || strings.Trim(args.Ticket, "0123456789abcdef") != "" ||
		args.Port == 0 || args.TTLMs <= 0 {
		return nil, fail("internal", "ticket.add: a ticket of 64 hex digits, a port and a lifetime are needed")
	}
	end, failed := n.device(args.Tunnel)
	if failed != nil {
		return nil, failed
	}
	n.streams.Lock()
	defer n.streams.Unlock()
	switch {
	case n.streams.tickets[args.Ticket] != nil:
		return nil, fail("exists", "the ticket is in use")
	case len(n.streams.tickets) >= ticketsMax:
		return nil, fail("refused", "too many tickets wait for their stream")
	}
	ttl := time.Duration(args.TTLMs) * time.Millisecond
	expiry := time.AfterFunc(ttl, func() { n.shelter("a ticket's end", func() { n.takeTicket(args.Ticket) }) })
	n.streams.tickets[args.Ticket] = &ticket{end: end, port: args.Port, expiry: expiry}
	return map[string]any{}, nil
}

// takeTicket removes and returns a ticket.
func (n *node) takeTicket(text string) *ticket {
	n.streams.Lock()
	defer n.streams.Unlock()
	t := n.streams.tickets[text]
	if t != nil {
		t.expiry.Stop()
		delete(n.streams.tickets, text)
	}
	return t
}

// dropTickets removes the tickets of a tunnel that closes.
func (n *node) dropTickets(of *tunnel) {
	n.streams.Lock()
	defer n.streams.Unlock()
	for text, t := range n.streams.tickets {
		if t.end.tunnel == of {
			t.expiry.Stop()
			delete(n.streams.tickets, text)
		}
	}
}

// streamTable is what belongs to streams, tickets and forwards.
type streamTable struct {
	sync.Mutex
	tickets  map[string]*ticket
	forwards map[string]*forward
	open     int
	rest     *time.Timer // runs some time after the last stream
	listener *net.UnixListener
	pending  map[net.Conn]struct{} // accepted, their ticket not yet read
}

// listenStreams opens stream.sock. A file left by a node that was killed is replaced: the state
// directory's lock is held by the caller.
func (n *node) listenStreams(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		listener.Close()
		return err
	}
	n.streams.listener = listener
	n.running.Add(1)
	n.goSheltered("stream.sock", func() {
		defer n.running.Done()
		n.acceptStreams(listener)
	})
	return nil
}

func (n *node) acceptStreams(listener *net.UnixListener) {
	for {
		conn, err := listener.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(acceptPause) // out of descriptors, most likely: let some be closed
			continue
		}
		if !n.admitPending(conn) {
			conn.Close()
			continue
		}
		n.running.Add(1)
		n.goSheltered("a stream", func() {
			defer n.running.Done()
			n.serveStream(conn)
		})
	}
}

// admitPending bounds the connections that have not shown a ticket.
func (n *node) admitPending(conn net.Conn) bool {
	n.streams.Lock()
	defer n.streams.Unlock()
	if n.isClosed() || len(n.streams.pending) >= pendingMax {
		return false
	}
	n.streams.pending[conn] = struct{}{}
	return true
}

func (n *node) endPending(conn net.Conn) {
	n.streams.Lock()
	delete(n.streams.pending, conn)
	n.streams.Unlock()
}

// serveStream speaks the protocol of stream.sock: a ticket and a line end in; "ok", or "error CODE
// MESSAGE", and a line end out; then the stream.
func (n *node) serveStream(conn *net.UnixConn) {
	defer conn.Close()
	t, failed := n.readTicket(conn)
	n.endPending(conn)
	if failed == nil {
		failed = t.end.stream(t.end.ctx, conn, t.port, func() error {
			_, err := io.WriteString(conn, "ok\n")
			return err
		})
	}
	if failed != nil {
		_ = conn.SetWriteDeadline(time.Now().Add(ticketTimeout))
		_, _ = fmt.Fprintf(conn, "error %s %s\n", failed.code, failed.message)
	}
}

func (n *node) readTicket(conn *net.UnixConn) (*ticket, *opError) {
	if !ownPeer(conn) {
		return nil, fail("refused", "the stream socket serves its owner only")
	}
	line := make([]byte, ticketChars+1)
	_ = conn.SetReadDeadline(time.Now().Add(ticketTimeout))
	if _, err := io.ReadFull(conn, line); err != nil || line[ticketChars] != '\n' {
		return nil, fail("refused", "no ticket was shown")
	}
	_ = conn.SetReadDeadline(time.Time{})
	t := n.takeTicket(string(line[:ticketChars]))
	if t == nil {
		return nil, fail("not-found", "the ticket is unknown, used or expired")
	}
	return t, nil
}

// ownPeer says whether the process at the other end belongs to this user, or to root.
func ownPeer(conn *net.UnixConn) bool {
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	var peer *unix.Ucred
	if raw.Control(func(fd uintptr) {
		peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}) != nil || err != nil {
		return false
	}
	return peer.Uid == 0 || int(peer.Uid) == os.Geteuid()
}

// local is an end of a stream on this machine.
type local interface {
	net.Conn
	CloseWrite() error
}

// stream dials the port in the tunnel and copies both ways until both directions are over, or the
// context ends. ready is called between the two.
func (e *deviceEnd) stream(ctx context.Context, conn local, port uint16, ready func() error) *opError {
	if !e.tunnel.node.countStream(e, 1) {
		return fail("refused", "too many streams are open")
	}
	defer e.tunnel.node.countStream(e, -1)
	dialing, cancel := context.WithTimeout(ctx, dialTimeout)
	remote, err := e.net.dial(dialing, port)
	cancel()
	if err != nil {
		return dialError(port, err)
	}
	defer remote.Close()
	stop := context.AfterFunc(ctx, func() {
		defer conn.Close()
		e.tunnel.node.shelter("the end of a stream", remote.reset)
	})
	defer stop()
	if ready() == nil {
		e.tunnel.node.join(conn, remote)
	}
	return nil
}

func dialError(port uint16, err error) *opError {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fail("timeout", fmt.Sprintf("port %d of the VM did not answer", port))
	case errors.Is(err, context.Canceled):
		return fail("unreachable", "the tunnel was closed")
	}
	return fail("unreachable", fmt.Sprintf("port %d of the VM: %s", port, err))
}

// countStream counts streams in and out, bounded in all; the tunnel's number is an event. The end is
// kept open for as long.
func (n *node) countStream(e *deviceEnd, change int) bool {
	n.streams.Lock()
	defer n.streams.Unlock()
	if change > 0 && (n.streams.open >= streamsMax || e.ctx.Err() != nil) {
		return false
	}
	n.streams.open += change
	e.busy.Add(change)
	if n.streams.open == 0 {
		n.streams.rest.Reset(restAfter)
	}
	open := e.streams.Add(int64(change))
	n.mail.event("stream", e.tunnel.id, map[string]any{"tunnel": e.tunnel.id, "open": open})
	return true
}

// join copies both ways. The end of one direction is passed on as a half-close; an error ends both.
func (n *node) join(conn local, remote *tcpStream) {
	done := make(chan struct{})
	n.goSheltered("a stream", func() {
		defer close(done)
		sound := false
		defer func() {
			if !sound {
				conn.Close()
				remote.reset()
			}
		}()
		if copyStream(remote, conn) != nil || remote.CloseWrite() != nil {
			remote.reset()
		}
		sound = true
	})
	if copyStream(conn, remote) != nil || conn.CloseWrite() != nil {
		conn.Close()
	}
	<-done
}

var copyBuffers = sync.Pool{New: func() any {
	buffer := make([]byte, copyBufferBytes)
	return &buffer
}}

// copyStream copies until the source ends. The wrappers hide the shortcuts of net's connections, which
// would make a buffer of their own.
func copyStream(to io.Writer, from io.Reader) error {
	buffer := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(buffer)
	_, err := io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{from}, *buffer)
	return err
}

// refuseStreams lets no stream of that end begin any more; those that run are told to end.
func (n *node) refuseStreams(e *deviceEnd) {
	n.streams.Lock()
	e.cancel()
	n.streams.Unlock()
}

// rest gives the memory of past streams back to the system, which Go alone would do minutes later.
func (n *node) rest() {
	if !n.enter() {
		return
	}
	defer n.leave()
	n.shelter("the rest after streams", n.giveMemoryBack)
}

func (n *node) giveMemoryBack() {
	n.streams.Lock()
	open := n.streams.open
	n.streams.Unlock()
	if open == 0 {
		debug.FreeOSMemory()
	}
}

// closeStreams ends what waits for a ticket and stops listening. Streams end with their tunnels.
func (n *node) closeStreams() {
	n.streams.Lock()
	defer n.streams.Unlock()
	if n.streams.listener != nil {
		n.streams.listener.Close()
	}
	n.streams.rest.Stop()
	for conn := range n.streams.pending {
		conn.Close()
	}
	for text, t := range n.streams.tickets {
		t.expiry.Stop()
		delete(n.streams.tickets, text)
	}
}

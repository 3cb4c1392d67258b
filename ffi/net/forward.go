package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// forward is a TCP port of this machine that leads to a port in a tunnel.
type forward struct {
	end      *deviceEnd
	port     uint16
	listener *net.TCPListener
	ctx      context.Context // ended by close
	cancel   context.CancelFunc
	running  sync.WaitGroup
	mu       sync.Mutex
	conns    map[*net.TCPConn]struct{}
	closed   bool
}

// forwardID is what TypeScript chose to know a forward by: a string or a number.
type forwardID = json.RawMessage

func (n *node) forwardListen(args struct {
	Forward forwardID `json:"forward"`
	Tunnel  uint32    `json:"tunnel"`
	Bind    string    `json:"bind"`
	Port    uint16    `json:"port"`
}) (map[string]any, *opError) {
	bind, err := netip.ParseAddrPort(args.Bind)
	if err != nil || args.Port == 0 || len(args.Forward) == 0 {
		return nil, fail("internal", "forward.listen: an id, an address IP:PORT and a port are needed")
	}
	end, failed := n.device(args.Tunnel)
	if failed != nil {
		return nil, failed
	}
	n.streams.Lock()
	defer n.streams.Unlock()
	switch {
	case n.streams.forwards[string(args.Forward)] != nil:
		return nil, fail("exists", "the forward exists")
	case len(n.streams.forwards) >= forwardsMax:
		return nil, fail("refused", "too many forwards")
	}
	listener, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(bind))
	if err != nil {
		return nil, listenError(args.Bind, err)
	}
	f := &forward{end: end, port: args.Port, listener: listener, conns: map[*net.TCPConn]struct{}{}}
	f.ctx, f.cancel = context.WithCancel(end.ctx)
	n.streams.forwards[string(args.Forward)] = f
	f.running.Add(1)
	n.goSheltered("a forward", func() {
		defer f.running.Done()
		f.accept()
	})
	return map[string]any{"address": listener.Addr().String()}, nil
}

func listenError(bind string, err error) *opError {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fail("port-taken", fmt.Sprintf("%s is taken by another program", bind))
	case errors.Is(err, syscall.EACCES):
		return fail("unsupported", fmt.Sprintf("%s may not be opened by this user", bind))
	}
	return fail("unsupported", fmt.Sprintf("cannot listen on %s: %s", bind, err))
}

func (f *forward) accept() {
	for {
		conn, err := f.listener.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(acceptPause)
			continue
		}
		if !f.add(conn) {
			conn.Close()
			continue
		}
		f.end.tunnel.node.goSheltered("a forward's stream", func() {
			defer f.running.Done()
			defer f.remove(conn)
			// A failure has no better sign for a TCP client than the end of the connection.
			_ = f.end.stream(f.ctx, conn, f.port, func() error { return nil })
		})
	}
}

func (f *forward) add(conn *net.TCPConn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return false
	}
	f.conns[conn] = struct{}{}
	f.running.Add(1)
	return true
}

func (f *forward) remove(conn *net.TCPConn) {
	f.mu.Lock()
	delete(f.conns, conn)
	f.mu.Unlock()
	conn.Close()
}

// close stops listening, ends the connections, and waits for their goroutines.
func (f *forward) close() {
	f.listener.Close()
	f.cancel()
	f.mu.Lock()
	f.closed = true
	for conn := range f.conns {
		conn.Close()
	}
	f.mu.Unlock()
	f.running.Wait()
}

func (n *node) forwardClose(args struct {
	Forward forwardID `json:"forward"`
}) (map[string]any, *opError) {
	n.streams.Lock()
	f := n.streams.forwards[string(args.Forward)]
	delete(n.streams.forwards, string(args.Forward))
	n.streams.Unlock()
	if f == nil {
		return nil, fail("not-found", "no such forward")
	}
	f.close()
	return map[string]any{}, nil
}

// closeForwards ends the forwards of a tunnel.
func (n *node) closeForwards(of *tunnel) {
	n.streams.Lock()
	var ending []*forward
	for id, f := range n.streams.forwards {
		if f.end.tunnel == of {
			ending = append(ending, f)
			delete(n.streams.forwards, id)
		}
	}
	n.streams.Unlock()
	for _, f := range ending {
		f.close()
	}
}

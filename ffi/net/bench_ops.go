//go:build bench

package main

import (
	"context"
	"net"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"

	"omerta/ffi/net/bench/load"
)

// Operations for benchmarks, in a library that is built with the tag "bench" and never shipped: a
// tunnel's stack that listens, which the product's never does, and traffic made inside the process.

const benchPort = 5001

func init() {
	operations["bench.serve"] = takes((*node).benchServe)
	operations["bench.load"] = takes((*node).benchLoad)
}

func (n *node) benchServe(args tunnelRef) (map[string]any, *opError) {
	end, failed := n.device(args.Tunnel)
	if failed != nil {
		return nil, failed
	}
	end.net.link.flows.mu.Lock()
	end.net.link.flows.ports[benchPort] = &flow{port: benchPort}
	end.net.link.flows.mu.Unlock()
	address := tcpip.FullAddress{NIC: nicID, Addr: end.net.local, Port: benchPort}
	listener, err := gonet.ListenTCP(end.net.stack, address, ipv6.ProtocolNumber)
	if err != nil {
		return nil, fail("internal", err.Error())
	}
	var _ net.Listener = listener
	go load.Serve(listener)
	return map[string]any{}, nil
}

func (n *node) benchLoad(args struct {
	Tunnel    uint32 `json:"tunnel"`
	Direction string `json:"direction"`
	Ms        int64  `json:"ms"`
}) (map[string]any, *opError) {
	end, failed := n.device(args.Tunnel)
	if failed != nil {
		return nil, failed
	}
	end.busy.Add(1)
	go func() {
		defer end.busy.Done()
		n.mail.event("bench-done", nil, end.benchLoad(args.Direction, time.Duration(args.Ms)*time.Millisecond))
	}()
	return map[string]any{}, nil
}

func (e *deviceEnd) benchLoad(direction string, duration time.Duration) map[string]any {
	ctx, cancel := context.WithTimeout(e.ctx, 20*time.Second)
	defer cancel()
	stream, err := e.net.dial(ctx, benchPort)
	if err != nil {
		return map[string]any{"error": err.Error()}
	}
	result, err := load.Run(stream, direction, duration)
	if err != nil {
		return map[string]any{"error": err.Error()}
	}
	return map[string]any{"bytes": result.Bytes, "ms": result.Ms}
}

package main

import (
	"encoding/json"
	"sync"
	"sync/atomic"
)

// tunnel carries WireGuard datagrams between a peer, who knows it by `id`, and its inside: a WireGuard
// device of this process, or a guest's own behind a socketpair.
type tunnel struct {
	node   *node
	id     uint32
	peer   *peer
	remote atomic.Uint32 // the peer's id for its end; 0: not known yet
	inside inside
	early  early
	ending atomic.Bool // nothing of it waits for room any more

	rxBytes, txBytes atomic.Uint64
}

// inside is where a tunnel's datagrams end.
type inside interface {
	// start lets it send. It can receive before, for answers may be quicker than start.
	start() *opError
	// deliver takes datagrams from the wire; their memory is only valid during the call. It never
	// waits: what has no room is dropped and counted.
	deliver(datagrams [][]byte)
	// close ends it, started or not, and waits until no goroutine of it is left.
	close()
}

// outboxes are shared, for several goroutines of a device may send at once.
var outboxes = sync.Pool{New: func() any { return &outbox{} }}

// transmit sends datagrams to the peer along its active path.
func (t *tunnel) transmit(datagrams [][]byte) {
	r := t.peer.routes.Load()
	remote := t.remote.Load()
	switch {
	case r == nil || r.active == nil:
		t.node.drops.countMany(dropNoPath, len(datagrams))
		return
	case remote == 0:
		t.node.drops.countMany(dropNoRemote, len(datagrams))
		return
	}
	box := outboxes.Get().(*outbox)
	box.node, box.patience = t.node, patience{tunnelPatience, &t.ending}
	bytes, expecting := 0, false
	for _, datagram := range datagrams {
		if len(datagram) == 0 || len(datagram) > datagramBytesMax-relayBytes-tunnelBytes {
			t.node.drops.count(dropOversize)
			continue
		}
		out := box.slotFrom(r.active.path.addr, &r.active.source)
		out.putHeaders(r.active.path, remote)
		out.payload = datagram
		bytes += len(datagram)
		expecting = expecting || len(datagram) > wireguardMin
	}
	box.flush()
	box.node = nil
	outboxes.Put(box)
	t.txBytes.Add(uint64(bytes))
	if expecting {
		t.peer.sent(r, now())
	}
}

// putHeaders writes the headers of a tunnel frame on that path.
func (o *outgoing) putHeaders(via path, remote uint32) {
	at := 0
	if via.relayed {
		putRelayHeader(o.header[:], toRelay, via.session)
		at = relayBytes
	}
	putTunnelHeader(o.header[at:], remote)
	o.headerLen = uint8(at + tunnelBytes)
}

// tunnelOpen is the argument of tunnel.open; the lower fields belong to mode device, control to guest.
type tunnelOpen struct {
	Tunnel uint32 `json:"tunnel"`
	Peer   string `json:"peer"`
	Remote uint32 `json:"remote"`
	Mode   string `json:"mode"`

	Control string `json:"control"`

	PrivateKey  string `json:"privateKey"`
	PeerKey     string `json:"peerKey"`
	Address     string `json:"address"`
	PeerAddress string `json:"peerAddress"`
	MTU         int    `json:"mtu"`
	KeepaliveS  int    `json:"keepaliveS"`
}

// tunnelOpen puts the tunnel into the table first and starts it then, without a lock.
func (n *node) tunnelOpen(args tunnelOpen) (map[string]any, *opError) {
	t, failed := n.addTunnel(args)
	if failed != nil {
		return nil, failed
	}
	if failed := t.inside.start(); failed != nil {
		n.releaseTunnel(t)
		t.inside.close()
		return nil, failed
	}
	return map[string]any{}, nil
}

func makeInside(t *tunnel, args tunnelOpen) (inside, *opError) {
	switch args.Mode {
	case "device":
		return newDevice(t, args)
	case "guest":
		return newGuest(t, args.Control), nil
	}
	return nil, fail("internal", "tunnel.open: the mode is neither device nor guest")
}

func (n *node) addTunnel(args tunnelOpen) (*tunnel, *opError) {
	n.tables.Lock()
	defer n.tables.Unlock()
	switch {
	case args.Tunnel == 0 || args.Peer == "" || len(args.Peer) > peerKeyBytesMax:
		return nil, fail("internal", "tunnel.open: a tunnel id and a peer are needed")
	case n.tunnels[args.Tunnel] != nil:
		return nil, fail("exists", "the tunnel id is in use")
	case len(n.tunnels) >= tunnelsMax:
		return nil, fail("refused", "too many tunnels")
	}
	t := &tunnel{node: n, id: args.Tunnel}
	t.remote.Store(args.Remote)
	inside, failed := makeInside(t, args)
	if failed != nil {
		return nil, failed
	}
	p, failed := n.peerFor(args.Peer)
	if failed != nil {
		inside.close()
		return nil, failed
	}
	p.ties++
	t.peer, t.inside = p, inside
	n.tunnels[args.Tunnel] = t
	return t, nil
}

// releaseTunnel takes the tunnel out of the table; false when somebody else did.
func (n *node) releaseTunnel(t *tunnel) bool {
	n.tables.Lock()
	defer n.tables.Unlock()
	if n.tunnels[t.id] != t {
		return false
	}
	delete(n.tunnels, t.id)
	t.peer.ties--
	n.forgetPeer(t.peer)
	return true
}

// tunnelRef is the argument of operations on one tunnel.
type tunnelRef struct {
	Tunnel uint32 `json:"tunnel"`
}

// tunnel finds an open tunnel.
func (n *node) tunnel(id uint32) (*tunnel, *opError) {
	n.tables.RLock()
	defer n.tables.RUnlock()
	if t := n.tunnels[id]; t != nil {
		return t, nil
	}
	return nil, fail("not-found", "no such tunnel")
}

// device finds an open tunnel that ends in this process.
func (n *node) device(id uint32) (*deviceEnd, *opError) {
	t, failed := n.tunnel(id)
	if failed != nil {
		return nil, failed
	}
	if end, ok := t.inside.(*deviceEnd); ok {
		return end, nil
	}
	return nil, fail("internal", "the tunnel does not end in this process")
}

func (n *node) tunnelRemote(args struct {
	Tunnel uint32 `json:"tunnel"`
	Remote uint32 `json:"remote"`
}) (map[string]any, *opError) {
	t, failed := n.tunnel(args.Tunnel)
	if failed != nil {
		return nil, failed
	}
	t.remote.Store(args.Remote)
	return map[string]any{}, nil
}

func (n *node) tunnelClose(args tunnelRef) (map[string]any, *opError) {
	t, failed := n.tunnel(args.Tunnel)
	if failed != nil {
		return nil, failed
	}
	if !n.releaseTunnel(t) {
		return nil, fail("not-found", "no such tunnel")
	}
	t.ending.Store(true)
	n.dropTickets(t)
	n.closeForwards(t)
	t.inside.close()
	return map[string]any{}, nil
}

// closeTunnels ends all tunnels and their streams.
func (n *node) closeTunnels() {
	n.tables.RLock()
	var ids []uint32
	for id := range n.tunnels {
		ids = append(ids, id)
	}
	n.tables.RUnlock()
	for _, id := range ids {
		_, _ = n.tunnelClose(tunnelRef{Tunnel: id}) // fails only for one that is closed
	}
}

func (n *node) tunnelStatus(args tunnelRef) (map[string]any, *opError) {
	t, failed := n.tunnel(args.Tunnel)
	if failed != nil {
		return nil, failed
	}
	status := map[string]any{
		"lastHandshakeMsAgo": nil, "streams": 0,
		"rxBytes": t.rxBytes.Load(), "txBytes": t.txBytes.Load(),
	}
	if end, ok := t.inside.(*deviceEnd); ok {
		status["streams"] = end.streams.Load()
		if ago, known := end.lastHandshake(); known {
			status["lastHandshakeMsAgo"] = milliseconds(ago)
		}
	}
	return status, nil
}

// probeID is what TypeScript chose to know a probe by; it is given back as it came.
type probeID = json.RawMessage

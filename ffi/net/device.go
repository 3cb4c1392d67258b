package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"
)

// deviceEnd is a tunnel that ends here: a WireGuard device whose one peer is the tunnel's far end, and
// whose packets go to a TCP/IP stack of their own.
type deviceEnd struct {
	tunnel  *tunnel
	bind    *peerBind
	wg      *device.Device
	net     *netstack
	setup   string // the device's configuration
	peerKey device.NoisePublicKey
	streams atomic.Int64
	broken  atomic.Bool // a defect was met in the TCP/IP stack

	ctx    context.Context // ended by close
	cancel context.CancelFunc
	up     chan struct{} // closed after the first handshake
	upOnce sync.Once
	busy   sync.WaitGroup // probes, streams and whatever else works on this end
}

func newDevice(t *tunnel, args tunnelOpen) (inside, *opError) {
	local, remote, failed := args.addresses()
	if failed != nil {
		return nil, failed
	}
	setup, failed := args.wireguard(remote)
	if failed != nil {
		return nil, failed
	}
	end := &deviceEnd{tunnel: t, setup: setup, up: make(chan struct{})}
	if err := end.peerKey.FromHex(args.PeerKey); err != nil {
		return nil, fail("internal", err.Error())
	}
	end.ctx, end.cancel = context.WithCancel(context.Background())
	stack, err := newNetstack(&t.node.drops, local, remote, args.MTU)
	if err != nil {
		end.cancel()
		return nil, fail("internal", err.Error())
	}
	end.net = stack
	end.bind = &peerBind{
		end: end, in: newRing(), pools: make(chan struct{}), receiving: make(chan struct{}),
	}
	return end, nil
}

func (e *deviceEnd) start() *opError {
	if err := e.startDevice(); err != nil {
		return fail("internal", "WireGuard: "+err.Error())
	}
	return nil
}

// startDevice makes the device with bounded pools and lets it run.
func (e *deviceEnd) startDevice() error {
	tun := &shelteredTun{e.net.tun(e.bind.receiving), e}
	e.wg = device.NewDevice(tun, e.bind, &device.Logger{
		Verbosef: device.DiscardLogf, Errorf: device.DiscardLogf,
	})
	err := boundPools(e.wg)
	close(e.bind.pools)
	if err != nil {
		return err
	}
	if err := e.wg.IpcSet(e.setup); err != nil {
		return err
	}
	return e.wg.Up()
}

// addresses checks the two inner addresses and the MTU.
func (args tunnelOpen) addresses() (local, remote netip.Addr, failed *opError) {
	local, errL := netip.ParseAddr(args.Address)
	remote, errR := netip.ParseAddr(args.PeerAddress)
	if errL != nil || errR != nil || !local.Is6() || !remote.Is6() || local == remote {
		return local, remote, fail("internal", "tunnel.open: address and peerAddress must be two IPv6 addresses")
	}
	if args.MTU < mtuMin || args.MTU > mtuMax {
		return local, remote, fail("internal", fmt.Sprintf("tunnel.open: the MTU must be %d to %d", mtuMin, mtuMax))
	}
	return local, remote, nil
}

// wireguard writes the device's configuration in the userspace API's words.
func (args tunnelOpen) wireguard(remote netip.Addr) (string, *opError) {
	for _, key := range []string{args.PrivateKey, args.PeerKey} {
		if raw, err := hex.DecodeString(key); err != nil || len(raw) != device.NoisePublicKeySize {
			return "", fail("internal", "tunnel.open: keys must be 64 hex digits")
		}
	}
	if args.KeepaliveS < 0 || args.KeepaliveS > 65535 {
		return "", fail("internal", "tunnel.open: keepaliveS must be 0 to 65535")
	}
	return fmt.Sprintf("private_key=%s\npublic_key=%s\nendpoint=peer\nallowed_ip=%s/128\n"+
		"persistent_keepalive_interval=%d\n", args.PrivateKey, args.PeerKey, remote, args.KeepaliveS), nil
}

func (e *deviceEnd) deliver(datagrams [][]byte) {
	dropped, stalled := e.bind.in.push(datagrams)
	e.tunnel.node.drops.countMany(dropTunnelQueue, dropped)
	if stalled > receiveStallMax {
		e.flushStaged()
	}
}

// flushStaged drops the packets that wait for a handshake. They may hold all of the device's buffers,
// so that its receiver has none for what would bring the handshake.
func (e *deviceEnd) flushStaged() {
	select {
	case <-e.bind.receiving:
	default:
		return // the device is being made
	}
	if peer := e.wg.LookupPeer(e.peerKey); peer != nil {
		peer.FlushStagedPackets()
	}
}

// shelteredTun keeps a defect that a packet meets in the TCP/IP stack from ending the process. What the
// stack is like afterwards nobody knows, so its tunnel carries nothing any more.
type shelteredTun struct {
	*linkTun
	end *deviceEnd
}

func (t *shelteredTun) Read(bufs [][]byte, sizes []int, offset int) (n int, err error) {
	if !t.end.sheltered("packets to a guest", func() { n, err = t.linkTun.Read(bufs, sizes, offset) }) {
		return 0, os.ErrClosed
	}
	return n, err
}

func (t *shelteredTun) Write(bufs [][]byte, offset int) (int, error) {
	t.end.sheltered("packets of a guest", func() { t.link.write(bufs, offset) })
	return len(bufs), nil
}

func (e *deviceEnd) sheltered(where string, work func()) bool {
	if e.broken.Load() {
		return false
	}
	sound := e.tunnel.node.shelter(where, work)
	if !sound {
		e.broken.Store(true)
	}
	return sound
}

// close ends it all. An end that met a defect may hold locks for ever: nobody waits for it.
func (e *deviceEnd) close() {
	if e.broken.Load() {
		e.tunnel.node.goSheltered("the end of a broken tunnel", e.end)
		return
	}
	e.end()
}

// end ends streams and probes, then the device, then its TCP/IP stack.
func (e *deviceEnd) end() {
	e.tunnel.node.refuseStreams(e)
	e.net.abort()
	if e.wg != nil {
		e.wg.RemoveAllPeers() // frees what is staged, lest the receiver waits for a buffer
		e.wg.Close()
	}
	e.net.destroy()
	e.busy.Wait()
}

// markUp reports the first handshake.
func (e *deviceEnd) markUp() {
	e.upOnce.Do(func() {
		close(e.up)
		e.tunnel.node.mail.event("tunnel-up", e.tunnel.id, map[string]any{"tunnel": e.tunnel.id})
	})
}

func (e *deviceEnd) isUp() bool {
	select {
	case <-e.up:
		return true
	default:
		return false
	}
}

// lastHandshake asks the device how long ago the last handshake was.
func (e *deviceEnd) lastHandshake() (time.Duration, bool) {
	text, err := e.wg.IpcGet()
	if err != nil {
		return 0, false
	}
	var seconds, nanos int64
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), "=")
		switch name {
		case "last_handshake_time_sec":
			seconds, _ = strconv.ParseInt(value, 10, 64)
		case "last_handshake_time_nsec":
			nanos, _ = strconv.ParseInt(value, 10, 64)
		}
	}
	if seconds == 0 {
		return 0, false
	}
	return max(0, time.Since(time.Unix(seconds, nanos))), true
}

// peerBind is the device's network: it sends to the tunnel's peer, wherever that is, and receives what
// the demultiplexer delivers. No address is ever seen by WireGuard, so a change of path needs no
// handshake.
type peerBind struct {
	end      *deviceEnd
	in       *ring
	pools    chan struct{} // closed when the device's pools are bounded
	watching atomic.Bool

	// receiving is closed when the receiving goroutine has taken its buffers. Until then nothing is sent:
	// packets that wait for a handshake could take all buffers, and the handshake would never be heard.
	receiving     chan struct{}
	receivingOnce sync.Once
}

// BatchSize is asked by the device's goroutines before they take their first buffer: the moment to
// hold them back until the pools are bounded.
func (b *peerBind) BatchSize() int {
	<-b.pools
	return deviceBatch
}

func (b *peerBind) Open(uint16) ([]conn.ReceiveFunc, uint16, error) {
	b.in.reopen()
	return []conn.ReceiveFunc{b.receive}, 1, nil
}

func (b *peerBind) Close() error {
	b.in.close()
	return nil
}

func (b *peerBind) SetMark(uint32) error { return nil }

func (b *peerBind) ParseEndpoint(string) (conn.Endpoint, error) { return theEndpoint, nil }

func (b *peerBind) receive(packets [][]byte, sizes []int, endpoints []conn.Endpoint) (int, error) {
	b.receivingOnce.Do(func() { close(b.receiving) })
	n, ok := b.in.pop(packets, sizes)
	if !ok {
		return 0, net.ErrClosed
	}
	for i := range n {
		endpoints[i] = theEndpoint
	}
	if !b.end.isUp() {
		b.watch(packets[:n])
	}
	return n, nil
}

// Send never reports an error: what becomes of a datagram is the path's matter, and it is counted.
func (b *peerBind) Send(datagrams [][]byte, _ conn.Endpoint) error {
	if !b.end.isUp() && datagrams[0][0] == device.MessageTransportType {
		b.end.markUp() // only a finished handshake gives the keys for it
	}
	b.end.tunnel.node.shelter("datagrams of a tunnel", func() { b.end.tunnel.transmit(datagrams) })
	return nil
}

// watch looks, shortly after the first transport message, whether it completed a handshake in which
// this end is the responder and has nothing to send.
func (b *peerBind) watch(packets [][]byte) {
	for _, packet := range packets {
		if packet[0] != device.MessageTransportType || !b.watching.CompareAndSwap(false, true) {
			continue
		}
		b.end.busy.Add(1)
		b.end.tunnel.node.goSheltered("the wait for a handshake", func() {
			defer b.end.busy.Done()
			defer b.watching.Store(false)
			b.end.awaitHandshake()
		})
		return
	}
}

func (e *deviceEnd) awaitHandshake() {
	for pause := time.Millisecond; pause < handshakeWatchMax && !e.isUp(); pause *= 2 {
		if _, done := e.lastHandshake(); done {
			e.markUp()
			return
		}
		select {
		case <-e.ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// endpoint stands for the tunnel's peer. There is one per tunnel, so all may share one value.
type endpoint struct{}

var theEndpoint conn.Endpoint = endpoint{}

func (endpoint) ClearSrc()           {}
func (endpoint) SrcToString() string { return "" }
func (endpoint) DstToString() string { return "peer" }
func (endpoint) DstToBytes() []byte  { return []byte("peer") }
func (endpoint) DstIP() netip.Addr   { return netip.IPv6Unspecified() }
func (endpoint) SrcIP() netip.Addr   { return netip.IPv6Unspecified() }

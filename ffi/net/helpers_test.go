package main

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"omerta/ffi/net/fakeguest"
)

// waitMax bounds every wait of a test; a wait ends with its event, long before.
const waitMax = 20 * time.Second

// openTest opens a node on any port; it is closed when the test ends.
func openTest(t *testing.T) *testNode {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	n, failed := openNode(config{StreamSocket: &socket})
	if failed != nil {
		t.Fatal(failed.message)
	}
	test := &testNode{node: n, t: t, socket: socket}
	t.Cleanup(test.closeOnce)
	return test
}

type testNode struct {
	*node
	t      *testing.T
	socket string
	closed bool
	events []map[string]any
	mail   []received
}

type received struct {
	path  string
	local []byte
	data  []byte
}

func (n *testNode) closeOnce() {
	if !n.closed {
		n.closed = true
		n.node.close()
	}
}

func (n *testNode) address() string { return fmt.Sprintf("127.0.0.1:%d", n.sockets.port) }

// must runs a command that has to succeed.
func (n *testNode) must(op string, args map[string]any) map[string]any {
	n.t.Helper()
	answer := n.run(op, args)
	if answer["ok"] != true {
		n.t.Fatalf("%s: %v", op, answer)
	}
	return answer
}

func (n *testNode) run(op string, args map[string]any) map[string]any {
	n.t.Helper()
	command := map[string]any{"op": op}
	for name, value := range args {
		command[name] = value
	}
	text, err := json.Marshal(command)
	if err != nil {
		n.t.Fatal(err)
	}
	out := make([]byte, 1<<20)
	written := n.command(text, out)
	if written < 0 {
		n.t.Fatalf("%s: the answer needs %d bytes", op, -written)
	}
	var answer map[string]any
	if err := json.Unmarshal(out[:written], &answer); err != nil {
		n.t.Fatal(err)
	}
	return answer
}

// pump polls once and sorts what came.
func (n *testNode) pump(timeout time.Duration) {
	n.t.Helper()
	buf := make([]byte, 256<<10)
	read := n.node.mail.poll(buf, timeout)
	for records := buf[:max(0, read)]; len(records) > 0; {
		length := binary.BigEndian.Uint32(records)
		n.sort(records[4 : 4+length])
		records = records[4+length:]
	}
}

func (n *testNode) sort(record []byte) {
	if record[0] == recordControl {
		path, rest, _ := takeField(record[1:])
		local, data, _ := takeField(rest)
		n.mail = append(n.mail, received{string(path), bytes.Clone(local), bytes.Clone(data)})
		return
	}
	var event map[string]any
	if err := json.Unmarshal(record[1:], &event); err != nil {
		n.t.Fatal(err)
	}
	n.events = append(n.events, event)
}

// event waits for an event of that type and takes it.
func (n *testNode) event(kind string) map[string]any {
	n.t.Helper()
	for deadline := time.Now().Add(waitMax); time.Now().Before(deadline); n.pump(time.Second) {
		for i, event := range n.events {
			if event["type"] == kind {
				n.events = append(n.events[:i:i], n.events[i+1:]...)
				return event
			}
		}
	}
	n.t.Fatalf("no event %s came", kind)
	return nil
}

// datagram waits for a control datagram and takes it.
func (n *testNode) datagram() received {
	n.t.Helper()
	for deadline := time.Now().Add(waitMax); time.Now().Before(deadline); n.pump(time.Second) {
		if len(n.mail) > 0 {
			first := n.mail[0]
			n.mail = n.mail[1:]
			return first
		}
	}
	n.t.Fatal("no control datagram came")
	return received{}
}

// dropped waits until as many drops of that reason were counted.
func (n *testNode) dropped(reason dropReason, want uint64) {
	n.t.Helper()
	eventually(n.t, func() bool { return n.drops[reason].Load() >= want },
		func() string {
			return fmt.Sprintf("%v drops, want %d of %s", n.drops.document(), want, dropNames[reason])
		})
}

// eventually waits for a condition that no event announces.
func eventually(t *testing.T, holds func() bool, otherwise func() string) {
	t.Helper()
	for deadline := time.Now().Add(waitMax); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(otherwise())
		}
	}
}

// stranger is a plain UDP socket.
func stranger(t *testing.T) *net.UDPConn {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func (n *testNode) from(conn *net.UDPConn, datagram []byte) {
	n.t.Helper()
	to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), n.sockets.port)
	if _, err := conn.WriteToUDPAddrPort(datagram, to); err != nil {
		n.t.Fatal(err)
	}
}

// control builds a control frame of a stranger with that text.
func control(text string) []byte {
	return append([]byte{magicByte, kindControl, wireVersion, controlHello}, fmt.Sprintf("%-12s", text)...)
}

// datagramFor builds a control frame for a session.
func datagramFor(receiver uint32, text string) []byte {
	frame := binary.BigEndian.AppendUint32([]byte{magicByte, kindControl, wireVersion, controlDatagram}, receiver)
	return append(frame, fmt.Sprintf("%-12s", text)...)
}

// record builds a record of send.
func record(path string, ttl byte, datagram []byte) []byte {
	return recordFrom(nil, path, ttl, datagram)
}

// recordFrom is the same with the address to leave from.
func recordFrom(local []byte, path string, ttl byte, datagram []byte) []byte {
	body := append([]byte{ttl, byte(len(local))}, local...)
	body = append(body, byte(len(path)))
	body = append(body, path...)
	body = append(body, datagram...)
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

type keys struct{ private, public string }

func newKeys(t *testing.T) keys {
	t.Helper()
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return keys{hex.EncodeToString(key.Bytes()), hex.EncodeToString(key.PublicKey().Bytes())}
}

const (
	renterAddress = "fd00::1"
	guestAddress  = "fd00::2"
	renterTunnel  = 0x11111111
	guestTunnel   = 0x22222222
)

// rental is a renter's node, a provider's node and a guest behind it.
type rental struct {
	renter, provider *testNode
	guest            *fakeguest.Guest
	control          string
}

// attach opens the provider's end of a tunnel and waits until the helper has taken its own.
func (n *testNode) attach(control string) {
	n.t.Helper()
	n.must("tunnel.open", map[string]any{
		"tunnel": guestTunnel, "peer": "renter", "remote": renterTunnel, "mode": "guest", "control": control,
	})
	if attached := n.event("guest-attached"); attached["ok"] != true || attached["tunnel"] != float64(guestTunnel) {
		n.t.Fatal(attached)
	}
}

// rent joins the two nodes over the given paths (from the renter's view, from the provider's view).
func rent(t *testing.T, renter, provider *testNode, toProvider, toRenter string) *rental {
	t.Helper()
	return rentWith(t, renter, provider, toProvider, toRenter, 25)
}

func rentWith(t *testing.T, renter, provider *testNode, toProvider, toRenter string, keepaliveS int) *rental {
	t.Helper()
	renterKeys, guestKeys := newKeys(t), newKeys(t)
	control := filepath.Join(t.TempDir(), "c")
	guest, err := fakeguest.Start(fakeguest.Config{
		Control: control, PrivateKey: guestKeys.private, PeerKey: renterKeys.public,
		Address: guestAddress, PeerAddress: renterAddress,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(guest.Close)
	renter.must("peer.set", map[string]any{"peer": "provider", "active": toProvider})
	provider.must("peer.set", map[string]any{"peer": "renter", "active": toRenter})
	provider.attach(control)
	renter.must("tunnel.open", map[string]any{
		"tunnel": renterTunnel, "peer": "provider", "remote": guestTunnel, "mode": "device",
		"privateKey": renterKeys.private, "peerKey": guestKeys.public,
		"address": renterAddress, "peerAddress": guestAddress, "mtu": 1280, "keepaliveS": keepaliveS,
	})
	return &rental{renter, provider, guest, control}
}

// rentDirect is a rental whose nodes reach each other directly.
func rentDirect(t *testing.T) *rental {
	t.Helper()
	renter, provider := openTest(t), openTest(t)
	return rent(t, renter, provider, provider.address(), renter.address())
}

// listen opens a port in the guest.
func (r *rental) listen(port uint16) net.Listener {
	r.renter.t.Helper()
	listener, err := r.guest.Net.Listen(port)
	if err != nil {
		r.renter.t.Fatal(err)
	}
	return listener
}

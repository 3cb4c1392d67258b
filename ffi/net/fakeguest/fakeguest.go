// Package fakeguest stands in for a virtual machine and its helper in tests and benchmarks: a control
// socket that answers `attach`, and behind it a WireGuard device and TCP/IP stack that play the guest.
package fakeguest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"
)

// Config describes the guest.
type Config struct {
	Control              string // the control socket's path
	PrivateKey, PeerKey  string // hex
	Address, PeerAddress string // IPv6
	KeepaliveS           int    // the guest initiates when it is not 0
}

// Guest is a running one.
type Guest struct {
	Net      *Stack
	wg       *device.Device
	listener *net.UnixListener
	link     *guestBind
	running  sync.WaitGroup
}

// Start brings the guest up and serves its control socket.
func Start(c Config) (*Guest, error) {
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: c.Control, Net: "unix"})
	if err != nil {
		return nil, err
	}
	stack, err := newStack(netip.MustParseAddr(c.Address), 1280)
	if err != nil {
		listener.Close()
		return nil, err
	}
	link := &guestBind{changed: make(chan struct{}, 1)}
	g := &Guest{Net: stack, listener: listener, link: link}
	g.wg = device.NewDevice(stackTun{stack}, link, device.NewLogger(device.LogLevelSilent, ""))
	setup := fmt.Sprintf("private_key=%s\npublic_key=%s\nendpoint=node\nallowed_ip=%s/128\n"+
		"persistent_keepalive_interval=%d\n", c.PrivateKey, c.PeerKey, c.PeerAddress, c.KeepaliveS)
	if err := errors.Join(g.wg.IpcSet(setup), g.wg.Up()); err != nil {
		g.Close()
		return nil, err
	}
	g.running.Add(1)
	go g.serve()
	return g, nil
}

// Close ends the guest as a helper that dies does: its sockets close.
func (g *Guest) Close() {
	g.listener.Close()
	g.wg.Close()
	g.Net.destroy()
	g.running.Wait()
}

// Detach closes the attached datagram socket, as a helper does when another node attaches.
func (g *Guest) Detach() { g.link.attach(nil) }

func (g *Guest) serve() {
	defer g.running.Done()
	for {
		control, err := g.listener.AcceptUnix()
		if err != nil {
			return
		}
		g.running.Add(1)
		go func() {
			defer g.running.Done()
			defer control.Close()
			for g.request(control) == nil {
			}
		}()
	}
}

// request answers one attach.
func (g *Guest) request(control *net.UnixConn) error {
	line, oob := make([]byte, 64), make([]byte, 128)
	n, oobn, _, _, err := control.ReadMsgUnix(line, oob)
	if err != nil || n == 0 {
		return io.EOF
	}
	if string(line[:n]) != "attach\n" {
		_, err = io.WriteString(control, `{"ok":false,"message":"unknown request"}`+"\n")
		return err
	}
	socket, err := receiveSocket(oob[:oobn])
	if err != nil {
		return err
	}
	g.link.attach(socket)
	_, err = io.WriteString(control, `{"ok":true}`+"\n")
	return err
}

func receiveSocket(oob []byte) (*net.UnixConn, error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil || len(messages) != 1 {
		return nil, errors.New("no descriptor came")
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return nil, errors.New("no descriptor came")
	}
	file := os.NewFile(uintptr(fds[0]), "node")
	defer file.Close()
	socket, err := net.FileConn(file)
	if err != nil {
		return nil, err
	}
	return socket.(*net.UnixConn), nil
}

// guestBind is the guest's network: the latest attached socket.
type guestBind struct {
	mu      sync.Mutex
	socket  *net.UnixConn
	closed  bool
	changed chan struct{}
}

func (b *guestBind) attach(socket *net.UnixConn) {
	b.mu.Lock()
	old := b.socket
	b.socket = socket
	b.mu.Unlock()
	if old != nil {
		old.Close()
	}
	b.poke()
}

func (b *guestBind) poke() {
	select {
	case b.changed <- struct{}{}:
	default:
	}
}

func (b *guestBind) current() (*net.UnixConn, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.socket, b.closed
}

func (b *guestBind) Open(uint16) ([]conn.ReceiveFunc, uint16, error) {
	b.mu.Lock()
	b.closed = false
	b.mu.Unlock()
	return []conn.ReceiveFunc{b.receive}, 1, nil
}

func (b *guestBind) receive(packets [][]byte, sizes []int, eps []conn.Endpoint) (int, error) {
	for {
		socket, closed := b.current()
		if closed {
			return 0, net.ErrClosed
		}
		if socket == nil {
			select {
			case <-b.changed:
			case <-time.After(10 * time.Millisecond):
			}
			continue
		}
		if n, err := socket.Read(packets[0]); err == nil && n > 0 {
			sizes[0], eps[0] = n, nodeEndpoint{}
			return 1, nil
		}
		b.mu.Lock()
		if b.socket == socket {
			b.socket = nil
		}
		b.mu.Unlock()
	}
}

func (b *guestBind) Send(packets [][]byte, _ conn.Endpoint) error {
	socket, _ := b.current()
	if socket == nil {
		return nil
	}
	for _, packet := range packets {
		if _, err := socket.Write(packet); err != nil {
			return nil
		}
	}
	return nil
}

func (b *guestBind) Close() error {
	b.mu.Lock()
	b.closed = true
	socket := b.socket
	b.socket = nil
	b.mu.Unlock()
	if socket != nil {
		socket.Close()
	}
	b.poke()
	return nil
}

func (b *guestBind) SetMark(uint32) error                        { return nil }
func (b *guestBind) ParseEndpoint(string) (conn.Endpoint, error) { return nodeEndpoint{}, nil }
func (b *guestBind) BatchSize() int                              { return 1 }

type nodeEndpoint struct{}

func (nodeEndpoint) ClearSrc()           {}
func (nodeEndpoint) SrcToString() string { return "" }
func (nodeEndpoint) DstToString() string { return "node" }
func (nodeEndpoint) DstToBytes() []byte  { return []byte("node") }
func (nodeEndpoint) DstIP() netip.Addr   { return netip.IPv6Unspecified() }
func (nodeEndpoint) SrcIP() netip.Addr   { return netip.IPv6Unspecified() }

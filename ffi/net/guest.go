package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// guestEnd is a tunnel whose WireGuard runs in a guest: datagrams go to and from the VM helper over a
// socketpair, one end of which is handed over through the helper's control socket. The pair is of type
// SEQPACKET, not DGRAM: it keeps datagrams apart too, and its end is seen by the other side.
type guestEnd struct {
	tunnel  *tunnel
	control string          // the helper's socket
	ctx     context.Context // of the attachment, ended by close
	cancel  context.CancelFunc
	socket  *net.UnixConn
	exit    exit
	in      *ring
	running sync.WaitGroup
	gone    sync.Once
	closed  chan struct{}
}

func newGuest(t *tunnel, control string) *guestEnd {
	g := &guestEnd{tunnel: t, control: control, in: newRing(), closed: make(chan struct{})}
	g.ctx, g.cancel = context.WithCancel(context.Background())
	return g
}

// start begins to attach, which ends with the event guest-attached: the helper may be slow to answer, and
// JavaScript's thread never waits.
func (g *guestEnd) start() *opError {
	ours, theirs, err := socketpair()
	if err != nil {
		return fail("internal", "socketpair: "+err.Error())
	}
	g.socket = ours
	if g.exit.raw, err = ours.SyscallConn(); err != nil {
		theirs.Close()
		return fail("internal", err.Error())
	}
	n := g.tunnel.node
	g.running.Add(1)
	n.running.Add(1)
	go func() {
		defer n.running.Done()
		defer g.running.Done()
		failed := fail("internal", "the native library met a defect")
		n.shelter("the attachment of a guest", func() { failed = g.attach(theirs) })
		g.attached(failed)
	}()
	return nil
}

// attached tells how the attachment ended. Where it failed there is no tunnel any more.
func (g *guestEnd) attached(failed *opError) {
	event := map[string]any{"tunnel": g.tunnel.id, "ok": failed == nil}
	switch {
	case failed == nil:
		g.run()
	case g.tunnel.node.releaseTunnel(g.tunnel):
		g.shut()
		fallthrough
	default:
		event["code"], event["message"] = failed.code, failed.message
	}
	g.tunnel.node.mail.event("guest-attached", g.tunnel.id, event)
}

func (g *guestEnd) run() {
	g.running.Add(2)
	for _, work := range []func(){g.fromGuest, g.toGuest} {
		go func() {
			defer g.running.Done()
			if !g.tunnel.node.shelter("a guest's tunnel", work) {
				g.lost()
			}
		}()
	}
}

// socketpair makes the pair: our end for Go's poller, the other as a file to pass on.
func socketpair() (*net.UnixConn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	for _, fd := range fds {
		setBuffer(fd, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF)
		setBuffer(fd, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF)
	}
	ours := os.NewFile(uintptr(fds[0]), "guest")
	theirs := os.NewFile(uintptr(fds[1]), "helper")
	defer ours.Close()
	conn, err := net.FileConn(ours)
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return conn.(*net.UnixConn), theirs, nil
}

// attach hands the file to the helper and reads its answer.
func (g *guestEnd) attach(file *os.File) *opError {
	defer file.Close()
	dialer := net.Dialer{Timeout: attachTimeout}
	control, err := dialer.DialContext(g.ctx, "unix", g.control)
	if err != nil {
		return fail("vm-failed", "the VM's helper cannot be reached: "+err.Error())
	}
	defer control.Close()
	stop := context.AfterFunc(g.ctx, func() { control.Close() })
	defer stop()
	if err := exchangeAttach(control.(*net.UnixConn), file); err != nil {
		return fail("vm-failed", "the VM's helper did not attach: "+err.Error())
	}
	return nil
}

func exchangeAttach(control *net.UnixConn, file *os.File) error {
	if err := control.SetDeadline(time.Now().Add(attachTimeout)); err != nil {
		return err
	}
	rights := unix.UnixRights(int(file.Fd()))
	if _, _, err := control.WriteMsgUnix([]byte("attach\n"), rights, nil); err != nil {
		return err
	}
	line, err := bufio.NewReaderSize(control, attachAnswerBytesMax).ReadSlice('\n')
	if err != nil {
		return err
	}
	var answer struct {
		OK      bool   `json:"ok"`
		Message string `json:"message"`
	}
	if err := json.Unmarshal(line, &answer); err != nil {
		return err
	}
	if !answer.OK {
		return fmt.Errorf("%q", answer.Message)
	}
	return nil
}

// fromGuest sends what the guest sends to the peer, as far as it may be WireGuard.
func (g *guestEnd) fromGuest() {
	r := newReceiver(g.exit.raw)
	datagrams := make([][]byte, 0, batchMax)
	for {
		count, err := r.next()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			g.lost()
			return
		}
		datagrams = datagrams[:0]
		for i := range count {
			data, whole := r.bytes(i)
			if len(data) == 0 {
				g.lost() // an empty read is the end of the other side
				return
			}
			if !whole || len(data) < wireguardMin {
				g.tunnel.node.drops.count(dropGuestFrame)
				continue
			}
			datagrams = append(datagrams, data)
		}
		g.tunnel.transmit(datagrams)
	}
}

// toGuest writes what came from the peer, at the pace of the helper.
func (g *guestEnd) toGuest() {
	bufs, sizes := makeBuffers(batchMax)
	batch := make([]outgoing, batchMax)
	for {
		n, ok := g.in.pop(bufs, sizes)
		if !ok {
			return
		}
		for i := range n {
			batch[i].payload = bufs[i][:sizes[i]]
		}
		if g.exit.write(batch[:n], patience{helperPatience, nil}, g.refused) != nil {
			return
		}
	}
}

func makeBuffers(count int) (bufs [][]byte, sizes []int) {
	memory := make([]byte, count*datagramBytesMax)
	for i := range count {
		bufs = append(bufs, memory[i*datagramBytesMax:(i+1)*datagramBytesMax])
	}
	return bufs, make([]int, count)
}

// refused counts what the helper's end does not take. That it is gone, fromGuest will see.
func (g *guestEnd) refused(_ syscall.Errno, datagrams int, _ netip.AddrPort) {
	g.tunnel.node.drops.countMany(dropGuestQueue, datagrams)
}

// lost reports, once, that the helper's end is gone, unless it is this side that closes.
func (g *guestEnd) lost() {
	g.gone.Do(func() {
		select {
		case <-g.closed:
		default:
			g.tunnel.node.mail.event("guest-gone", g.tunnel.id, map[string]any{"tunnel": g.tunnel.id})
		}
	})
}

func (g *guestEnd) deliver(datagrams [][]byte) {
	dropped, _ := g.in.push(datagrams)
	g.tunnel.node.drops.countMany(dropGuestQueue, dropped)
}

func (g *guestEnd) close() {
	close(g.closed)
	g.shut()
	g.running.Wait()
}

// shut ends whatever its goroutines wait for.
func (g *guestEnd) shut() {
	g.cancel()
	g.exit.closing.Store(true)
	g.in.close()
	if g.socket != nil {
		g.socket.Close()
	}
}

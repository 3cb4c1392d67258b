package main

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// echo sends back what comes and passes the end on. It reads ahead without a bound, for the TCP that
// plays the guest stands still when it neither reads nor writes (zerowindow.go).
func echo(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go echoOne(conn)
	}
}

func echoOne(conn net.Conn) {
	defer conn.Close()
	pieces := make(chan []byte, 1<<16)
	go func() {
		defer close(pieces)
		for {
			piece := make([]byte, 16<<10)
			n, err := conn.Read(piece)
			if err != nil {
				return
			}
			pieces <- piece[:n]
		}
	}()
	for piece := range pieces {
		if _, err := conn.Write(piece); err != nil {
			return
		}
	}
}

func TestAClientThatWritesAllBeforeItReadsIsServed(t *testing.T) {
	r := rentDirect(t)
	go echo(r.listen(7))
	conn := r.stream(7)
	conn.SetDeadline(time.Now().Add(waitMax))
	data := make([]byte, 12<<20) // more than all windows and buffers
	rand.Read(data)
	if _, err := conn.Write(data); err != nil {
		t.Fatal(err)
	}
	conn.CloseWrite()
	back, err := io.ReadAll(conn)
	if err != nil || !bytes.Equal(back, data) {
		t.Fatal(len(back), err)
	}
}

func newTicket() string {
	raw := make([]byte, ticketChars/2)
	rand.Read(raw)
	return hex.EncodeToString(raw)
}

// redeem shows a ticket and returns the connection and the answer's line.
func (n *testNode) redeem(ticket string) (*net.UnixConn, string) {
	n.t.Helper()
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: n.socket, Net: "unix"})
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { conn.Close() })
	io.WriteString(conn, ticket+"\n")
	var line strings.Builder
	for one := make([]byte, 1); ; {
		if _, err := conn.Read(one); err != nil {
			n.t.Fatal(err, line.String())
		}
		if one[0] == '\n' {
			return conn, line.String()
		}
		line.WriteByte(one[0])
	}
}

// stream opens a stream to a port of the guest.
func (r *rental) stream(port uint16) *net.UnixConn {
	r.renter.t.Helper()
	ticket := newTicket()
	r.renter.must("ticket.add", map[string]any{"ticket": ticket, "tunnel": renterTunnel, "port": port, "ttlMs": 60000})
	conn, line := r.renter.redeem(ticket)
	if line != "ok" {
		r.renter.t.Fatal(line)
	}
	return conn
}

func exchange(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	conn.SetDeadline(time.Now().Add(waitMax))
	io.WriteString(conn, text)
	back := make([]byte, len(text))
	if _, err := io.ReadFull(conn, back); err != nil || string(back) != text {
		t.Fatalf("%q %v", back, err)
	}
}

func TestAStreamCarriesMegabytesUnchangedAndHalfCloses(t *testing.T) {
	r := rentDirect(t)
	go echo(r.listen(7))
	conn := r.stream(7)
	data := make([]byte, 8<<20)
	rand.Read(data)
	go func() {
		conn.Write(data)
		conn.CloseWrite()
	}()
	hash := sha256.New()
	if n, err := io.Copy(hash, conn); err != nil || n != int64(len(data)) {
		t.Fatal(n, err)
	}
	if !bytes.Equal(hash.Sum(nil), sum(data)) {
		t.Fatal("the bytes changed")
	}
	conn.Close()
	for open := -1.0; open != 0; { // what nobody has looked at yet is told as it is at last
		open = r.renter.event("stream")["open"].(float64)
	}
}

func sum(data []byte) []byte {
	hash := sha256.Sum256(data)
	return hash[:]
}

func TestATicketServesOnce(t *testing.T) {
	r := rentDirect(t)
	go echo(r.listen(7))
	ticket := newTicket()
	r.renter.must("ticket.add", map[string]any{"ticket": ticket, "tunnel": renterTunnel, "port": 7, "ttlMs": 60000})
	if _, line := r.renter.redeem(ticket); line != "ok" {
		t.Fatal(line)
	}
	if _, line := r.renter.redeem(ticket); !strings.HasPrefix(line, "error not-found ") {
		t.Fatal(line)
	}
}

func TestATicketExpires(t *testing.T) {
	r := rentDirect(t)
	ticket := newTicket()
	r.renter.must("ticket.add", map[string]any{"ticket": ticket, "tunnel": renterTunnel, "port": 7, "ttlMs": 1})
	eventually(t, func() bool {
		r.renter.streams.Lock()
		defer r.renter.streams.Unlock()
		return len(r.renter.streams.tickets) == 0
	}, func() string { return "the ticket is still there" })
	if _, line := r.renter.redeem(ticket); !strings.HasPrefix(line, "error not-found ") {
		t.Fatal(line)
	}
}

func TestAStreamToAClosedPortSaysSo(t *testing.T) {
	r := rentDirect(t)
	ticket := newTicket()
	r.renter.must("ticket.add", map[string]any{"ticket": ticket, "tunnel": renterTunnel, "port": 9, "ttlMs": 60000})
	if _, line := r.renter.redeem(ticket); !strings.HasPrefix(line, "error unreachable ") {
		t.Fatal(line)
	}
}

func TestTheStreamSocketIsForItsOwnerOnly(t *testing.T) {
	n := openTest(t)
	info, err := os.Stat(n.socket)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatal(info.Mode(), err)
	}
	mine, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: n.socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer mine.Close()
	if !ownPeer(mine) { // what listens there is this process
		t.Fatal("its owner is refused")
	}
}

// Root may, and this user; another one may not, even where the file's mode lets it in.
func TestAnotherUsersTicketIsNotLookedAt(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be another user")
	}
	r := rentDirect(t)
	go echo(r.listen(7))
	ticket := newTicket()
	r.renter.must("ticket.add", map[string]any{"ticket": ticket, "tunnel": renterTunnel, "port": 7, "ttlMs": 60000})
	for _, path := range []string{filepath.Dir(r.renter.socket), filepath.Dir(filepath.Dir(r.renter.socket))} {
		os.Chmod(path, 0o755)
	}
	if err := os.Chmod(r.renter.socket, 0o666); err != nil {
		t.Fatal(err)
	}
	conn := dialAs(t, 65534, r.renter.socket)
	io.WriteString(conn, ticket+"\n")
	conn.SetReadDeadline(time.Now().Add(waitMax / 4)) // what is let in stays open
	answer, err := io.ReadAll(conn)                   // which ends with an error, for the ticket was not read
	if string(answer) != "error refused the stream socket serves its owner only\n" {
		t.Fatalf("%q %v", answer, err)
	}
	if _, line := r.renter.redeem(ticket); line != "ok" {
		t.Fatal("the ticket was spent: ", line)
	}
}

// dialAs connects as another user.
func dialAs(t *testing.T, uid int, path string) *net.UnixConn {
	t.Helper()
	var conn *net.UnixConn
	var err error
	onOwnThread(func() {
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), uintptr(uid), ^uintptr(0)); errno != 0 {
			err = errno // of this thread alone, which ends
			return
		}
		conn, err = net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestTheStreamSocketIsRemovedAtTheEndAndReplacedAfterACrash(t *testing.T) {
	n := openTest(t)
	n.closeOnce()
	if _, err := os.Stat(n.socket); !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if err := os.WriteFile(n.socket, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	again, failed := openNode(config{StreamSocket: &n.socket})
	if failed != nil {
		t.Fatal(failed.message)
	}
	again.close()
}

func TestConnectionsWithoutATicketAreBounded(t *testing.T) {
	n := openTest(t)
	var conns []net.Conn
	for range pendingMax + 8 {
		conn, err := net.Dial("unix", n.socket)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conns = append(conns, conn)
	}
	last := conns[len(conns)-1]
	last.SetReadDeadline(time.Now().Add(waitMax))
	if _, err := last.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Fatal("the connection beyond the limit was kept: ", err)
	}
}

func TestClosingTheTunnelEndsItsStreams(t *testing.T) {
	r := rentDirect(t)
	go echo(r.listen(7))
	conn := r.stream(7)
	exchange(t, conn, "hello")
	r.renter.must("tunnel.close", map[string]any{"tunnel": renterTunnel})
	conn.SetReadDeadline(time.Now().Add(waitMax))
	if _, err := conn.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Fatal(err)
	}
}

func TestSpliceCopiesDescriptorsWithHalfClose(t *testing.T) {
	r := rentDirect(t)
	go echo(r.listen(7))
	ticket := newTicket()
	r.renter.must("ticket.add", map[string]any{"ticket": ticket, "tunnel": renterTunnel, "port": 7, "ttlMs": 60000})
	stdin, stdinWriter := pipe(t)
	stdoutReader, stdout := pipe(t)
	data := make([]byte, 1<<20)
	rand.Read(data)
	go func() {
		stdinWriter.Write(data)
		stdinWriter.Close()
	}()
	finished := make(chan *opError)
	go func() {
		request := spliceRequest{r.renter.socket, ticket, int(stdin.Fd()), int(stdout.Fd())}
		failed := request.run()
		stdout.Close()
		finished <- failed
	}()
	back, err := io.ReadAll(stdoutReader)
	if err != nil || !bytes.Equal(back, data) {
		t.Fatal(len(back), err)
	}
	if failed := <-finished; failed != nil {
		t.Fatal(failed.message)
	}
}

func TestSpliceEndsWithTheFarSideThoughStdinStaysOpen(t *testing.T) {
	r := rentDirect(t)
	go banner(r.listen(22), "bye\n")
	ticket := newTicket()
	r.renter.must("ticket.add", map[string]any{"ticket": ticket, "tunnel": renterTunnel, "port": 22, "ttlMs": 60000})
	stdin, _ := pipe(t)
	stdoutReader, stdout := pipe(t)
	request := spliceRequest{r.renter.socket, ticket, int(stdin.Fd()), int(stdout.Fd())}
	if failed := request.run(); failed != nil {
		t.Fatal(failed.message)
	}
	stdout.Close()
	if text, _ := io.ReadAll(stdoutReader); string(text) != "bye\n" {
		t.Fatalf("%q", text)
	}
}

func TestSpliceReportsWhatTheNodeAnswers(t *testing.T) {
	n := openTest(t)
	if failed := (spliceRequest{n.socket, newTicket(), 0, 1}).run(); failed == nil || failed.code != "not-found" {
		t.Fatal(failed)
	}
	if failed := (spliceRequest{"/nowhere", newTicket(), 0, 1}).run(); failed == nil || failed.code != "no-node" {
		t.Fatal(failed)
	}
}

func pipe(t *testing.T) (reader, writer *os.File) {
	t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		reader.Close()
		writer.Close()
	})
	return reader, writer
}

func TestAForwardedPortLeadsIntoTheTunnel(t *testing.T) {
	r := rentDirect(t)
	go echo(r.listen(7))
	forward := map[string]any{"forward": "f1", "tunnel": renterTunnel, "bind": "127.0.0.1:0", "port": 7}
	address := r.renter.must("forward.listen", forward)["address"].(string)
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	exchange(t, conn, "hello")
	forward["bind"] = address
	if answer := r.renter.run("forward.listen", forward); answer["code"] != "exists" {
		t.Fatal(answer)
	}
	forward["forward"] = "f2"
	if answer := r.renter.run("forward.listen", forward); answer["code"] != "port-taken" {
		t.Fatal(answer)
	}
	r.renter.must("forward.close", map[string]any{"forward": "f1"})
	if _, err := net.Dial("tcp", address); err == nil {
		t.Fatal("the port is still open")
	}
	conn.SetReadDeadline(time.Now().Add(waitMax))
	if _, err := conn.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Fatal(err)
	}
}

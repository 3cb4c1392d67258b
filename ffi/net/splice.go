package main

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// spliceRequest is the argument of splice: file descriptors of the calling process, which keeps them.
type spliceRequest struct {
	Socket string `json:"socket"`
	Ticket string `json:"ticket"`
	Stdin  int    `json:"stdin"`
	Stdout int    `json:"stdout"`
}

// splice runs a whole stream in a process that has no handle: it shows the ticket at stream.sock and
// copies stdin and stdout. The end of stdin is passed on; the end of the far side ends it all.
func splice(text []byte) map[string]any {
	var request spliceRequest
	if err := json.Unmarshal(text, &request); err != nil {
		return fail("internal", "splice: "+err.Error()).document()
	}
	if failed := request.run(); failed != nil {
		return failed.document()
	}
	return map[string]any{"ok": true}
}

func (r spliceRequest) run() *opError {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: r.Socket, Net: "unix"})
	if err != nil {
		return fail("no-node", "the node's stream socket cannot be reached: "+err.Error())
	}
	defer conn.Close()
	if failed := showTicket(conn, r.Ticket); failed != nil {
		return failed
	}
	in, err := ownFile(r.Stdin)
	if err != nil {
		return fail("internal", "stdin: "+err.Error())
	}
	out, err := ownFile(r.Stdout)
	if err != nil {
		in.Close()
		return fail("internal", "stdout: "+err.Error())
	}
	defer out.Close()
	// This copy ends with stdin, or with the process: a read of a terminal cannot be interrupted.
	go func() {
		defer in.Close()
		_, _ = io.Copy(conn, in)
		_ = conn.CloseWrite()
	}()
	if _, err := io.Copy(out, conn); err != nil && !errors.Is(err, unix.EPIPE) {
		return fail("unreachable", "the stream broke: "+err.Error())
	}
	return nil
}

// showTicket redeems the ticket. The answer is read byte by byte, for the stream follows at once.
func showTicket(conn net.Conn, ticket string) *opError {
	if _, err := io.WriteString(conn, ticket+"\n"); err != nil {
		return fail("no-node", "the node hung up: "+err.Error())
	}
	line := make([]byte, 0, spliceLineBytesMax)
	for one := make([]byte, 1); len(line) < spliceLineBytesMax; {
		if _, err := conn.Read(one); err != nil {
			return fail("no-node", "the node hung up: "+err.Error())
		}
		if one[0] == '\n' {
			return parseAnswer(string(line))
		}
		line = append(line, one[0])
	}
	return fail("internal", "the node's answer is too long")
}

func parseAnswer(line string) *opError {
	if line == "ok" {
		return nil
	}
	kind, rest, _ := strings.Cut(line, " ")
	code, message, _ := strings.Cut(rest, " ")
	if kind != "error" || message == "" {
		return fail("internal", "the node's answer is not understood")
	}
	return fail(code, message)
}

// ownFile duplicates a descriptor: the number of the original means something to Go's runtime (a
// broken pipe on 1 would raise SIGPIPE), and it stays the caller's.
func ownFile(fd int) (*os.File, error) {
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(own), "stream"), nil
}

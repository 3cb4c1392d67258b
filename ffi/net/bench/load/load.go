// Package load is the traffic of the benchmarks: one TCP connection, one direction, as fast as it goes.
package load

import (
	"encoding/binary"
	"io"
	"net"
	"time"
)

// Conn is a connection that can be half-closed.
type Conn interface {
	net.Conn
	CloseWrite() error
}

// Result is what one run moved.
type Result struct {
	Bytes int64   `json:"bytes"`
	Ms    float64 `json:"ms"`
}

const (
	down = 'd' // the server sends
	up   = 'u' // the client sends
	echo = 'e' // the server sends back each message of 64 bytes
)

const pieceBytes = 64 << 10

// Serve serves every connection until the listener ends.
func Serve(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go serve(conn.(Conn))
	}
}

func serve(conn Conn) {
	defer conn.Close()
	kind := make([]byte, 1)
	if _, err := io.ReadFull(conn, kind); err != nil {
		return
	}
	switch kind[0] {
	case down:
		piece := make([]byte, pieceBytes)
		for err := error(nil); err == nil; {
			_, err = conn.Write(piece)
		}
	case up:
		n, _ := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{conn}, make([]byte, pieceBytes))
		binary.Write(conn, binary.BigEndian, n)
	case echo:
		io.CopyBuffer(struct{ io.Writer }{conn}, struct{ io.Reader }{conn}, make([]byte, pieceBytes))
	}
}

// Run moves bytes for that long: direction is "down" or "up".
func Run(conn Conn, direction string, duration time.Duration) (Result, error) {
	defer conn.Close()
	if direction == "down" {
		return runDown(conn, duration)
	}
	return runUp(conn, duration)
}

func runDown(conn Conn, duration time.Duration) (Result, error) {
	if _, err := conn.Write([]byte{down}); err != nil {
		return Result{}, err
	}
	piece := make([]byte, pieceBytes)
	begin, total := time.Now(), int64(0)
	for time.Since(begin) < duration {
		n, err := conn.Read(piece)
		if err != nil {
			return Result{}, err
		}
		total += int64(n)
	}
	return result(total, begin), nil
}

func runUp(conn Conn, duration time.Duration) (Result, error) {
	piece := make([]byte, pieceBytes)
	begin := time.Now()
	if _, err := conn.Write([]byte{up}); err != nil {
		return Result{}, err
	}
	for time.Since(begin) < duration {
		if _, err := conn.Write(piece); err != nil {
			return Result{}, err
		}
	}
	if err := conn.CloseWrite(); err != nil {
		return Result{}, err
	}
	var total int64
	if err := binary.Read(conn, binary.BigEndian, &total); err != nil {
		return Result{}, err
	}
	return result(total, begin), nil
}

func result(bytes int64, begin time.Time) Result {
	return Result{Bytes: bytes, Ms: float64(time.Since(begin).Microseconds()) / 1000}
}

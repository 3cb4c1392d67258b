// Command stream moves the benchmarks' traffic as `omerta consumer proxy` does: through stream.sock, in
// a process of its own. It takes one JSON command per line on stdin, {"socket":…,"ticket":…,
// "direction":…,"ms":…}, and answers by a result line.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"omerta/ffi/net/bench/load"
)

type command struct {
	Socket    string `json:"socket"`
	Ticket    string `json:"ticket"`
	Direction string `json:"direction"`
	Ms        int    `json:"ms"`
}

func main() {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var c command
		err := json.Unmarshal(lines.Bytes(), &c)
		var result any
		if err == nil {
			result, err = c.run()
		}
		if err != nil {
			result = map[string]string{"error": err.Error()}
		}
		json.NewEncoder(os.Stdout).Encode(result)
	}
}

func (c command) run() (any, error) {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: c.Socket, Net: "unix"})
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(conn, "%s\n", c.Ticket)
	answer := make([]byte, len("ok\n"))
	if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != "ok\n" {
		rest, _ := io.ReadAll(conn)
		return nil, fmt.Errorf("the ticket was answered by %q, %v", append(answer, rest...), err)
	}
	return load.Run(conn, c.Direction, time.Duration(c.Ms)*time.Millisecond)
}

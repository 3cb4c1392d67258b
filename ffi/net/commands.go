package main

import (
	"bytes"
	"encoding/json"
	"runtime"
)

// opError is a failed operation: a code of the project's closed list, and a sentence.
type opError struct{ code, message string }

func fail(code, message string) *opError { return &opError{code, message} }

func (e *opError) document() map[string]any {
	return map[string]any{"ok": false, "code": e.code, "message": e.message}
}

var errClosed = fail("internal", "the network is closed")

// untakenAnswer keeps an answer that did not fit the caller's memory, so that the repeated call gets
// it and the operation does not run twice.
type untakenAnswer struct{ command, answer []byte }

// command runs one JSON operation and writes its JSON answer to out: the bytes written, or -(needed).
func (n *node) command(text, out []byte) int {
	n.commandMu.Lock()
	defer n.commandMu.Unlock()
	if n.isClosed() { // while this waited
		return copy(out, encode(errClosed.document()))
	}
	answer := n.untaken.answer
	if answer == nil || !bytes.Equal(n.untaken.command, text) {
		answer = n.answer(text)
	}
	n.untaken = untakenAnswer{}
	if len(answer) > len(out) {
		n.untaken = untakenAnswer{bytes.Clone(text), answer}
		return -len(answer)
	}
	return copy(out, answer)
}

// answer runs the operation; its panic is an answer too, for JavaScript's thread is the caller.
func (n *node) answer(text []byte) []byte {
	var answer []byte
	if !n.shelter("a command", func() { answer = n.execute(text) }) {
		return encode(fail("internal", "the native library met a defect").document())
	}
	return answer
}

func (n *node) execute(text []byte) []byte {
	result, failed := n.run(text)
	if failed != nil {
		return encode(failed.document())
	}
	result["ok"] = true
	return encode(result)
}

func (n *node) run(text []byte) (map[string]any, *opError) {
	if len(text) > commandBytesMax {
		return nil, fail("internal", "the command is too long")
	}
	var head struct {
		Op string `json:"op"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, fail("internal", "the command is not JSON: "+err.Error())
	}
	run, known := operations[head.Op]
	if !known {
		return nil, fail("unsupported", "unknown operation "+head.Op)
	}
	return run(n, text)
}

// operation runs one kind of command.
type operation func(n *node, text []byte) (map[string]any, *opError)

// operations are all that a command may ask for.
var operations = map[string]operation{
	"stats":          takes((*node).stats),
	"peer.set":       takes((*node).peerSet),
	"peer.remove":    takes((*node).peerRemove),
	"session.set":    takes((*node).sessionSet),
	"tunnel.open":    takes((*node).tunnelOpen),
	"tunnel.remote":  takes((*node).tunnelRemote),
	"tunnel.close":   takes((*node).tunnelClose),
	"tunnel.status":  takes((*node).tunnelStatus),
	"tunnel.probe":   takes((*node).tunnelProbe),
	"tunnel.ping":    takes((*node).tunnelPing),
	"ticket.add":     takes((*node).ticketAdd),
	"forward.listen": takes((*node).forwardListen),
	"forward.close":  takes((*node).forwardClose),
	"relay.set":      takes((*node).relaySet),
	"relay.remove":   takes((*node).relayRemove),
	"relay.stats":    takes((*node).relayStats),
	"relay.limits":   takes((*node).relayLimit),
}

// takes makes an operation of a function with typed arguments.
func takes[A any](run func(n *node, args A) (map[string]any, *opError)) operation {
	return func(n *node, text []byte) (map[string]any, *opError) {
		var args A
		if err := json.Unmarshal(text, &args); err != nil {
			return nil, fail("internal", "bad arguments: "+err.Error())
		}
		return run(n, args)
	}
}

// none is the argument of operations without one, and the result of those that have nothing to say.
type none struct{}

func (n *node) stats(none) (map[string]any, *opError) {
	n.tables.RLock()
	peers, tunnels, sessions := len(n.peers), len(n.tunnels), len(n.relay.sessions)
	n.tables.RUnlock()
	n.streams.Lock()
	streams := n.streams.open
	n.streams.Unlock()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return map[string]any{
		"dropped": n.drops.document(), "streams": streams, "tunnels": tunnels, "peers": peers,
		"relaySessions": sessions, "memoryBytes": memory.Sys - memory.HeapReleased,
		"goroutines": runtime.NumGoroutine(), "defects": n.defects.Load(),
	}, nil
}

func encode(document map[string]any) []byte {
	text, err := json.Marshal(document)
	if err != nil {
		panic(err) // documents are made of strings, numbers, booleans, maps and lists in this package
	}
	return text
}

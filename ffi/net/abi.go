// Command net is the native data path: it owns the UDP port of a node and moves its bytes. It is built
// as a C shared library, and this file is its whole interface. See README.md.
package main

// #include <stdint.h>
import "C"

import (
	"encoding/json"
	"sync"
	"time"
	"unsafe"
)

// Negative results, beside -(bytes needed) of command.
const (
	abiFailed = -1 // the operation failed, see the output
	abiHandle = -2 // no such handle: it was closed, or never opened
)

var handles struct {
	sync.Mutex
	nodes map[int32]*node
	last  int32
}

func lookup(h C.int32_t) *node {
	handles.Lock()
	defer handles.Unlock()
	return handles.nodes[int32(h)]
}

func register(n *node) (int32, bool) {
	handles.Lock()
	defer handles.Unlock()
	if len(handles.nodes) >= handlesMax {
		return 0, false
	}
	if handles.nodes == nil {
		handles.nodes = map[int32]*node{}
	}
	handles.last++
	handles.nodes[handles.last] = n
	return handles.last, true
}

func forget(h C.int32_t) *node {
	handles.Lock()
	defer handles.Unlock()
	n := handles.nodes[int32(h)]
	delete(handles.nodes, int32(h))
	return n
}

// view is the caller's memory; it is not kept after the call.
func view(memory *C.uint8_t, length C.int32_t) []byte {
	if memory == nil || length <= 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(memory)), int(length))
}

// pad fills the rest with spaces, so that a document without a length of its own parses as JSON.
func pad(out []byte, from int) {
	for i := from; i < len(out); i++ {
		out[i] = ' '
	}
}

//export omerta_net_open
func omerta_net_open(configText *C.uint8_t, length C.int32_t, out *C.uint8_t, capacity C.int32_t) C.int32_t {
	handle, document := open(view(configText, length))
	memory := view(out, capacity)
	pad(memory, copy(memory, encode(document)))
	return C.int32_t(handle)
}

func open(text []byte) (int32, map[string]any) {
	var c config
	if err := json.Unmarshal(text, &c); err != nil {
		return abiFailed, fail("internal", "the configuration is not JSON: "+err.Error()).document()
	}
	n, failed := openNode(c)
	if failed != nil {
		return abiFailed, failed.document()
	}
	handle, ok := register(n)
	if !ok {
		n.close()
		return abiFailed, fail("refused", "too many handles are open").document()
	}
	return handle, map[string]any{"ok": true, "port": n.sockets.port}
}

//export omerta_net_send
func omerta_net_send(h C.int32_t, batch *C.uint8_t, length C.int32_t) C.int32_t {
	n := lookup(h)
	if n == nil {
		return abiHandle
	}
	if n.send(view(batch, length)) != nil {
		return abiFailed
	}
	return 0
}

//export omerta_net_command
func omerta_net_command(h C.int32_t, text *C.uint8_t, length C.int32_t, out *C.uint8_t, capacity C.int32_t) C.int32_t {
	n := lookup(h)
	if n == nil {
		return C.int32_t(copy(view(out, capacity), encode(errClosed.document())))
	}
	return C.int32_t(n.command(view(text, length), view(out, capacity)))
}

//export omerta_net_poll
func omerta_net_poll(h C.int32_t, buf *C.uint8_t, capacity C.int32_t, timeoutMs C.int32_t) C.int32_t {
	n := lookup(h)
	if n == nil {
		return abiHandle
	}
	return C.int32_t(n.mail.poll(view(buf, capacity), time.Duration(timeoutMs)*time.Millisecond))
}

//export omerta_net_wake
func omerta_net_wake(h C.int32_t) {
	if n := lookup(h); n != nil {
		n.mail.wake()
	}
}

//export omerta_net_close
func omerta_net_close(h C.int32_t) C.int32_t {
	n := forget(h)
	if n == nil {
		return abiHandle
	}
	n.close()
	return 0
}

//export omerta_net_splice
func omerta_net_splice(request *C.uint8_t, length C.int32_t, out *C.uint8_t, capacity C.int32_t) C.int32_t {
	return C.int32_t(copy(view(out, capacity), encode(splice(view(request, length)))))
}

func main() {}

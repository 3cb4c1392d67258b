package main

import (
	"fmt"
	"runtime/debug"
	"time"
)

// This library lives in a process that holds sessions, tunnels and VMs which have nothing to do with
// what a goroutine here works on. So a panic ends that work only: every goroutine of the library, every
// timer and every call from outside is sheltered. What the goroutines of gVisor and wireguard-go do
// outside of the calls to this library cannot be.

const (
	// defectPause is the least time between two events of defects, lest one that repeats fills the log.
	defectPause = time.Second
	// defectStackBytesMax bounds the stack that is told.
	defectStackBytesMax = 4096
)

// shelter runs work; a panic in it is told as an event and goes no further. Deferred calls of the work
// have run by then.
func (n *node) shelter(where string, work func()) (sound bool) {
	defer func() {
		if !sound {
			n.defect(where, recover())
		}
	}()
	work()
	return true
}

// goSheltered runs work on a goroutine of its own.
func (n *node) goSheltered(where string, work func()) {
	go n.shelter(where, work)
}

// defect counts a panic and tells of it, though not of each one in a quick row.
func (n *node) defect(where string, value any) {
	n.defects.Add(1)
	at := now()
	last := n.defectTold.Load()
	if last != 0 && at.since(instant(last)) < defectPause || !n.defectTold.CompareAndSwap(last, int64(at)) {
		return
	}
	stack := debug.Stack()
	n.mail.event("defect", where, map[string]any{
		"where": where, "message": fmt.Sprint(value), "stack": string(stack[:min(len(stack), defectStackBytesMax)]),
	})
}

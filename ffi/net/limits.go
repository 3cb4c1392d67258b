package main

import "time"

// Every bound of this library, in one place. Each says where its value comes from and what happens
// when it is reached.
const (
	// handlesMax bounds the open nodes of a process; a further open is refused. One is normal, tests
	// use a few.
	handlesMax = 16

	// datagramBytesMax is the largest datagram taken from or put on the wire. The largest that the
	// design makes is 1376 B (MTU 1280 + WireGuard 32 + ot 8 + or 8, IPv6); larger ones are counted as
	// "oversize".
	datagramBytesMax = 2000

	// batchMax is the number of datagrams per system call. 64 amortises the call to about 20 ns per
	// datagram (measured); more only costs memory.
	batchMax = 64

	// controlQueueBytesMax and controlQueueMax bound the control datagrams that wait for poll. Full: the
	// newcomer is dropped and counted as "control-queue". 2 MiB is 1700 handshakes: guess.
	controlQueueBytesMax = 2 << 20
	controlQueueMax      = 4096

	// eventQueueMax bounds the events that wait for poll. Full: the newcomer is dropped and counted as
	// "event-queue". Events are made by commands and by changes of state, never by strangers: guess.
	eventQueueMax = 4096

	// socketBufferBytes is asked of the kernel for both directions (it may give less). 4 MiB is 6 ms of
	// 5 Gb/s: guess, the field uses 7 MB.
	socketBufferBytes = 4 << 20

	// commandBytesMax bounds one JSON command.
	commandBytesMax = 1 << 20

	// portAttemptsMax bounds the search for a port that is free in both families when none was asked for.
	portAttemptsMax = 32

	// closeTimeout bounds how long close waits for goroutines before it reports a leak (a defect).
	closeTimeout = 10 * time.Second
)

const (
	// receiveFailuresMax is how many errors in a row a receiving goroutine shrugs off before it says so
	// and pauses for receiveFailurePause: guess.
	receiveFailuresMax  = 100
	receiveFailurePause = 100 * time.Millisecond
)

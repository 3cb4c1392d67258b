package main

import "time"

// Every bound of this library, in one place. Each says where its value comes from and what happens
// when it is reached.
const (
	// handlesMax bounds the open nodes of a process; a further open is refused. One is normal, tests
	// use a few.
	handlesMax = 16

	// tunnelPatience is how long what a tunnel sends waits for room in the socket's buffer; then the rest
	// of the batch is dropped and counted as "send-buffer". It makes TCP slow down without loss: guess.
	tunnelPatience = time.Second
	// helperPatience is the same for a VM helper that reads slowly, counted as "guest-queue": guess.
	helperPatience = time.Minute
	// roomLook is how often who waits for room looks whether to go on.
	roomLook = 10 * time.Millisecond

	// datagramBytesMax is the largest datagram taken from or put on the wire. The largest that the
	// design makes is 1376 B (MTU 1280 + WireGuard 32 + ot 8 + or 8, IPv6); larger ones are counted as
	// "oversize".
	datagramBytesMax = 2000

	// batchMax is the number of messages per system call. 64 amortises the call to some 20 ns per
	// datagram; more only costs memory.
	batchMax = 64

	// laneMax is the number of datagrams that are gathered before they are sent.
	laneMax = 256

	// mergedBatchMax and mergedBytesMax are the messages per call, and their room, where a message may hold
	// many datagrams: 2 MiB per socket, of which the system only backs what is used.
	mergedBatchMax = 32
	mergedBytesMax = 1 << 16

	// segmentsMax and segmentBytesMax bound what leaves as one buffer: UDP_MAX_SEGMENTS of Linux 4.18, and
	// the largest UDP payload with room for an IPv6 header.
	segmentsMax     = 64
	segmentBytesMax = 65000

	// eventQueueMax bounds the events that wait for poll. Full: the newcomer is dropped and counted as
	// "event-queue". It is more than there are things to tell of: two of each peer, four of each tunnel,
	// and what was asked for.
	eventQueueMax = 65536

	// socketBufferBytes is asked of the kernel for both directions (it may give less). 4 MiB is 6 ms of
	// 5 Gb/s: guess, the field uses 7 MB.
	socketBufferBytes = 4 << 20

	// commandBytesMax bounds one JSON command.
	commandBytesMax = 1 << 20

	// portAttemptsMax bounds the search for a port: of the node, that is free in both families when none
	// was asked for; of a connection into a tunnel.
	portAttemptsMax = 32

	// closeTimeout bounds how long close waits for goroutines before it reports a leak (a defect).
	closeTimeout = 10 * time.Second
)

const (
	// refusalPause and refusalsMax bound the events of datagrams that the system refuses to send: guess.
	refusalPause = 10 * time.Second
	refusalsMax  = 32
	// receiveFailuresMax is how many errors in a row a receiving goroutine shrugs off before it says so
	// and pauses for receiveFailurePause: guess.
	receiveFailuresMax  = 100
	receiveFailurePause = 100 * time.Millisecond
)

// Tables. A full one refuses the newcomer with the code "refused".
const (
	// peersMax is that of TypeScript's path machine: a relay has sessions with all its members.
	peersMax = 16384
	// peerPathsMax bounds the paths on which a peer is heard: candidates of both families: guess.
	peerPathsMax = 32
	// earlyMax bounds the datagrams of a tunnel that wait for the proof of their path; the oldest gives
	// way. WireGuard begins with one, and answers with one: guess.
	earlyMax = 4
	// earlyPatience is how long they wait. A path is proven in a round trip: guess.
	earlyPatience = time.Second
	// peerKeyBytesMax holds NETWORK/NODE of 105 characters with room: guess.
	peerKeyBytesMax = 256
	// tunnelsMax bounds tunnels; each device costs some 0.5 MiB at rest, see README.md.
	tunnelsMax = 256
	// sourcesMax bounds half of the addresses whose local end is remembered beside those of paths; the
	// oldest give way. They are of sessions that are beginning, and of calls by invite: guess.
	sourcesMax = 1024
	// receiversMax bounds the ids of TypeScript's sessions and handshakes: those of peersMax peers while
	// they are renewed, and as many handshakes.
	receiversMax = 131072
	// relaySessionsMax bounds the relay's table to about 20 MiB.
	relaySessionsMax = 65536
	// relayLabelBytesMax: two node ids.
	relayLabelBytesMax = 128
	// pingPatience is how long after the doubt a ping is waited for: the longest pause of JavaScript that
	// is borne: guess.
	pingPatience = 10 * time.Second
	// relayBurst is how long a limited session may run ahead of its rate: guess.
	relayBurst = 50 * time.Millisecond
)

// Tunnels.
const (
	// mtuMin is IPv6's (RFC 8200 §5), mtuMax what a datagram holds beside all headers.
	mtuMin = 1280
	mtuMax = datagramBytesMax - 100
	// tunnelQueueMax is the number of datagrams that wait for WireGuard or the guest: more than one TCP
	// stream can have under way (streamBufferBytesMax), at most 8 MiB. Full: the newcomer is dropped and
	// counted as "tunnel-queue" or "guest-queue".
	tunnelQueueMax = 4096
	// deviceBatch is the number of datagrams that WireGuard handles at once (measured, see README.md).
	deviceBatch = 16
	// deviceBuffersMax bounds the 64 KiB buffers of one device; when all are in use, its reader waits.
	deviceBuffersMax = 256
	// receiveStallMax is how long datagrams may wait for a device that takes none; then its packets that
	// wait for a handshake give way: guess, far above what scheduling takes.
	receiveStallMax = 300 * time.Millisecond
	// linkQueueMax is the number of packets that wait between TCP and WireGuard; full: the writer waits
	// for at most linkWaitMax, then the packet is dropped and counted as "stack-queue".
	linkQueueMax = 256
	linkWaitMax  = 50 * time.Millisecond
	// handshakeWatchMax is how long after a transport message its handshake is looked for.
	handshakeWatchMax = 100 * time.Millisecond
	// attachTimeout and attachAnswerBytesMax bound the talk with the VM helper.
	attachTimeout        = 2 * time.Second
	attachAnswerBytesMax = 4096
)

// Streams into tunnels.
const (
	// streamsMax bounds the streams of a node. Each costs at least 128 KiB, and at most
	// 2·streamBufferBytesMax more where one side reads slowly.
	streamsMax = 128
	// streamBufferBytes and streamBufferBytesMax are TCP's buffers per direction: 4 MiB carries
	// 670 Mb/s at 50 ms.
	streamBufferBytes    = 1 << 20
	streamBufferBytesMax = 4 << 20
	// copyBufferBytes is what is copied at once: guess.
	copyBufferBytes = 64 << 10
	// restAfter is how long after the last stream its memory is given back: guess.
	restAfter = 5 * time.Second
	// flowsMax bounds the local ports in use or in grace; the oldest in grace gives way.
	flowsMax = 4096
	// timeWait and finWait are short, for only this side dials; flowGrace outlasts both.
	timeWait  = 5 * time.Second
	finWait   = 15 * time.Second
	flowGrace = 30 * time.Second
	// keepaliveIdle, …Interval and …Count end a stream into a VM that was silent for 6 minutes: guess.
	keepaliveIdle     = 60 * time.Second
	keepaliveInterval = 15 * time.Second
	keepaliveCount    = 20
	// dialTimeout bounds a stream's dial, a handshake included.
	dialTimeout = 10 * time.Second
	// ticketsMax, ticketChars and ticketTimeout belong to stream.sock, pendingMax to the connections
	// there that have not shown a ticket; one more is closed at once.
	ticketsMax    = 256
	ticketChars   = 64
	ticketTimeout = 5 * time.Second
	pendingMax    = 64
	// forwardsMax bounds the forwarded ports: guess.
	forwardsMax = 64
	// acceptPause is the rest after a failed accept, which means that descriptors have run out.
	acceptPause = 50 * time.Millisecond
	// spliceLineBytesMax bounds the answer that a ticket gets.
	spliceLineBytesMax = 512
)

// Probes.
const (
	// probesMax bounds the probes and pings at work, pingsMax those of one tunnel.
	probesMax = 256
	pingsMax  = 64
	// probeDialMin is how long the first dial of a probe lasts; each next one lasts twice as long, up to
	// probeDialMax, for the way to the guest may be long. probePause is the rest after a failed one.
	probeDialMin = 50 * time.Millisecond
	probeDialMax = 3 * time.Second
	probePause   = 20 * time.Millisecond
	// probePrefixBytesMax bounds the expected banner.
	probePrefixBytesMax = 64
)

// Control datagrams that wait for poll. Full: the newest of who has most is dropped, or the newcomer, and
// counted as "control-queue"; beyond one sender's share: the newcomer, counted as "control-share".
var (
	// sessionPlaces hold what names a session that there is; its share is the pieces of all calls that
	// one peer may have under way: guess.
	sessionPlaces = placeLimits{count: 4096, bytes: 3 << 20, share: 512}
	// strangerPlaces hold some 1000 handshakes, and 400 of one source prefix: guess.
	strangerPlaces = placeLimits{count: 2048, bytes: 5 << 18, share: 400}
)

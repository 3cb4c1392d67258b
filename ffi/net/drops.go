package main

import "sync/atomic"

// dropReason says why a datagram went no further. Every drop is counted by its reason.
type dropReason int

const (
	dropNone dropReason = iota
	dropShort
	dropOversize
	dropMagic
	dropVersion
	dropType
	dropReserved
	dropNested
	dropNoReceiver
	dropNoTunnel
	dropNoSession
	dropForeignPath
	dropForeignSource
	dropControlQueue
	dropControlShare
	dropEventQueue
	dropTunnelQueue
	dropGuestQueue
	dropStackQueue
	dropGuestFrame
	dropNoPath
	dropNoRemote
	dropLimited
	dropSendBuffer
	dropSendFailed
	dropUninvited
	dropReasons
)

var dropNames = [dropReasons]string{
	dropNone:          "none",
	dropShort:         "short",
	dropOversize:      "oversize",
	dropMagic:         "unknown-magic",
	dropVersion:       "unknown-version",
	dropType:          "unknown-type",
	dropReserved:      "reserved",
	dropNested:        "nested-relay",
	dropNoReceiver:    "unknown-receiver",
	dropNoTunnel:      "unknown-tunnel",
	dropNoSession:     "unknown-session",
	dropForeignPath:   "foreign-path",
	dropForeignSource: "foreign-source",
	dropControlQueue:  "control-queue",
	dropControlShare:  "control-share",
	dropEventQueue:    "event-queue",
	dropTunnelQueue:   "tunnel-queue",
	dropGuestQueue:    "guest-queue",
	dropStackQueue:    "stack-queue",
	dropGuestFrame:    "guest-frame",
	dropNoPath:        "no-path",
	dropNoRemote:      "no-remote",
	dropLimited:       "rate-limited",
	dropSendBuffer:    "send-buffer",
	dropSendFailed:    "send-failed",
	dropUninvited:     "uninvited",
}

// dropCounters counts by reason; safe for concurrent use.
type dropCounters [dropReasons]atomic.Uint64

func (c *dropCounters) count(reason dropReason) { c[reason].Add(1) }

func (c *dropCounters) countMany(reason dropReason, n int) {
	if n > 0 {
		c[reason].Add(uint64(n))
	}
}

// document lists the reasons that were met.
func (c *dropCounters) document() map[string]uint64 {
	counts := map[string]uint64{}
	for reason := dropShort; reason < dropReasons; reason++ {
		if n := c[reason].Load(); n > 0 {
			counts[dropNames[reason]] = n
		}
	}
	return counts
}

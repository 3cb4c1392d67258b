package main

import (
	"bytes"
	"net"
	"net/netip"
	"testing"
	"time"
)

func mustAddr(t *testing.T, text string) netip.AddrPort {
	t.Helper()
	addr, err := parseAddr(text)
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// relayed is a relay with one session between two plain sockets.
func relayed(t *testing.T, session uint32) (relay *testNode, a, b *net.UDPConn) {
	t.Helper()
	relay, a, b = openTest(t), stranger(t), stranger(t)
	relay.must("relay.set", map[string]any{
		"session": session, "a": a.LocalAddr().String(), "b": b.LocalAddr().String(), "label": "a to b",
	})
	return relay, a, b
}

func read(t *testing.T, conn *net.UDPConn) []byte {
	t.Helper()
	data := make([]byte, 4096)
	conn.SetReadDeadline(time.Now().Add(waitMax))
	n, err := conn.Read(data)
	if err != nil {
		t.Fatal(err)
	}
	return data[:n]
}

func TestTheRelayForwardsBetweenTheTwoAddressesOfASession(t *testing.T) {
	relay, a, b := relayed(t, 42)
	for _, c := range []struct{ from, to *net.UDPConn }{{a, b}, {b, a}} {
		for _, inner := range [][]byte{control("hello"), tunnelFrame(7, 100)} {
			relay.from(c.from, relayFrame(toRelay, 42, inner))
			if got, want := read(t, c.to), relayFrame(fromRelay, 42, inner); !bytes.Equal(got, want) {
				t.Fatalf("%x, want %x", got, want)
			}
		}
	}
}

func TestTheRelayForwardsNothingElse(t *testing.T) {
	relay, a, _ := relayed(t, 42)
	other := stranger(t)
	relay.from(other, relayFrame(toRelay, 42, control("x")))
	relay.dropped(dropForeignSource, 1)
	relay.from(a, relayFrame(toRelay, 43, control("x")))
	relay.dropped(dropNoSession, 1)
	relay.from(a, relayFrame(toRelay, 42, relayFrame(toRelay, 42, control("x"))))
	relay.dropped(dropNested, 1)
	relay.must("relay.remove", map[string]any{"session": 42})
	relay.from(a, relayFrame(toRelay, 42, control("x")))
	relay.dropped(dropNoSession, 2)
}

func TestTheRelayCountsControlAndTunnelApartAndTotalsSurviveTheSession(t *testing.T) {
	relay, a, b := relayed(t, 42)
	relay.from(a, relayFrame(toRelay, 42, control("x")))
	read(t, b)
	for range 2 {
		relay.from(a, relayFrame(toRelay, 42, tunnelFrame(7, 100)))
		read(t, b)
	}
	stats := relay.must("relay.stats", nil)
	session := stats["sessions"].([]any)[0].(map[string]any)
	for _, counters := range []map[string]any{session, stats["total"].(map[string]any)} {
		checkTraffic(t, counters["control"], 1, 16)
		checkTraffic(t, counters["tunnel"], 2, 216)
	}
	if session["label"] != "a to b" || session["idleMs"].(float64) > waitMax.Seconds()*1000 {
		t.Fatal(session)
	}
	relay.must("relay.remove", map[string]any{"session": 42})
	stats = relay.must("relay.stats", nil)
	if len(stats["sessions"].([]any)) != 0 {
		t.Fatal(stats)
	}
	checkTraffic(t, stats["total"].(map[string]any)["tunnel"], 2, 216)
}

func checkTraffic(t *testing.T, got any, packets, bytes float64) {
	t.Helper()
	counters := got.(map[string]any)
	if counters["packets"] != packets || counters["bytes"] != bytes {
		t.Fatalf("%v, want %v packets of %v bytes in all", counters, packets, bytes)
	}
}

func TestTheRelaysTableIsBounded(t *testing.T) {
	relay, a, b := relayed(t, 1)
	relay.must("relay.limits", map[string]any{"sessions": 1})
	args := map[string]any{"session": 2, "a": a.LocalAddr().String(), "b": b.LocalAddr().String()}
	if answer := relay.run("relay.set", args); answer["code"] != "refused" {
		t.Fatal(answer)
	}
	args["session"] = 1
	relay.must("relay.set", args)
}

func TestTheRelayLimitsTheRateOfASession(t *testing.T) {
	relay, a, _ := relayed(t, 1)
	relay.must("relay.limits", map[string]any{"sessionBytesPerSecond": 1000})
	for range 10 {
		relay.from(a, relayFrame(toRelay, 1, tunnelFrame(1, 100)))
	}
	relay.dropped(dropLimited, 1)
}

func TestALimitHoldsForSessionsThatComeAfterItToo(t *testing.T) {
	relay, a, b := relayed(t, 1)
	relay.must("relay.limits", map[string]any{"sessionBytesPerSecond": 1000})
	args := map[string]any{"session": 2, "a": a.LocalAddr().String(), "b": b.LocalAddr().String()}
	relay.must("relay.set", args)
	for range 10 {
		relay.from(a, relayFrame(toRelay, 2, tunnelFrame(1, 100)))
	}
	relay.dropped(dropLimited, 1)
}

func TestTheRelayLimitsTheRateOfAllSessionsTogether(t *testing.T) {
	relay, a, b := relayed(t, 1)
	relay.must("relay.limits", map[string]any{"bytesPerSecond": 1000})
	for session := 2; session <= 10; session++ {
		args := map[string]any{"session": session, "a": a.LocalAddr().String(), "b": b.LocalAddr().String()}
		relay.must("relay.set", args)
		relay.from(a, relayFrame(toRelay, uint32(session), tunnelFrame(1, 100)))
	}
	relay.dropped(dropLimited, 1)
}

func TestABucketAdmitsItsRateAndABurst(t *testing.T) {
	var b bucket
	b.limit(1_000_000)
	admitted := 0
	for at := instant(1); at < instant(time.Second); at += instant(10 * time.Microsecond) {
		if b.take(at, 100) {
			admitted += 100
		}
	}
	if admitted < 1_000_000 || admitted > 1_051_000 {
		t.Fatal(admitted)
	}
	b.limit(0)
	if !b.take(1, 1<<30) {
		t.Fatal("no limit refuses nothing")
	}
}

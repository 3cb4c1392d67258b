package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestControlDatagramsArriveWithTheirPathInBothFamilies(t *testing.T) {
	a, b := openTest(t), openTest(t)
	for _, host := range []string{"127.0.0.1", "[::1]"} {
		if failed := a.send(record(fmt.Sprintf("%s:%d", host, b.sockets.port), 0, control(host))); failed != nil {
			t.Fatal(failed)
		}
		got := b.datagram()
		if want := fmt.Sprintf("%s:%d", host, a.sockets.port); got.path != want || !bytes.Equal(got.data, control(host)) {
			t.Fatalf("%q came on %s, want %s", got.data, got.path, want)
		}
	}
}

func TestControlDatagramsLeaveWithTheTimeToLiveThatIsAskedFor(t *testing.T) {
	n, conn := openTest(t), stranger(t)
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_RECVTTL, 1) })
	if err != nil {
		t.Fatal(err)
	}
	batch := append(record(conn.LocalAddr().String(), 3, control("low")), record(conn.LocalAddr().String(), 0, control("own"))...)
	n.send(batch)
	for _, want := range []uint32{3, 64} {
		data, oob := make([]byte, 64), make([]byte, 64)
		_, oobn, _, _, err := conn.ReadMsgUDP(data, oob)
		if err != nil {
			t.Fatal(err)
		}
		messages, err := unix.ParseSocketControlMessage(oob[:oobn])
		if err != nil || len(messages) != 1 {
			t.Fatal(err, messages)
		}
		if got := binary.NativeEndian.Uint32(messages[0].Data); got != want {
			t.Fatalf("%q came with %d, want %d", data, got, want)
		}
	}
}

func TestControlDatagramsForARelayAreWrapped(t *testing.T) {
	n, conn := openTest(t), stranger(t)
	n.send(record(conn.LocalAddr().String()+"#0000002a", 0, control("hi")))
	data := make([]byte, 64)
	read, err := conn.Read(data)
	if want := relayFrame(toRelay, 42, control("hi")); err != nil || !bytes.Equal(data[:read], want) {
		t.Fatalf("%x %v, want %x", data[:read], err, want)
	}
}

func TestRelayedControlDatagramsArriveWithTheRelayedPath(t *testing.T) {
	n, conn := openTest(t), stranger(t)
	n.from(conn, relayFrame(fromRelay, 42, control("hi")))
	got := n.datagram()
	if want := conn.LocalAddr().String() + "#0000002a"; got.path != want || !bytes.Equal(got.data, control("hi")) {
		t.Fatal(got, want)
	}
}

func TestADatagramThatTheSystemRefusesDoesNotStopTheOthers(t *testing.T) {
	n, conn := openTest(t), stranger(t)
	to := mustAddr(t, conn.LocalAddr().String())
	box := &outbox{node: n.node}
	for _, payload := range [][]byte{control("first"), make([]byte, 1<<16), control("last")} {
		box.slot(to).payload = payload // no UDP datagram has 64 KiB: EMSGSIZE
	}
	box.flush()
	for _, want := range []string{"first", "last"} {
		if got := read(t, conn); !bytes.Equal(got, control(want)) {
			t.Fatalf("%q, want %q", got, want)
		}
	}
	if n.drops[dropSendFailed].Load() != 1 {
		t.Fatal(n.drops.document())
	}
	if event := n.event("send-failed"); event["address"] != to.String() || event["message"] != "message too long" {
		t.Fatal(event)
	}
}

func TestARecordWithoutAUsablePathIsSkippedAndCounted(t *testing.T) {
	a, b := openTest(t), openTest(t)
	var batch []byte
	for _, path := range []string{"nonsense", "1.2.3.4:0", "[fe80::1%1]:9", "1.2.3.4:5#xyz", b.address()} {
		batch = append(batch, record(path, 0, control("x"))...)
	}
	if failed := a.send(batch); failed != nil {
		t.Fatal(failed)
	}
	b.datagram()
	if a.drops[dropNoPath].Load() != 4 {
		t.Fatal(a.drops.document())
	}
}

func TestSendRefusesMalformedBatches(t *testing.T) {
	n := openTest(t)
	whole := record("127.0.0.1:9", 0, control("x"))
	for cut := 1; cut < len(whole); cut++ {
		if n.send(whole[:cut]) == nil {
			t.Fatalf("a batch of %d bytes of %d was taken", cut, len(whole))
		}
	}
}

func TestATakenPortIsSaidToBe(t *testing.T) {
	n := openTest(t)
	_, failed := openNode(config{Port: n.sockets.port})
	if failed == nil || failed.code != "port-taken" {
		t.Fatal(failed)
	}
}

func TestAPortTakenInOneFamilyIsTaken(t *testing.T) {
	conn, err := net.ListenUDP("udp6", &net.UDPAddr{IP: net.IPv6loopback})
	if err != nil {
		t.Skip("no IPv6 here: ", err)
	}
	defer conn.Close()
	_, failed := openNode(config{Port: uint16(conn.LocalAddr().(*net.UDPAddr).Port)})
	if failed == nil || failed.code != "port-taken" {
		t.Fatal(failed)
	}
}

func TestWakeEndsAPoll(t *testing.T) {
	n := openTest(t)
	done := make(chan int)
	go func() { done <- n.node.mail.poll(make([]byte, 100), time.Hour) }()
	n.node.mail.wake()
	if read := <-done; read != 0 {
		t.Fatal(read)
	}
}

func TestCloseEndsAPoll(t *testing.T) {
	n := openTest(t)
	done := make(chan int)
	go func() { done <- n.node.mail.poll(make([]byte, 100), time.Hour) }()
	n.closeOnce()
	if read := <-done; read != -1 {
		t.Fatal(read)
	}
}

func TestPollGivesWholeRecordsOnly(t *testing.T) {
	var drops dropCounters
	m := newMailbox(&drops)
	for range 3 {
		m.event("x", nil, nil) // 4 + 1 + 12 bytes
	}
	for _, want := range []int{34, 17} {
		if read := m.poll(make([]byte, 40), 0); read != want {
			t.Fatal(read, want)
		}
	}
	if read := m.poll(make([]byte, 40), 0); read != 0 || len(m.events.waiting) != 0 {
		t.Fatal(read, m.events)
	}
}

func TestAnAnswerThatDidNotFitIsGivenAgainWithoutASecondRun(t *testing.T) {
	n := openTest(t)
	command := []byte(`{"op":"relay.set","session":1,"a":"1.1.1.1:1","b":"2.2.2.2:2"}`)
	needed := n.command(command, nil)
	if needed >= 0 {
		t.Fatal(needed)
	}
	n.must("relay.remove", map[string]any{"session": 1})
	needed = n.command([]byte(`{"op":"relay.remove","session":1}`), make([]byte, 2))
	out := make([]byte, -needed)
	if got := n.command([]byte(`{"op":"relay.remove","session":1}`), out); got != len(out) {
		t.Fatal(got)
	}
	if want := `"code":"not-found"`; !bytes.Contains(out, []byte(want)) {
		t.Fatalf("%s", out)
	}
}

func TestUnknownOperationsAndBadArgumentsAreRefused(t *testing.T) {
	n := openTest(t)
	for _, text := range []string{
		"", "[]", `{"op":1}`, `{"op":"nothing"}`, `{"op":"peer.set","peer":""}`,
		`{"op":"peer.set","peer":"p","active":"nowhere"}`, `{"op":"relay.set","session":-1}`,
		`{"op":"relay.set","session":1,"a":"1.1.1.1:1","b":"1.1.1.1:1"}`,
		`{"op":"tunnel.open","tunnel":1,"peer":"p","mode":"other"}`, `{"op":"tunnel.close","tunnel":9}`,
		`{"op":"tunnel.open","tunnel":1,"peer":"p","mode":"device","privateKey":"zz"}`,
		`{"op":"ticket.add","ticket":"x","tunnel":1,"port":1,"ttlMs":1}`, `{"op":"forward.close","forward":"f"}`,
		`{"op":"peer.remove","peer":"p"}`, `{"op":"relay.remove","session":3}`,
	} {
		out := make([]byte, 4096)
		written := n.command([]byte(text), out)
		if written <= 0 || !bytes.Contains(out[:written], []byte(`"ok":false`)) {
			t.Fatalf("%s: %s", text, out[:max(0, written)])
		}
	}
	if stats := n.must("stats", nil); stats["tunnels"] != 0.0 || stats["peers"] != 0.0 {
		t.Fatal(stats)
	}
}

func TestDatagramsThatTheSystemWillNotCutLeaveOneByOne(t *testing.T) {
	n, conn := openTest(t), stranger(t)
	s := n.sockets.v4
	if !s.segments.Load() {
		t.Skip("this kernel cuts no datagrams")
	}
	_ = s.raw.Control(func(fd uintptr) { // without checksums it refuses to
		if err := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_NO_CHECK, 1); err != nil {
			t.Fatal(err)
		}
	})
	sendRun(t, n, conn, 3)
	if dropped := n.drops.document(); len(dropped) > 0 {
		t.Fatal(dropped)
	}
}

func TestManyDatagramsOfOneSizeArriveWholeAndInOrder(t *testing.T) {
	sendRun(t, openTest(t), stranger(t), 3*segmentsMax)
}

// sendRun sends as many datagrams, one in five of them longer and one shorter, and reads them all.
func sendRun(t *testing.T, n *testNode, conn *net.UDPConn, count int) {
	t.Helper()
	to := mustAddr(t, conn.LocalAddr().String())
	box := &outbox{node: n.node, patience: patience{most: waitMax}}
	var sent [][]byte
	for i := range count {
		payload := control(fmt.Sprintf("%d", i))
		switch i % 5 {
		case 3:
			payload = append(payload, "longer"...)
		case 4:
			payload = payload[:12]
		}
		out := box.slot(to)
		out.putHeaders(path{addr: to}, uint32(i))
		out.payload = payload
		sent = append(sent, append(bytes.Clone(out.header[:out.headerLen]), payload...))
	}
	box.flush()
	for i, want := range sent {
		if got := read(t, conn); !bytes.Equal(got, want) {
			t.Fatalf("datagram %d is %x, want %x", i, got, want)
		}
	}
}

func TestMergedControlDatagramsAreToldApart(t *testing.T) {
	a, b := openTest(t), openTest(t)
	to := mustAddr(t, b.address())
	box := &outbox{node: a.node, patience: patience{most: waitMax}}
	for i := range segmentsMax {
		box.slot(to).payload = control(fmt.Sprintf("%d", i))
	}
	box.slot(to).payload = control("last")[:14]
	box.flush()
	for i := range segmentsMax {
		if got := b.datagram(); !bytes.Equal(got.data, control(fmt.Sprintf("%d", i))) {
			t.Fatalf("datagram %d is %q", i, got.data)
		}
	}
	if got := b.datagram(); !bytes.Equal(got.data, control("last")[:14]) {
		t.Fatalf("%q", got.data)
	}
}

func TestOfRefusedAddressesSomeAreToldAndEachOnce(t *testing.T) {
	var news refusalNews
	told := 0
	for i := range 10 * refusalsMax {
		for range 2 {
			if news.isNews(netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(i+1))) {
				told++
			}
		}
	}
	if told != refusalsMax {
		t.Fatal(told)
	}
}

// Command flood loads a relay with datagrams and measures what comes through. It takes one JSON command
// per line on stdin and answers each by one line.
//
//	{"do":"sink","port":P,"echo":true|false,"flows":N}   receive on P to P+N-1 and count, or send back
//	{"do":"count"}                                       → {"packets":N,"bytes":N}
//	{"do":"open","via":"omerta"|"turn"|"plain","port":P,"relay":A,"peer":A,"session":S,"flows":N} → {"ok":true}
//	                                                     the i-th flow has session S+i, and the peer's port + i
//	{"do":"send","bytes":B,"ms":T,"aggregate":bool}      → {"sent":N}; as fast as it goes
//	{"do":"ping","bytes":B,"count":N,"pps":R}            → {"rttUs":[…]}
package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

type command struct {
	Do      string `json:"do"`
	Port    int    `json:"port"`
	Echo    bool   `json:"echo"`
	Via     string `json:"via"`
	Relay   string `json:"relay"`
	Peer    string `json:"peer"`
	Session uint32 `json:"session"`
	Flows   int    `json:"flows"`
	Bytes   int    `json:"bytes"`
	Ms      int    `json:"ms"`
	Whole   bool   `json:"aggregate"`
	PPS     int    `json:"pps"`
	Count   int    `json:"count"`
}

const (
	batch       = 64
	bufferBytes = 2048
)

type flood struct {
	conn           *net.UDPConn
	to             *net.UDPAddr
	flows          []func(payload int) []byte // the headers of each
	packets, bytes atomic.Int64
}

func main() {
	f := &flood{}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var c command
		err := json.Unmarshal(lines.Bytes(), &c)
		var answer any
		if err == nil {
			answer, err = f.obey(c)
		}
		if err != nil {
			answer = map[string]string{"error": err.Error()}
		}
		json.NewEncoder(os.Stdout).Encode(answer)
	}
}

func (f *flood) obey(c command) (any, error) {
	switch c.Do {
	case "sink":
		return map[string]bool{"ok": true}, f.sink(c)
	case "count":
		return map[string]int64{"packets": f.packets.Swap(0), "bytes": f.bytes.Swap(0)}, nil
	case "open":
		return map[string]bool{"ok": true}, f.open(c)
	case "send":
		return f.send(c)
	case "ping":
		return f.ping(c)
	}
	return nil, fmt.Errorf("unknown command %q", c.Do)
}

func listen(port int) (*net.UDPConn, error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{Port: port})
	if err != nil {
		return nil, err
	}
	return conn, errors.Join(conn.SetReadBuffer(8<<20), conn.SetWriteBuffer(8<<20))
}

func (f *flood) sink(c command) error {
	for flow := range max(1, c.Flows) {
		conn, err := listen(c.Port + flow)
		if err != nil {
			return err
		}
		if c.Echo {
			go echo(conn)
		} else {
			go f.receive(ipv4.NewPacketConn(conn))
		}
	}
	return nil
}

func (f *flood) receive(conn *ipv4.PacketConn) {
	messages := make([]ipv4.Message, batch)
	for i := range messages {
		messages[i].Buffers = [][]byte{make([]byte, bufferBytes)}
	}
	for {
		n, err := conn.ReadBatch(messages, 0)
		if err != nil {
			return
		}
		total := 0
		for _, message := range messages[:n] {
			total += message.N
		}
		f.packets.Add(int64(n))
		f.bytes.Add(int64(total))
	}
}

// echo sends each datagram back; a relayed one in the direction of the relay.
func echo(conn *net.UDPConn) {
	buffer := make([]byte, bufferBytes)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buffer)
		if err != nil {
			return
		}
		if n > 4 && buffer[0] == 0x6f && buffer[1] == 0x72 {
			buffer[3] = 0
		}
		conn.WriteToUDPAddrPort(buffer[:n], from)
	}
}

func (f *flood) open(c command) error {
	if f.conn != nil {
		f.conn.Close()
	}
	conn, err := listen(c.Port)
	if err != nil {
		return err
	}
	f.conn = conn
	relay, err := net.ResolveUDPAddr("udp4", c.Relay)
	if err != nil {
		return err
	}
	f.to, f.flows = relay, nil
	peer, err := net.ResolveUDPAddr("udp4", c.Peer)
	if err != nil {
		return err
	}
	if c.Via == "turn" {
		if err := allocate(conn, relay); err != nil {
			return err
		}
	}
	for flow := range max(1, c.Flows) {
		header, err := f.headerOf(c, flow, &net.UDPAddr{IP: peer.IP, Port: peer.Port + flow})
		if err != nil {
			return err
		}
		f.flows = append(f.flows, header)
	}
	return nil
}

func (f *flood) headerOf(c command, flow int, peer *net.UDPAddr) (func(payload int) []byte, error) {
	switch c.Via {
	case "omerta":
		return func(int) []byte {
			header := []byte{0x6f, 0x72, 1, 0, 0, 0, 0, 0, 0x6f, 0x74, 1, 0, 0, 0, 0, 1}
			binary.BigEndian.PutUint32(header[4:], c.Session+uint32(flow))
			return header
		}, nil
	case "turn":
		channel, err := bindChannel(f.conn, f.to, peer)
		return func(payload int) []byte {
			return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, channel), uint16(payload))
		}, err
	}
	return func(int) []byte { return nil }, nil
}

// datagram is one of a flow: the payload's size does not count the relay's own header (8 bytes of ours, 4
// of TURN's channel data).
func (f *flood) datagram(flow, payload int) []byte {
	header := f.flows[flow%len(f.flows)](payload)
	own := 0
	if len(header) == 16 {
		own = 8 // the inner frame's header belongs to the payload
	}
	return append(header, make([]byte, payload-own)...)
}

func (f *flood) send(c command) (any, error) {
	if c.Whole {
		return f.sendAggregated(c)
	}
	conn := ipv4.NewPacketConn(f.conn)
	messages := make([]ipv4.Message, batch)
	for i := range messages {
		messages[i] = ipv4.Message{Buffers: [][]byte{f.datagram(i, c.Bytes)}, Addr: f.to}
	}
	begin, sent := time.Now(), 0
	for elapsed := time.Duration(0); elapsed < time.Duration(c.Ms)*time.Millisecond; elapsed = time.Since(begin) {
		n, err := conn.WriteBatch(messages, 0)
		if err != nil {
			return nil, err
		}
		sent += n
	}
	return map[string]int{"sent": sent}, nil
}

// sendAggregated hands the kernel as many datagrams at once as it can cut from one buffer.
func (f *flood) sendAggregated(c command) (any, error) {
	one := f.datagram(0, c.Bytes)
	count := min(64, 65000/len(one))
	buffer, control := bytes.Repeat(one, count), make([]byte, unix.CmsgSpace(2))
	header := (*unix.Cmsghdr)(unsafe.Pointer(&control[0]))
	header.Level, header.Type = unix.IPPROTO_UDP, unix.UDP_SEGMENT
	header.SetLen(unix.CmsgLen(2))
	binary.NativeEndian.PutUint16(control[unix.CmsgLen(0):], uint16(len(one)))
	begin, sent := time.Now(), 0
	for time.Since(begin) < time.Duration(c.Ms)*time.Millisecond {
		if _, _, err := f.conn.WriteMsgUDP(buffer, control, f.to); err != nil {
			return nil, err
		}
		sent += count
	}
	return map[string]int{"sent": sent}, nil
}

func (f *flood) ping(c command) (any, error) {
	datagram, buffer := f.datagram(0, c.Bytes), make([]byte, bufferBytes)
	rtts := make([]float64, 0, c.Count)
	pause := time.Second / time.Duration(max(1, c.PPS))
	for range c.Count {
		begin := time.Now()
		if _, err := f.conn.WriteToUDP(datagram, f.to); err != nil {
			return nil, err
		}
		f.conn.SetReadDeadline(begin.Add(time.Second))
		if _, _, err := f.conn.ReadFromUDPAddrPort(buffer); err != nil {
			return nil, err
		}
		rtts = append(rtts, float64(time.Since(begin).Nanoseconds())/1000)
		time.Sleep(pause - time.Since(begin))
	}
	f.conn.SetReadDeadline(time.Time{})
	return map[string][]float64{"rttUs": rtts}, nil
}

package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"time"
)

// As much of TURN (RFC 8656) as it takes to send through a server that asks for no credentials: an
// allocation, and a channel to each peer.

const (
	magicCookie        = 0x2112a442
	allocateRequest    = 0x0003
	channelBindRequest = 0x0009
	attrChannelNumber  = 0x000c
	attrXorPeerAddress = 0x0012
	attrTransport      = 0x0019
	successClass       = 0x0100
	firstChannel       = 0x4000
)

func allocate(conn *net.UDPConn, server *net.UDPAddr) error {
	return ask(conn, server, allocateRequest, attribute(attrTransport, []byte{17, 0, 0, 0}))
}

func bindChannel(conn *net.UDPConn, server, to *net.UDPAddr) (channel uint16, err error) {
	channel = firstChannel + uint16(to.Port)&0xfff // one per peer: a second open keeps the allocation
	number := attribute(attrChannelNumber, []byte{byte(channel >> 8), byte(channel), 0, 0})
	return channel, ask(conn, server, channelBindRequest, append(number, attribute(attrXorPeerAddress, xorAddress(to))...))
}

func attribute(kind uint16, value []byte) []byte {
	header := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, kind), uint16(len(value)))
	return append(header, value...)
}

func xorAddress(address *net.UDPAddr) []byte {
	value := []byte{0, 1}
	value = binary.BigEndian.AppendUint16(value, uint16(address.Port)^(magicCookie>>16))
	return binary.BigEndian.AppendUint32(value, binary.BigEndian.Uint32(address.IP.To4())^magicCookie)
}

func ask(conn *net.UDPConn, server *net.UDPAddr, method uint16, attributes []byte) error {
	request := binary.BigEndian.AppendUint16(nil, method)
	request = binary.BigEndian.AppendUint16(request, uint16(len(attributes)))
	request = binary.BigEndian.AppendUint32(request, magicCookie)
	request = append(request, []byte("omerta-bench")...) // the transaction id, 12 bytes
	request = append(request, attributes...)
	if _, err := conn.WriteToUDP(request, server); err != nil {
		return err
	}
	answer := make([]byte, bufferBytes)
	conn.SetReadDeadline(time.Now().Add(2 * time.Second))
	defer conn.SetReadDeadline(time.Time{})
	n, err := conn.Read(answer)
	if err != nil {
		return fmt.Errorf("the TURN server did not answer %#x: %w", method, err)
	}
	if n < 20 || binary.BigEndian.Uint16(answer) != method|successClass {
		return fmt.Errorf("the TURN server refused %#x: %x", method, answer[:n])
	}
	return nil
}

package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// path is a way to a peer: an address, or a session of the relay at that address. It is comparable,
// so tables are keyed by it. IPv4-mapped addresses are always held as IPv4.
type path struct {
	addr    netip.AddrPort
	session uint32
	relayed bool
}

var errPath = errors.New("path is not IP:PORT or IP:PORT#SSSSSSSS")

// parsePath reads `IP:PORT`, `[V6]:PORT` or `ADDR#SSSSSSSS` (8 hex digits of a relay session).
func parsePath(text string) (path, error) {
	address, session, relayed := strings.Cut(text, "#")
	addr, err := parseAddr(address)
	if err != nil {
		return path{}, err
	}
	if !relayed {
		return path{addr: addr}, nil
	}
	id, err := strconv.ParseUint(session, 16, 32)
	if err != nil || len(session) != 8 {
		return path{}, errPath
	}
	return path{addr: addr, session: uint32(id), relayed: true}, nil
}

// parseAddr reads `IP:PORT` with a port that can be sent to. Zones are refused: an address must mean
// the same on every interface.
func parseAddr(text string) (netip.AddrPort, error) {
	addr, err := netip.ParseAddrPort(text)
	if err != nil || addr.Port() == 0 || addr.Addr().Zone() != "" {
		return netip.AddrPort{}, errPath
	}
	return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()), nil
}

func (p path) String() string {
	if p.relayed {
		return fmt.Sprintf("%s#%08x", p.addr, p.session)
	}
	return p.addr.String()
}

// appendTo appends the text of the path without an allocation of its own.
func (p path) appendTo(text []byte) []byte {
	text = p.addr.AppendTo(text)
	if !p.relayed {
		return text
	}
	const digits = "0123456789abcdef"
	text = append(text, '#')
	for shift := 28; shift >= 0; shift -= 4 {
		text = append(text, digits[p.session>>shift&15])
	}
	return text
}

// Command bare is what the benchmarks compare the data path with: the same wireguard-go and its
// netstack, with the module's own sockets and nothing around them. Settings come as JSON on stdin, one
// line; so do commands afterwards: {"direction":"down","ms":3000} is answered by a result line.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"
	"golang.zx2c4.com/wireguard/tun/netstack"

	"omerta/ffi/net/bench/load"
)

type settings struct {
	PrivateKey  string `json:"privateKey"`
	PeerKey     string `json:"peerKey"`
	Address     string `json:"address"`
	PeerAddress string `json:"peerAddress"`
	Port        int    `json:"port"`
	Endpoint    string `json:"endpoint"` // empty: wait for the peer
	MTU         int    `json:"mtu"`
}

const loadPort = 5001

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	lines := bufio.NewScanner(os.Stdin)
	var s settings
	if !lines.Scan() {
		return errors.New("no settings came")
	}
	if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
		return err
	}
	tun, stack, err := netstack.CreateNetTUN([]netip.Addr{netip.MustParseAddr(s.Address)}, nil, s.MTU)
	if err != nil {
		return err
	}
	wg := device.NewDevice(tun, conn.NewDefaultBind(), device.NewLogger(device.LogLevelError, ""))
	if err := errors.Join(wg.IpcSet(s.uapi()), wg.Up()); err != nil {
		return err
	}
	listener, err := stack.ListenTCP(&net.TCPAddr{Port: loadPort})
	if err != nil {
		return err
	}
	go load.Serve(listener)
	fmt.Println(`{"ready":true}`)
	return obey(lines, stack, netip.AddrPortFrom(netip.MustParseAddr(s.PeerAddress), loadPort))
}

func (s settings) uapi() string {
	endpoint := ""
	if s.Endpoint != "" {
		endpoint = "endpoint=" + s.Endpoint + "\n"
	}
	return fmt.Sprintf("private_key=%s\nlisten_port=%d\npublic_key=%s\n%sallowed_ip=%s/128\n",
		s.PrivateKey, s.Port, s.PeerKey, endpoint, s.PeerAddress)
}

func obey(lines *bufio.Scanner, stack *netstack.Net, to netip.AddrPort) error {
	for lines.Scan() {
		var command struct {
			Direction string `json:"direction"`
			Ms        int    `json:"ms"`
		}
		if err := json.Unmarshal(lines.Bytes(), &command); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		conn, err := stack.DialContextTCPAddrPort(ctx, to)
		cancel()
		if err != nil {
			return err
		}
		result, err := load.Run(conn, command.Direction, time.Duration(command.Ms)*time.Millisecond)
		if err != nil {
			return err
		}
		if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
			return err
		}
	}
	return lines.Err()
}

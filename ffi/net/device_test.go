package main

import (
	"fmt"
	"testing"

	"golang.zx2c4.com/wireguard/device"
)

func TestATunnelWithoutAPeerHoldsABoundedNumberOfBuffersAndCloses(t *testing.T) {
	n := openTest(t)
	n.must("tunnel.open", map[string]any{
		"tunnel": renterTunnel, "peer": "nobody", "mode": "device", "mtu": 1280, "keepaliveS": 0,
		"privateKey": newKeys(t).private, "peerKey": newKeys(t).public,
		"address": renterAddress, "peerAddress": guestAddress,
	})
	end, _ := n.device(renterTunnel)
	refused := 0
	for range 3 * deviceBuffersMax { // nobody takes them: WireGuard has no keys
		if !end.net.link.put(echoRequest(end.net.local, end.net.remote, 1)) {
			refused++
			break
		}
	}
	if refused == 0 {
		t.Fatal("all were taken")
	}
	n.closeOnce()
}

func TestWhatWaitsForAHandshakeDoesNotKeepTheHandshakeOut(t *testing.T) {
	r := rentDirect(t)
	r.renter.event("tunnel-up")
	r.renter.must("tunnel.close", map[string]any{"tunnel": renterTunnel})
	n, keys := r.renter, newKeys(t)
	n.must("tunnel.open", map[string]any{
		"tunnel": renterTunnel, "peer": "provider", "mode": "device", "mtu": 1280, "keepaliveS": 0,
		"privateKey": keys.private, "peerKey": newKeys(t).public,
		"address": renterAddress, "peerAddress": guestAddress,
	})
	end, _ := n.device(renterTunnel)
	for end.net.link.put(echoRequest(end.net.local, end.net.remote, 1)) {
	}
	junk := make([]byte, device.MessageInitiationSize)
	junk[0] = device.MessageInitiationType
	for range 8 * deviceBatch { // each takes a buffer, and the reader of packets gets it
		end.deliver([][]byte{junk})
	}
	eventually(t, func() bool {
		end.deliver([][]byte{junk})
		end.bind.in.mu.Lock()
		defer end.bind.in.mu.Unlock()
		return end.bind.in.count <= 1
	}, func() string { return "the device receives nothing" })
}

func TestTheDevicesPoolWaitsWhenAllBuffersAreInUse(t *testing.T) {
	n := openTest(t)
	n.must("tunnel.open", map[string]any{
		"tunnel": renterTunnel, "peer": "nobody", "mode": "device", "mtu": 1280, "keepaliveS": 0,
		"privateKey": newKeys(t).private, "peerKey": newKeys(t).public,
		"address": renterAddress, "peerAddress": guestAddress,
	})
	end, _ := n.device(renterTunnel)
	<-end.bind.receiving
	taken := make(chan *[device.MaxMessageSize]byte, deviceBuffersMax+1)
	go func() {
		for range deviceBuffersMax + 1 { // the device's own goroutines hold some
			taken <- end.wg.GetMessageBuffer()
		}
		close(taken)
	}()
	var held []*[device.MaxMessageSize]byte
	eventually(t, func() bool {
		for len(taken) > 0 {
			held = append(held, <-taken)
		}
		return len(held) == deviceBuffersMax-2*deviceBatch
	}, func() string { return fmt.Sprintf("%d buffers were given", len(held)) })
	for range 2*deviceBatch + 1 {
		end.wg.PutMessageBuffer(held[len(held)-1])
		held = held[:len(held)-1]
	}
	for buffer := range taken {
		held = append(held, buffer)
	}
	for _, buffer := range held {
		end.wg.PutMessageBuffer(buffer)
	}
}

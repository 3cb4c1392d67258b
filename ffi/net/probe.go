package main

import (
	"context"
	"errors"
	"io"
	"time"
)

// Probes answer later, by a probe-done event, so that JavaScript's thread never waits.

func (n *node) tunnelProbe(args struct {
	Tunnel    uint32  `json:"tunnel"`
	Probe     probeID `json:"probe"`
	Port      uint16  `json:"port"`
	Prefix    string  `json:"prefix"`
	TimeoutMs int64   `json:"timeoutMs"`
}) (map[string]any, *opError) {
	if args.Port == 0 || len(args.Prefix) > probePrefixBytesMax {
		return nil, fail("internal", "tunnel.probe: a port and a short prefix are needed")
	}
	return n.probe(args.Tunnel, args.Probe, args.TimeoutMs, func(ctx context.Context, end *deviceEnd) map[string]any {
		result := end.probeBanner(ctx, args.Port, args.Prefix)
		result["probe"] = args.Probe
		return result
	})
}

func (n *node) tunnelPing(args struct {
	Tunnel    uint32  `json:"tunnel"`
	Probe     probeID `json:"probe"`
	TimeoutMs int64   `json:"timeoutMs"`
}) (map[string]any, *opError) {
	return n.probe(args.Tunnel, args.Probe, args.TimeoutMs, func(ctx context.Context, end *deviceEnd) map[string]any {
		rtt, err := end.net.ping(ctx)
		result := map[string]any{"probe": args.Probe, "ok": err == nil, "rttMs": nil, "error": nil}
		if err != nil {
			result["error"] = probeError(err)
			return result
		}
		result["rttMs"] = float64(rtt.Microseconds()) / 1000
		return result
	})
}

// probe runs work for at most the timeout and reports what it found.
func (n *node) probe(
	tunnel uint32, probe probeID, timeoutMs int64, work func(context.Context, *deviceEnd) map[string]any,
) (map[string]any, *opError) {
	end, failed := n.device(tunnel)
	if failed != nil {
		return nil, failed
	}
	if n.probes.Add(1) > probesMax {
		n.probes.Add(-1)
		return nil, fail("refused", "too many probes")
	}
	end.busy.Add(1)
	go func() {
		defer end.busy.Done()
		defer n.probes.Add(-1)
		ctx, cancel := context.WithTimeout(end.ctx, time.Duration(timeoutMs)*time.Millisecond)
		defer cancel()
		result := map[string]any{"probe": probe, "ok": false, "error": "a defect"}
		n.shelter("a probe", func() { result = work(ctx, end) })
		n.mail.event("probe-done", nil, result)
	}()
	return map[string]any{}, nil
}

// probeBanner waits for the handshake, then dials the port until it says what is expected.
func (e *deviceEnd) probeBanner(ctx context.Context, port uint16, prefix string) map[string]any {
	begin := now()
	result := map[string]any{"ok": false, "handshakeMs": nil, "bannerMs": nil, "error": nil}
	select {
	case <-e.up:
		result["handshakeMs"] = milliseconds(now().since(begin))
	case <-ctx.Done():
		result["error"] = "no WireGuard handshake: " + probeError(ctx.Err())
		return result
	}
	for patience := probeDialMin; ; patience = min(2*patience, probeDialMax) {
		err := e.readBanner(ctx, patience, port, prefix)
		if err == nil {
			result["ok"] = true
			result["bannerMs"] = milliseconds(now().since(begin))
			return result
		}
		if ctx.Err() != nil {
			result["error"] = probeError(err)
			return result
		}
		pauseFor(ctx, probePause)
	}
}

// readBanner dials once, at first shortly: a segment that came before the guest listened is lost for
// good, and TCP's own retry would come a second later.
func (e *deviceEnd) readBanner(ctx context.Context, patience time.Duration, port uint16, prefix string) error {
	try, cancel := context.WithTimeout(ctx, patience)
	stream, err := e.net.dial(try, port)
	cancel()
	if err != nil {
		return err
	}
	defer stream.reset()
	stop := context.AfterFunc(ctx, stream.reset)
	defer stop()
	banner := make([]byte, len(prefix))
	if _, err := io.ReadFull(stream, banner); err != nil {
		return err
	}
	if string(banner) != prefix {
		return errors.New("something else answers on the port")
	}
	return nil
}

func probeError(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "timeout"
	}
	if errors.Is(err, context.Canceled) {
		return "closed"
	}
	return err.Error()
}

// pauseFor waits, or not when the context ends.
func pauseFor(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// The native verdict on a path, which does not wait for JavaScript. `first` is the first tunnel frame sent
// on the active path since anything was received there; `second` is a later frame (of a tunnel, or a
// control frame such as a ping), sent at least doubt after it. Silence for dead since `first`, and for
// dead - doubt since `second`, is death: one unanswered frame alone proves nothing, for the last
// acknowledgement of a burst has no answer. With doubt = 0 both are one frame.

package main

import "time"

// sent notes that tunnel frames went out on the active path; the caller gives the time.
func (p *peer) sent(r *routes, at instant) {
	if r.dead <= 0 {
		return
	}
	first := p.first.Load()
	switch {
	case first == 0 || r.active.received.Load() >= first:
		p.second.Store(0)
		p.first.Store(int64(at))
		if r.doubt == 0 {
			p.second.Store(int64(at))
		}
	case p.second.Load() == 0 && at.since(instant(first)) >= r.doubt:
		p.second.Store(int64(at))
	}
	if !p.armed.Load() && p.armed.CompareAndSwap(false, true) {
		p.timer.Reset(p.patience(r))
	}
}

// patience is the time to the next look: the doubt, or the death where doubt is not used.
func (p *peer) patience(r *routes) time.Duration {
	if r.doubt > 0 {
		return r.doubt
	}
	return r.dead
}

// judge looks at the active path when its timer says so.
func (p *peer) judge() {
	if !p.node.enter() {
		return
	}
	defer p.node.leave()
	p.node.shelter("the verdict on a path", p.look)
}

func (p *peer) look() {
	p.judged.Lock()
	defer p.judged.Unlock()
	r := p.routes.Load()
	if r == nil || r.active == nil || r.dead <= 0 {
		p.armed.Store(false)
		return
	}
	again := p.verdict(r, now())
	if again <= 0 {
		p.armed.Store(false)
		return
	}
	p.timer.Reset(again)
}

// verdict returns after which time to look again; 0 when the next frame sent shall decide that.
func (p *peer) verdict(r *routes, at instant) time.Duration {
	first := instant(p.first.Load())
	if first == 0 || instant(r.active.received.Load()) >= first {
		return 0
	}
	silence := at.since(first)
	if silence < r.doubt {
		return r.doubt - silence
	}
	p.ask(r, first)
	second := p.secondSent(r, first)
	if second == 0 {
		return p.patienceForPing(r, silence)
	}
	left := max(r.dead-silence, r.dead-r.doubt-at.since(second))
	if left > 0 {
		return left
	}
	r.active.source.forget() // it may be our address there that no longer works
	if r.standby != nil {
		p.switchOver(r)
	}
	return 0
}

// patienceForPing is when to look again for a ping that was asked for: JavaScript may pause.
func (p *peer) patienceForPing(r *routes, silence time.Duration) time.Duration {
	switch {
	case silence < r.dead:
		return r.dead - silence
	case silence < pingPatience:
		return r.dead
	}
	return 0
}

// ask tells TypeScript, once per silence, that a ping is due on the active path.
func (p *peer) ask(r *routes, first instant) {
	if r.doubt == 0 || p.asked == first {
		return
	}
	p.asked = first
	p.node.mail.event("path-doubt", p.key, map[string]any{"peer": p.key, "path": r.active.path.String()})
}

// secondSent finds the second frame among tunnel and control frames, and keeps it.
func (p *peer) secondSent(r *routes, first instant) instant {
	if second := p.second.Load(); second != 0 {
		return instant(second)
	}
	control := instant(r.active.controlsSent.Load())
	if control == 0 || control.since(first) < r.doubt {
		return 0
	}
	p.second.Store(int64(control))
	return control
}

// switchOver moves the tunnels to the standby path. The dead path stays accepted: what it still
// brings is welcome. There is no standby after it until TypeScript names one.
func (p *peer) switchOver(r *routes) {
	next := *r
	next.active, next.standby = r.standby, nil
	p.first.Store(0)
	p.second.Store(0)
	p.routes.Store(&next)
	p.node.mail.event("path-dead", p.key, map[string]any{
		"peer": p.key, "path": r.active.path.String(), "to": next.active.path.String(),
	})
}

package main

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// pathState is what is seen on a path, whoever uses it. It lives as long as a peer names the path.
type pathState struct {
	path         path
	users        int          // peers that name it, guarded by node.tables
	received     atomic.Int64 // instant of the last tunnel frame, or authentic control frame; 0: none
	controlsSent atomic.Int64 // instant of the last control frame sent
	source       source       // where it reaches us
}

// routes are what TypeScript set for a peer; replaced as a whole.
type routes struct {
	active, standby *pathState
	accept          []*pathState // every path on which tunnel frames are taken: accept, active, standby
	doubt, dead     time.Duration
}

func (r *routes) accepts(from path) bool {
	for _, state := range r.accept {
		if state.path == from {
			return true
		}
	}
	return false
}

// peer is whom tunnels lead to. Paths change beneath them; the peer is what WireGuard sees as its
// endpoint.
type peer struct {
	node *node
	key  string
	ties int // tunnels that lead here, guarded by node.tables
	set  bool

	routes atomic.Pointer[routes]

	// The verdict on the active path: verdict.go.
	first  atomic.Int64
	second atomic.Int64
	armed  atomic.Bool
	judged sync.Mutex // serialises verdicts with peer.set
	timer  *time.Timer
	asked  instant // the `first` for which path-doubt was sent
}

// peerSet is the argument of peer.set.
type peerSet struct {
	Peer    string   `json:"peer"`
	Active  *string  `json:"active"`
	Standby *string  `json:"standby"`
	Accept  []string `json:"accept"`
	DoubtMs int64    `json:"doubtMs"`
	DeadMs  int64    `json:"deadMs"`
}

func (n *node) peerSet(args peerSet) (map[string]any, *opError) {
	paths, failed := args.paths()
	if failed != nil {
		return nil, failed
	}
	n.tables.Lock()
	defer n.tables.Unlock()
	p, failed := n.peerFor(args.Peer)
	if failed != nil {
		return nil, failed
	}
	p.set = true
	next := n.routesOf(paths, args)
	p.replace(next)
	n.deliverEarly(p, next)
	return map[string]any{}, nil
}

// peerPaths are the parsed paths of a peer.set.
type peerPaths struct {
	active, standby *path
	accept          []path
}

func (args peerSet) paths() (peerPaths, *opError) {
	var paths peerPaths
	if args.Peer == "" || len(args.Peer) > peerKeyBytesMax || len(args.Accept) > peerPathsMax {
		return paths, fail("internal", "peer.set: the key is empty or too long, or there are too many paths")
	}
	for _, text := range args.Accept {
		one, err := parsePath(text)
		if err != nil {
			return paths, fail("internal", "peer.set: "+err.Error())
		}
		paths.accept = append(paths.accept, one)
	}
	var failed *opError
	if paths.active, failed = paths.named(args.Active); failed != nil {
		return paths, failed
	}
	paths.standby, failed = paths.named(args.Standby)
	return paths, failed
}

// named parses an optional path and makes it acceptable too.
func (paths *peerPaths) named(text *string) (*path, *opError) {
	if text == nil {
		return nil, nil
	}
	one, err := parsePath(*text)
	if err != nil {
		return nil, fail("internal", "peer.set: "+err.Error())
	}
	if !slices.Contains(paths.accept, one) {
		paths.accept = append(paths.accept, one)
	}
	return &one, nil
}

// routesOf takes the states of the paths, which the peer then uses. node.tables is held.
func (n *node) routesOf(paths peerPaths, args peerSet) *routes {
	r := &routes{
		doubt: time.Duration(args.DoubtMs) * time.Millisecond,
		dead:  time.Duration(args.DeadMs) * time.Millisecond,
	}
	for _, one := range paths.accept {
		state := n.usePath(one)
		r.accept = append(r.accept, state)
		if paths.active != nil && one == *paths.active {
			r.active = state
		}
		if paths.standby != nil && one == *paths.standby {
			r.standby = state
		}
	}
	if r.dead > 0 && r.doubt > r.dead {
		r.doubt = r.dead
	}
	return r
}

// replace puts new routes in place; a change of the active path begins a new judgement.
func (p *peer) replace(next *routes) {
	p.judged.Lock()
	defer p.judged.Unlock()
	old := p.routes.Swap(next)
	if old == nil || next == nil || old.active != next.active {
		p.first.Store(0)
		p.second.Store(0)
	}
	if old == nil {
		return
	}
	for _, state := range old.accept {
		p.node.releasePath(state)
	}
}

// peerFor finds or makes the peer. node.tables is held.
func (n *node) peerFor(key string) (*peer, *opError) {
	if p := n.peers[key]; p != nil {
		return p, nil
	}
	if len(n.peers) >= peersMax {
		return nil, fail("refused", "too many peers")
	}
	p := &peer{node: n, key: key}
	p.timer = time.AfterFunc(time.Hour, p.judge)
	p.timer.Stop()
	n.peers[key] = p
	return p, nil
}

// forgetPeer drops a peer that neither TypeScript nor a tunnel needs. node.tables is held.
func (n *node) forgetPeer(p *peer) {
	if p.set || p.ties > 0 {
		return
	}
	p.timer.Stop()
	delete(n.peers, p.key)
}

func (n *node) peerRemove(args struct {
	Peer string `json:"peer"`
}) (map[string]any, *opError) {
	n.tables.Lock()
	defer n.tables.Unlock()
	p := n.peers[args.Peer]
	if p == nil {
		return nil, fail("not-found", "no such peer")
	}
	p.set = false
	p.replace(nil)
	n.forgetPeer(p)
	return map[string]any{}, nil
}

// closePeers stops the timers of all peers.
func (n *node) closePeers() {
	n.tables.Lock()
	defer n.tables.Unlock()
	for _, p := range n.peers {
		p.timer.Stop()
	}
}

// heard notes that TypeScript found something authentic on a path of its peer's, at that address of ours.
func (n *node) heard(on path, local netip.Addr) {
	n.tables.RLock()
	defer n.tables.RUnlock()
	if state := n.paths[on]; state != nil {
		state.received.Store(int64(now()))
		state.source.learn(on.addr, local)
		return
	}
	n.sources.at(on.addr).learn(on.addr, local)
}

// sessionSet names the receivers of control frames that there are, and those that are no more.
func (n *node) sessionSet(args struct {
	Add    []uint32 `json:"add"`
	Remove []uint32 `json:"remove"`
}) (map[string]any, *opError) {
	n.tables.Lock()
	defer n.tables.Unlock()
	for _, id := range args.Remove {
		delete(n.receivers, id)
	}
	if len(n.receivers)+len(args.Add) > receiversMax {
		return nil, fail("refused", "too many sessions")
	}
	for _, id := range args.Add {
		n.receivers[id] = struct{}{}
	}
	return map[string]any{}, nil
}

// noteControl notes that a control frame is sent on a path, and says what is known of where to send from.
func (n *node) noteControl(to path) *source {
	n.tables.RLock()
	defer n.tables.RUnlock()
	if state := n.paths[to]; state != nil {
		state.controlsSent.Store(int64(now()))
		return &state.source
	}
	return n.sources.of(to.addr)
}

// usePath finds or makes the state of a path. node.tables is held.
func (n *node) usePath(one path) *pathState {
	state := n.paths[one]
	if state == nil {
		state = &pathState{path: one}
		if known := n.sources.of(one.addr); known != nil {
			state.source.known.Store(known.known.Load())
		}
		n.paths[one] = state
	}
	state.users++
	return state
}

func (n *node) releasePath(state *pathState) {
	state.users--
	if state.users == 0 {
		delete(n.paths, state.path)
	}
}

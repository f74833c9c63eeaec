// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/network"
)

// How long a validator may take to answer: all are asked at once, and who is silent holds up the answer of the others.
const (
	askMax       = 900 * time.Millisecond
	askRemoteMax = 10 * time.Second
)

// States that are not a validator's own word.
const (
	stateDown    = "down"    // it does not answer
	stateUnknown = "unknown" // it was not asked
)

// lagCatchingUp is how many heights a follower lacks, as its leader knows, when it catches up whatever it says itself.
const lagCatchingUp = 64

// rollCall is what the validators of a network say, at one time. A network on this machine has all asked; with --endpoint one
// is asked, and speaks of the others.
type rollCall struct {
	rows []rollRow // by number; some are vacant
	edge *edgeRow  // the gateway; nil: there is none, or it was not asked
	best *client.Status
	// leader and term are the newest that any of them names; leader is nil while none does.
	leader *rollRow
	term   uint64
}

// rollRow is one validator.
type rollRow struct {
	id, address string // both empty: nobody has the number now
	pid         int    // 0: unknown, or not there
	said        *client.Status
	err         error // why it said nothing; nil also for one that was not asked
	lag         *uint64
}

// callRoll asks every validator at once. An error means that none answered.
func (a *app) callRoll(ctx context.Context) (*rollCall, error) {
	s := &session{app: a}
	cfg, err := a.clientConfig(s)
	if err != nil {
		return nil, err
	}
	r := &rollCall{rows: rowsOf(s.network, cfg.Endpoints), edge: edgeOf(s.network)}
	patience := askMax
	if s.network == nil {
		patience = askRemoteMax
	}
	r.ask(ctx, cfg, patience)
	if r.best = r.newest(); r.best == nil {
		return nil, a.explainDial(ctx, cfg, r.worst())
	}
	if s.network == nil {
		r.spread()
	}
	r.elect()
	return r, nil
}

// rowsOf lists who is asked. Processes are known while `up` runs them.
func rowsOf(n *network.Network, endpoints []string) []rollRow {
	if n == nil {
		return []rollRow{{address: endpoints[0]}}
	}
	rows := make([]rollRow, len(n.Nodes))
	run, err := network.ReadRun(n.Dir)
	for i, node := range n.Nodes {
		if node.Left() {
			continue
		}
		rows[i].id, rows[i].address = node.ID, node.GRPC
		if err == nil && i < len(run.Nodes) {
			rows[i].pid = run.Nodes[i].PID
		}
	}
	return rows
}

// vacant reports whether nobody has the row's number: its validator left.
func (row *rollRow) vacant() bool { return row.id == "" && row.address == "" }

// members counts the validators.
func (r *rollCall) members() (n int) {
	for i := range r.rows {
		if !r.rows[i].vacant() {
			n++
		}
	}
	return n
}

// ask fills in what each says, or why it does not. Nobody is waited for longer than patience.
func (r *rollCall) ask(ctx context.Context, cfg client.Config, patience time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var asking sync.WaitGroup
	if e := r.edge; e != nil {
		asking.Go(func() { e.said, e.err = client.StatusOf(ctx, cfg, e.address) })
	}
	for i := range r.rows {
		row := &r.rows[i]
		if row.vacant() {
			continue
		}
		asking.Go(func() {
			row.said, row.err = client.StatusOf(ctx, cfg, row.address)
			if s := row.said; s != nil && len(s.Validators) == r.members() && int(s.Validator) != i {
				row.err = fault.New(fault.Conflict, "validator %d answers at the address of validator %d", row.said.Validator, i)
				row.said = nil
			}
		})
	}
	asking.Wait()
}

// newest is the answer that knows most, nil if there is none.
func (r *rollCall) newest() (best *client.Status) {
	for i := range r.rows {
		s := r.rows[i].said
		if s != nil && (best == nil || s.Height > best.Height || s.Height == best.Height && s.State == client.StateLeader) {
			best = s
		}
	}
	return best
}

// worst is the error that says most: another one than that nobody is there.
func (r *rollCall) worst() (err error) {
	for i := range r.rows {
		e := r.rows[i].err
		if err == nil || !fault.Is(e, fault.Unavailable) && !fault.Is(e, fault.Timeout) || strings.Contains(e.Error(), "x509:") {
			err = e
		}
	}
	return err
}

// spread makes the rows of all validators from the one that was asked.
func (r *rollCall) spread() {
	asked := r.rows[0]
	r.rows = nil
	for _, m := range asked.said.Validators { // ascending by number; between are the vacant ones
		r.rows = append(r.rows, make([]rollRow, int(m.Number)+1-len(r.rows))...)
		r.rows[m.Number].id = m.Name
	}
	if me := int(asked.said.Validator); me < len(r.rows) {
		asked.id = r.rows[me].id
		r.rows[me] = asked
	}
}

// elect finds the leader of the newest term that has one: who still names an older one was not told. What the leader knows of
// the others goes into their rows.
func (r *rollCall) elect() {
	for i := range r.rows {
		s := r.rows[i].said
		if s == nil || !s.HasLeader || int(s.Leader) >= len(r.rows) {
			continue
		}
		if r.leader == nil || s.Term > r.term {
			r.leader, r.term = &r.rows[s.Leader], s.Term
		}
	}
	if r.leader == nil {
		r.term = r.newestTerm()
		return
	}
	s := r.leader.said
	if s == nil || s.Role != client.StateLeader || s.Term != r.term {
		return
	}
	r.leader.lag = new(uint64)
	for i := range s.Peers {
		if p := &s.Peers[i]; p.Log != nil && int(p.Number) < len(r.rows) {
			r.rows[p.Number].lag = &p.Log.LagHeights
		}
	}
}

func (r *rollCall) newestTerm() (term uint64) {
	for i := range r.rows {
		if s := r.rows[i].said; s != nil {
			term = max(term, s.Term)
		}
	}
	return term
}

// leaderID is the leader's name, empty while there is none.
func (r *rollCall) leaderID() string {
	if r.leader == nil {
		return ""
	}
	return r.leader.id
}

// id names a validator by its number.
func (r *rollCall) id(no uint16) string {
	if int(no) < len(r.rows) {
		return r.rows[no].id
	}
	return ""
}

// answered is how many validators said something.
func (r *rollCall) answered() (n int) {
	for i := range r.rows {
		if r.rows[i].said != nil {
			n++
		}
	}
	return n
}

// state is a validator in one word: its own, unless its leader knows better.
func (row *rollRow) state() string {
	switch {
	case row.said == nil && row.err == nil:
		return stateUnknown
	case row.said == nil:
		return stateDown
	case row.said.State == client.StateFollower && row.lag != nil && *row.lag > lagCatchingUp:
		return client.StateCatchingUp
	}
	return row.said.State
}

// note says in few words what is wrong with a validator.
func (row *rollRow) note() string {
	switch {
	case row.said != nil && row.said.Halted:
		return row.said.HaltedReason
	case row.err == nil:
		return ""
	}
	return noteOf(row.err, row.address)
}

// noteOf says in few words why nobody answered at an address.
func noteOf(err error, address string) string {
	switch {
	case fault.Is(err, fault.Timeout):
		return "it does not answer"
	case strings.Contains(err.Error(), "connection refused"):
		return "nothing listens at " + address
	}
	return err.Error()
}

// signed is what the others' certificates have of a validator's signatures; its own certificates always have them. A network
// in which nobody else was asked has only its own word.
func (r *rollCall) signed(no int) (signed client.Signed, of uint32) {
	for i := range r.rows {
		s := r.rows[i].said
		if s == nil || i == no && r.answered() > 1 {
			continue
		}
		m := s.Member(uint16(no))
		if m == nil {
			continue
		}
		if n := m.Signed.Signatures; n > signed.Signatures || n == signed.Signatures && s.CertificatesCounted > of {
			signed, of = m.Signed, s.CertificatesCounted
		}
	}
	return signed, of
}

// certified is the newest height that any of them has published.
func (r *rollCall) certified() chain.Height { return r.best.Height }

// decided is the newest height that any of them knows to be decided.
func (r *rollCall) decided() (h chain.Height) {
	for i := range r.rows {
		if s := r.rows[i].said; s != nil {
			h = max(h, s.Decided)
		}
	}
	return h
}

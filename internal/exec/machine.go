// SPDX-License-Identifier: Apache-2.0

package exec

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/ledger"
)

// Payload is one lane entry with its bytes.
type Payload struct {
	Entry  chain.LaneEntry
	Digest chain.Hash
	Bytes  []byte
	// Executed says that the entry is known to be executed before, and nothing more of it than its digest: it was decided
	// again, and its payload may be gone.
	Executed bool
}

// BatchOutcome is what became of one payload.
type BatchOutcome struct {
	Place    int // of its entry in the proposal
	Outcomes codec.Outcomes
	LegsOK   uint32
	// TxIDs are the ids of single transactions whose nonce was consumed, by place; zero for the others. Empty for client
	// batches. These resolve by id.
	TxIDs []chain.Hash
	// Indexed is false for a payload that used nothing up: a client batch that was refused whole without using up its
	// sequence, or transactions of which none used up its nonce. The same id may execute later, or did before on another
	// lane, and only that location is to be recorded.
	Indexed bool
}

// Executed is the result of a block.
type Executed struct {
	Header      *chain.ExecutedHeader
	HeaderBytes []byte
	Hash        chain.Hash
	Batches     []BatchOutcome
	LegsOK      uint64
	PassedOver  int // entries that do not follow in their lane
	Keys        []ledger.KeyChange
	Versioned   []ledger.VersionedChange
	RootDue     bool // the state after this block is to be hashed: SetRoot(Height, root)
	// Ends says that the block ended its epoch: the ledger has the next membership, its state is to be hashed, and until End
	// got the root the header is not complete, and HeaderBytes and Hash are empty.
	Ends bool
}

// Machine executes blocks one after the other. One goroutine owns it.
type Machine struct {
	ledger *ledger.Ledger
	chain  chain.ChainID
	epoch  chain.Epoch

	height   chain.Height
	previous chain.Hash // executed header of height, or the genesis hash
	roots    rootSchedule
	ending   *Executed // the epoch's last block, until End
	ended    bool
}

// Tip is where a machine stands.
type Tip struct {
	Height   chain.Height
	Hash     chain.Hash // of the executed header at Height; the genesis hash at 0
	TimeUs   uint64     // of the block at Height; genesis time at 0
	LastRoot chain.Height
	LastUs   uint64 // time of the block at LastRoot
	Begins   bool   // the next block is the first of a later epoch: a root is owed soon, so that newcomers find a state
}

// New makes a machine that goes on after tip, in the epoch of the ledger. After the last block of an epoch the tip is that
// block, whose root was its own: LastRoot is its height.
func New(l *ledger.Ledger, tip Tip) *Machine {
	return &Machine{
		ledger:   l,
		chain:    l.Chain(),
		epoch:    l.Membership().Epoch,
		height:   tip.Height,
		previous: tip.Hash,
		roots:    rootSchedule{last: tip.LastRoot, lastUs: tip.LastUs, worked: tip.Begins},
	}
}

// Height is the newest executed height.
func (m *Machine) Height() chain.Height { return m.height }

// NeedsRoot returns the height whose state root the next block's header must carry, and false if none or already set.
func (m *Machine) NeedsRoot() (chain.Height, bool) { return m.roots.missing(m.height + 1) }

// SetRoot gives the state root due at height d. Roots of heights that are not due are ignored.
func (m *Machine) SetRoot(d chain.Height, root chain.Hash) { m.roots.set(d, root) }

// RootsPending reports whether a due root has not appeared in a header yet.
func (m *Machine) RootsPending() bool { return len(m.roots.due) > 0 }

// OwesRoot reports whether a root will be due as soon as headers say that the time has come.
func (m *Machine) OwesRoot() bool { return m.roots.worked }

// LastRoot is the newest height at which a root was due.
func (m *Machine) LastRoot() chain.Height { return m.roots.last }

// Run executes the block that p decided. Payloads are those of p.Entries, in that order. An error about a missing root
// (Internal) or the end of the epoch (Conflict: what was decided above it is void) changed nothing. After any other the
// machine is of no use: Corrupt for what cannot be, Halted for a broken invariant.
func (m *Machine) Run(p *chain.Proposal, payloads []Payload) (ex *Executed, err error) {
	defer func() {
		if err != nil {
			ex = nil
		}
	}()
	defer fault.Recover(&err)
	if err := m.goesOn(); err != nil {
		return nil, err
	}
	if p.Height != m.height+1 || len(payloads) != len(p.Entries) {
		return nil, fault.New(fault.Corrupt, "block %d with %d payloads for %d entries cannot follow height %d", p.Height, len(payloads), len(p.Entries), m.height)
	}
	rootAt, root, err := m.roots.take(p.Height)
	if err != nil {
		return nil, err
	}
	m.ledger.BeginBlock(p.Height, p.TimeUs)
	ex = &Executed{Header: &chain.ExecutedHeader{
		Chain:     m.chain,
		Epoch:     m.epoch,
		Height:    p.Height,
		Previous:  m.previous,
		Proposal:  codec.ProposalHash(p),
		TimeUs:    p.TimeUs,
		RootAt:    rootAt,
		StateRoot: root,
	}}
	for i := range payloads {
		if payloads[i].Digest != p.Entries[i] {
			return nil, fault.New(fault.Corrupt, "block %d: payload %d is not entry %s", p.Height, i, p.Entries[i])
		}
		if !m.follows(&payloads[i]) {
			ex.PassedOver++
			continue
		}
		if err := m.runPayload(ex, &payloads[i], i); err != nil {
			return nil, err
		}
	}
	m.ledger.EndBlock()
	m.finish(ex)
	return ex, nil
}

func (m *Machine) finish(ex *Executed) {
	ex.Keys = m.ledger.KeyChanges()
	ex.Versioned = m.ledger.VersionedChanges()
	if m.ledger.Ended() {
		ex.Ends, m.ending = true, ex
		ex.Header.RootAt, ex.Header.StateRoot = 0, chain.Hash{} // an older root gives way to this block's
		return
	}
	m.encode(ex)
	ex.RootDue = m.roots.next(ex.Header.Height, ex.Header.TimeUs, len(ex.Batches) > 0)
}

// encode encodes a complete header and moves the machine behind it.
func (m *Machine) encode(ex *Executed) {
	ex.HeaderBytes = codec.AppendHeader(nil, ex.Header)
	ex.Hash = codec.Sum(ex.HeaderBytes)
	m.height, m.previous = ex.Header.Height, ex.Hash
}

func (m *Machine) runPayload(ex *Executed, p *Payload, place int) error {
	var out BatchOutcome
	var err error
	switch p.Entry.Kind {
	case chain.PayloadBatch:
		out, err = m.runBatch(p, uint32(len(ex.Batches)))
	case chain.PayloadTxs:
		out, err = m.runTxs(p.Bytes)
	default:
		err = fault.New(fault.Corrupt, "payload kind %d", p.Entry.Kind)
	}
	if err != nil {
		return fault.Wrap(fault.Corrupt, err, "entry %d of lane %d", p.Entry.Sequence, p.Entry.Validator)
	}
	out.Place = place
	m.ledger.AdvanceLane(p.Entry, p.Digest)
	ex.Batches = append(ex.Batches, out)
	ex.LegsOK += uint64(out.LegsOK)
	ex.Header.Batches = append(ex.Header.Batches, chain.BatchResult{
		Entry:    p.Digest,
		Batch:    p.Entry.Payload,
		Legs:     uint32(len(out.Outcomes.Codes)),
		Outcomes: out.Outcomes.Hash(),
	})
	return nil
}

// follows reports whether an entry is the next of its lane. One that is not is passed over, on every node alike, since it
// depends on the history alone: a change of leader may order an entry again, and a lying one may order it too early.
func (m *Machine) follows(p *Payload) bool {
	if p.Executed {
		return false
	}
	epoch, sequence, tip := m.ledger.Lane(p.Entry.Validator)
	return epoch != 0 && p.Entry.JoinEpoch == epoch && p.Entry.Sequence == sequence+1 && p.Entry.Parent == tip
}

// runBatch executes a client batch as a line of the header.
func (m *Machine) runBatch(p *Payload, line uint32) (BatchOutcome, error) {
	b, err := chain.ParseBatch(p.Bytes)
	if err != nil {
		return BatchOutcome{}, err
	}
	codes := make([]chain.Outcome, b.Len())
	ok, final := m.ledger.RunBatch(b, p.Entry.Payload, line, codes)
	return BatchOutcome{Outcomes: codec.Outcomes{Codes: codes}, LegsOK: uint32(ok), Indexed: final}, nil
}

func (m *Machine) runTxs(raw []byte) (BatchOutcome, error) {
	signed, err := codec.SplitTxBatch(raw)
	if err != nil {
		return BatchOutcome{}, err
	}
	n := len(signed)
	out := BatchOutcome{
		Outcomes: codec.Outcomes{Codes: make([]chain.Outcome, n), Results: make([]uint32, n)},
		TxIDs:    make([]chain.Hash, n),
	}
	for i, s := range signed {
		m.runTx(&out, i, s)
	}
	return out, nil
}

// runTx executes one signed transaction. Bytes that are no transaction of this version are BadField and no more: whoever
// cut the batch may have lied, and must not be able to stop those who execute it.
func (m *Machine) runTx(out *BatchOutcome, i int, signed []byte) {
	tx, id, err := codec.DecodeSignedTx(signed)
	if err != nil || tx.Validate() != nil {
		out.Outcomes.Codes[i] = chain.BadField
		return
	}
	code, result, final := m.ledger.RunTx(&tx.Tx, id)
	out.Outcomes.Codes[i], out.Outcomes.Results[i] = code, result
	if code == chain.OK && movesMoney(tx.Body.Kind()) {
		out.LegsOK++
	}
	if final {
		out.TxIDs[i], out.Indexed = id, true
	}
}

func movesMoney(k chain.TxKind) bool {
	switch k {
	case chain.TxTransfer, chain.TxHold, chain.TxPost, chain.TxVoid:
		return true
	}
	return false
}

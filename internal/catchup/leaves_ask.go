// SPDX-License-Identifier: Apache-2.0

package catchup

import (
	"cmp"
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/pages"
)

// InquiryConfig sets an Inquiry up. Rules and Peers are needed.
type InquiryConfig struct {
	Rules Rules
	Peers Peers
	// AnswerWait is how long a peer may be silent. Default 2 s.
	AnswerWait time.Duration
	Metrics    prometheus.Registerer // nil means none
}

// Inquiry asks peers what a quorum certified, so that a validator that computed something else can say where it differs. Its
// asking methods are called by one goroutine, one ask at a time.
type Inquiry struct {
	cfg        InquiryConfig
	refused    *prometheus.CounterVec
	unregister func()
	inbox      chan Received
	asking     atomic.Bool
}

// NewInquiry makes an inquiry.
func NewInquiry(cfg InquiryConfig) (*Inquiry, error) {
	cfg.AnswerWait = cmp.Or(cfg.AnswerWait, 2*time.Second)
	q := &Inquiry{
		cfg: cfg, inbox: make(chan Received, inboxMax),
		refused: reasons("refused_comparisons_total", "Answers of other validators about what they computed that were of no use, by reason."),
	}
	var err error
	q.unregister, err = obs.Register(cfg.Metrics, "the inquiry", q.refused)
	return q, err
}

// Close takes the metrics away.
func (q *Inquiry) Close() { q.unregister() }

// Receive takes an answer of a peer and keeps what it points to. It never blocks.
func (q *Inquiry) Receive(from chain.ValidatorNo, m Message) {
	if !q.asking.Load() {
		q.refused.WithLabelValues("unasked").Inc()
		return
	}
	select {
	case q.inbox <- Received{from, m}:
	default:
		q.refused.WithLabelValues("inbox_full").Inc()
	}
}

// ask sends m to a peer and returns its answer, which wanted knows. Errors: NotFound, the peer does not hold it; Timeout;
// Unavailable, it is not connected; ctx's.
func (q *Inquiry) ask(ctx context.Context, to chain.ValidatorNo, m Message, at chain.Height, wanted func(Message) bool) (Message, error) {
	q.asking.Store(true)
	defer q.asking.Store(false)
	if err := q.cfg.Peers.Send(to, m.Kind(), m.Append(nil)); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "validator %d cannot be asked", to)
	}
	timer := time.NewTimer(q.cfg.AnswerWait)
	defer timer.Stop()
	for {
		select {
		case r := <-q.inbox:
			switch {
			case r.From != to:
			case r.Message == Message(Unheld{m.Kind(), at}):
				return nil, fault.New(fault.NotFound, "validator %d does not hold it", to)
			case wanted(r.Message):
				return r.Message, nil
			}
			q.refused.WithLabelValues("unasked").Inc()
		case <-timer.C:
			return nil, fault.New(fault.Timeout, "validator %d does not answer", to)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// wrong counts an answer that is false, and says so.
func (q *Inquiry) wrong(to chain.ValidatorNo, err error) error {
	q.refused.WithLabelValues(fault.ReasonOf(err)).Inc()
	return fault.Wrap(fault.Invalid, err, "validator %d gave a false answer", to)
}

// Header asks a peer for the certified header of a height, and proves it by its certificate. Besides the errors of any ask:
// Invalid, the answer is false.
func (q *Inquiry) Header(ctx context.Context, to chain.ValidatorNo, height chain.Height) (*chain.ExecutedHeader, chain.Hash, error) {
	m, err := q.ask(ctx, to, AskHeader{height}, height, func(m Message) bool {
		h, ok := m.(HeaderOf)
		return ok && h.Height == height
	})
	if err != nil {
		return nil, chain.Hash{}, err
	}
	answer := m.(HeaderOf)
	h, err := codec.DecodeHeader(answer.Header)
	if err == nil && (h.Height != height || h.Chain != q.cfg.Rules.Chain) {
		err = wrong("wrong_headers", "it is header %d of chain %d", h.Height, h.Chain)
	}
	if err == nil {
		err = q.cfg.Rules.certified(h, answer.Header, answer.Certificate)
	}
	if err != nil {
		return nil, chain.Hash{}, q.wrong(to, err)
	}
	return h, codec.Sum(answer.Header), nil
}

// sectionsComparedMax bounds the sections whose leaves are compared. The lowest ones are.
const sectionsComparedMax = 8

// SectionDifference is a section in which the state of this node and the certified one differ.
type SectionDifference struct {
	Section     uint32
	RecordBytes uint32
	Page        uint64 // the first that differs
	Pages       uint64 // how many do
}

// Differences finds out where own differs from the state of a height that has a certified root, by a peer's leaves: of the
// table first, then of the sections that differ, in ascending order. All are proved by the root. Besides the errors of any
// ask: Invalid, an answer is false; Conflict, own has that root.
func (q *Inquiry) Differences(ctx context.Context, to chain.ValidatorNo, at chain.Height, root chain.Hash, own *pages.StateLeaves) ([]SectionDifference, error) {
	hash := pages.NewLeaves()
	table, err := q.table(ctx, to, at, root, hash)
	if err != nil {
		return nil, err
	}
	sections := pages.DifferentSections(own.Rows, table)
	if len(sections) == 0 {
		return nil, fault.New(fault.Conflict, "the state of height %d is the certified one", at)
	}
	var list []SectionDifference
	for _, section := range sections[:min(len(sections), sectionsComparedMax)] {
		row, mine, _ := own.Section(section)
		d := SectionDifference{Section: section, RecordBytes: row.RecordBytes}
		var theirs []chain.Hash
		if i := slices.IndexFunc(table, func(r pages.SectionRoot) bool { return r.Section == section }); i >= 0 {
			d.RecordBytes = table[i].RecordBytes
			if theirs, err = q.leaves(ctx, to, at, &table[i], hash); err != nil {
				return nil, err
			}
		}
		d.Page, d.Pages = pages.DifferentPages(mine, theirs, hash.Zero())
		list = append(list, d)
	}
	return list, nil
}

func (q *Inquiry) table(ctx context.Context, to chain.ValidatorNo, at chain.Height, root chain.Hash, hash pages.Leaves) ([]pages.SectionRoot, error) {
	m, err := q.ask(ctx, to, AskTable{at}, at, func(m Message) bool {
		t, ok := m.(Table)
		return ok && t.At == at
	})
	if err != nil {
		return nil, err
	}
	rows := m.(Table).Rows
	if hash.TableRoot(rows) != root {
		return nil, q.wrong(to, wrong("wrong_table", "its table is not that of root %s", root))
	}
	return rows, nil
}

// leaves asks for all leaves of a section, whose row was proved.
func (q *Inquiry) leaves(ctx context.Context, to chain.ValidatorNo, at chain.Height, row *pages.SectionRoot, hash pages.Leaves) ([]chain.Hash, error) {
	if most := q.cfg.Rules.pagesMax(); row.Pages > most {
		return nil, fault.New(fault.Refused, "section %d has %d pages, more than %d", row.Section, row.Pages, most)
	}
	list := make([]chain.Hash, 0, row.Pages)
	for uint64(len(list)) < row.Pages {
		a := AskRootLeaves{At: at, Section: row.Section, First: uint32(len(list)), Count: uint32(min(leavesPerFrameMax, row.Pages-uint64(len(list))))}
		m, err := q.ask(ctx, to, a, at, func(m Message) bool {
			l, ok := m.(RootLeaves)
			return ok && l.At == at && l.Section == a.Section && l.First == a.First && len(l.Hashes) == int(a.Count)
		})
		if err != nil {
			return nil, err
		}
		list = append(list, m.(RootLeaves).Hashes...)
	}
	if hash.SectionRoot(list) != row.Root {
		return nil, q.wrong(to, wrong("wrong_leaves", "its leaves are not those of section %d", row.Section))
	}
	return list, nil
}

// SPDX-License-Identifier: Apache-2.0

package copier

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"sort"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/imported"
)

// paceRows is how many rows are read between two looks at the pace.
const paceRows = 4096

// history brings V10's transactions and rounds to the writer, piece by piece, and keeps what the chain is to know of each piece that is
// there. One reads, one writes; whoever puts pieces into the chain waits for them.
type history struct {
	rows     Rows
	survey   *survey
	writer   imported.Writer
	runs     runs            // of all accounts
	assets   []chain.AssetNo // of survey.assets
	applied  [2]uint64       // pieces of each family that are in the chain
	throttle *throttle
	meter    *meter

	pieceRows uint64
	free      chan []imported.Row

	mu      sync.Mutex // guards all below
	pieces  [2]map[uint64]chain.HistoryChunk
	changed chan struct{} // closed and replaced when a piece comes
	done    bool
}

func newHistory() *history {
	return &history{pieces: [2]map[uint64]chain.HistoryChunk{{}, {}}, changed: make(chan struct{}), free: make(chan []imported.Row, piecesMax)}
}

// chunk waits for a piece, by its place from 0.
func (h *history) chunk(ctx context.Context, family uint32, place uint64) (chain.HistoryChunk, error) {
	for {
		c, changed, ok := h.look(family, place)
		if ok {
			return c, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return c, ctx.Err()
		}
	}
}

func (h *history) look(family uint32, place uint64) (c chain.HistoryChunk, changed <-chan struct{}, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c, ok = h.pieces[family-1][place]
	return c, h.changed, ok
}

// publish says that a piece's rows are in the writer.
func (h *history) publish(c *chain.HistoryChunk) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pieces[c.Family-1][c.Number-1] = *c
	h.wake()
}

func (h *history) wake() {
	close(h.changed)
	h.changed = make(chan struct{})
}

// finished waits until the writer has everything.
func (h *history) finished(ctx context.Context) error {
	for {
		h.mu.Lock()
		done, changed := h.done, h.changed
		h.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// run brings what is missing.
func (h *history) run(ctx context.Context) error {
	seq, round, err := h.writer.Next(ctx)
	if err != nil {
		return err
	}
	if err := h.transactions(ctx, seq); err != nil {
		return err
	}
	if err := h.rounds(ctx, round); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.done = true
	h.wake()
	return nil
}

// transactions reads pieces beside the writing of those before. next is the number of the first row that the writer lacks.
func (h *history) transactions(ctx context.Context, next uint64) error {
	first := min(h.applied[0], (next-1)/h.pieceRows)
	h.meter.done[stepTransactions].Store(first * h.pieceRows)
	both, inner := errgroup.WithContext(ctx)
	read := make(chan []imported.Row, 1)
	both.Go(func() error {
		defer close(read)
		return h.readTransactions(inner, first*h.pieceRows, read)
	})
	both.Go(func() error {
		number := first
		for rows := range read {
			number++
			c := chunkOfRows(number, rows)
			if last := rows[len(rows)-1].Seq; last >= next {
				if err := h.writer.Rows(inner, rows); err != nil {
					return err
				}
			}
			h.meter.done[stepTransactions].Add(uint64(len(rows)))
			h.publish(&c)
			h.recycle(rows)
		}
		return nil
	})
	return both.Wait()
}

func (h *history) recycle(rows []imported.Row) {
	select {
	case h.free <- rows[:0]:
	default:
	}
}

func (h *history) piece() []imported.Row {
	select {
	case rows := <-h.free:
		return rows
	default:
		return make([]imported.Row, 0, h.pieceRows)
	}
}

// readTransactions hands out pieces, behind so many rows.
func (h *history) readTransactions(ctx context.Context, skip uint64, out chan<- []imported.Row) error {
	seen := uint64(0)
	rows := h.piece()
	hand := func() error {
		select {
		case out <- rows:
			rows = h.piece()
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	low, high := all(byPlace)
	err := h.rows.Scan(famTransactions, low, high, func(key, value []byte) error {
		seen++
		if seen <= skip {
			return nil
		}
		if seen%paceRows == 0 {
			if err := h.throttle.take(ctx, paceRows); err != nil {
				return err
			}
		}
		rows = append(rows, imported.Row{Seq: seen})
		if err := h.fill(&rows[len(rows)-1], key, value); err != nil {
			return err
		}
		if uint64(len(rows)) == h.pieceRows {
			return hand()
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case seen != h.survey.transactions:
		return inconsistent("it counts %d transactions of its own and has %d", h.survey.transactions, seen)
	case len(rows) > 0:
		return hand()
	}
	return nil
}

// fill reads a transaction. Whom or what V10 named in vain has no number.
func (h *history) fill(r *imported.Row, key, value []byte) error {
	var t transaction
	if len(key) != 1+8+4 {
		return unreadable(famTransactions)
	}
	if err := readTransaction(value, &t); err != nil {
		return err
	}
	if !t.outcome.Known() {
		return unreadable(famTransactions)
	}
	r.Round, r.Place = binary.BigEndian.Uint64(key[1:]), binary.BigEndian.Uint32(key[9:])
	r.Ms, r.Amount, r.Outcome = t.ms, t.units, t.outcome
	switch string(t.kind) {
	case "transfer":
		r.Kind = imported.Transfer
	case "issue":
		r.Kind = imported.Issue
	case "redeem":
		r.Kind = imported.Redeem
	case "account":
		r.Kind = imported.OpenAccount
	case "asset":
		r.Kind = imported.CreateAsset
	default:
		return unreadable(famTransactions)
	}
	r.Payer, r.Payee, r.Asset = h.account(t.from), h.account(t.to), h.asset(t.asset)
	if r.Outcome == chain.OK && (len(t.from) > 0 && r.Payer == 0 || len(t.to) > 0 && r.Payee == 0 || len(t.asset) > 0 && r.Asset == 0) {
		return inconsistent("transaction %d of round %d was executed and names an account or asset that is not there", r.Place, r.Round)
	}
	return nil
}

func (h *history) account(name []byte) chain.AccountNo {
	place, ok := h.survey.names.find(name)
	if !ok {
		return 0
	}
	return h.runs.number(uint64(place))
}

func (h *history) asset(code []byte) chain.AssetNo {
	place, ok := h.survey.places[string(code)]
	if !ok {
		return 0
	}
	return h.assets[place]
}

type roundRow struct {
	Ms           uint64   `json:"ms"`
	Leader       string   `json:"leader"`
	Votes        []string `json:"votes"`
	Hash         string   `json:"block_hash"`
	Previous     string   `json:"previous_hash"`
	Transactions uint32   `json:"transactions"`
}

// rounds brings the rounds. next is the number behind the newest that the writer has. They are few: all are read again.
func (h *history) rounds(ctx context.Context, next uint64) error {
	read := uint64(0)
	piece := make([]imported.Round, 0, min(h.survey.rounds, h.pieceRows))
	low, high := all(byRound)
	err := h.rows.Scan(famConsensus, low, high, func(key, value []byte) error {
		if read++; read%paceRows == 0 {
			if err := h.throttle.take(ctx, paceRows); err != nil {
				return err
			}
		}
		if len(key) != 9 {
			return unreadable(famConsensus)
		}
		r, err := roundOf(binary.BigEndian.Uint64(key[1:]), value)
		if err != nil {
			return err
		}
		if piece = append(piece, r); uint64(len(piece)) < h.pieceRows {
			return nil
		}
		err = h.bring(ctx, read, next, piece)
		piece = piece[:0]
		return err
	})
	if err == nil && len(piece) > 0 {
		err = h.bring(ctx, read, next, piece)
	}
	return err
}

// bring writes what the writer lacks of a piece of rounds, which are the last of so many.
func (h *history) bring(ctx context.Context, read, next uint64, piece []imported.Round) error {
	c := chunkOfRounds((read-1)/h.pieceRows+1, piece)
	at := sort.Search(len(piece), func(i int) bool { return piece[i].Number >= next })
	if at < len(piece) {
		if err := h.writer.Rounds(ctx, piece[at:]); err != nil {
			return err
		}
	}
	h.meter.done[stepRounds].Store(read)
	h.publish(&c)
	return nil
}

func roundOf(number uint64, value []byte) (imported.Round, error) {
	var row roundRow
	if err := readRow(value, famConsensus, &row); err != nil {
		return imported.Round{}, err
	}
	r := imported.Round{Number: number, Ms: row.Ms, Leader: row.Leader, Votes: row.Votes, Transactions: row.Transactions}
	for _, h := range []struct {
		to   *[32]byte
		text string
	}{{&r.Hash, row.Hash}, {&r.Previous, row.Previous}} {
		if len(h.text) != 2+2*len(h.to) || h.text[:2] != "0x" {
			return r, unreadable(famConsensus)
		}
		if _, err := hex.Decode(h.to[:], []byte(h.text[2:])); err != nil {
			return r, fault.Wrap(fault.Corrupt, err, "a round's hash")
		}
	}
	return r, nil
}

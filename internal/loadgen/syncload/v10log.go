// SPDX-License-Identifier: Apache-2.0

package syncload

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// made is a payment as a ledger says that it made it.
type made struct {
	origin Side
	id     v10.TxID
	from   string
	to     string
	asset  string
	units  chain.Amount
}

// logLine is a line of V10's change log: a batch of rows, or where the log ends now.
type logLine struct {
	Position string  `json:"position"`
	Head     string  `json:"head"`
	Ops      []logOp `json:"ops"`
	Error    *struct{ Reason, Text string }
}

// logOp is a changed row.
type logOp struct {
	Family string `json:"family"`
	Key    []byte `json:"key"`
	Value  []byte `json:"value"`
}

// logRow is the row of a transaction.
type logRow struct {
	Ms      uint64 `json:"ms"`
	Kind    string `json:"kind"`
	From    string `json:"from"`
	To      string `json:"to"`
	Asset   string `json:"asset"`
	Units   string `json:"units"`
	Outcome int    `json:"outcome"`
}

// Keys of the two kinds of row: V10's own transactions lie by round and place, V11's by time, height and place.
const (
	ownRow, ownKeyBytes     = 't', 1 + 8 + 4
	otherRow, otherKeyBytes = 'u', 1 + 8 + 8 + 4
	transfer                = "transfer"
)

// payments calls each for every executed payment of a line.
func (l *logLine) payments(each func(made)) error {
	for i := range l.Ops {
		op := &l.Ops[i]
		if op.Family != "transactions" || len(op.Key) == 0 || op.Key[0] != ownRow && op.Key[0] != otherRow {
			continue
		}
		m, executed, err := op.payment()
		if err != nil {
			return err
		}
		if executed {
			each(m)
		}
	}
	return nil
}

func (op *logOp) payment() (m made, executed bool, err error) {
	var row logRow
	if err := json.Unmarshal(op.Value, &row); err != nil {
		return m, false, fault.Wrap(fault.Corrupt, err, "a transaction in V10's change log")
	}
	big, key := binary.BigEndian, op.Key
	switch {
	case key[0] == ownRow && len(key) == ownKeyBytes:
		m.origin, m.id = V10, v10.TxIDAt(row.Ms, chain.Height(big.Uint64(key[1:])), big.Uint32(key[9:]))
	case key[0] == otherRow && len(key) == otherKeyBytes:
		m.origin, m.id = V11, v10.TxIDAt(big.Uint64(key[1:]), chain.Height(big.Uint64(key[9:])), big.Uint32(key[17:]))
	default:
		return m, false, fault.New(fault.Corrupt, "a transaction in V10's change log has the key %x", key)
	}
	if row.Kind != transfer || row.Outcome != 0 {
		return m, false, nil
	}
	m.from, m.to, m.asset = row.From, row.To, row.Asset
	m.units, err = chain.ParseAmount(row.Units, 0)
	return m, true, err
}

// position is a place in V10's log.
type position struct {
	life     string
	sequence uint64
}

func parsePosition(text string) (p position, err error) {
	life, number, found := strings.Cut(text, ":")
	if p.life = life; found {
		p.sequence, err = strconv.ParseUint(number, 10, 64)
	}
	if !found || err != nil {
		return p, fault.New(fault.Corrupt, "V10 stands at %.80q, which is no INCARNATION:SEQUENCE", text)
	}
	return p, nil
}

func (p position) String() string { return p.life + ":" + strconv.FormatUint(p.sequence, 10) }

// lineBytesMax bounds a batch of V10 in a line.
const lineBytesMax = 96 << 20

// readLog is readLines with lines that are decoded.
func readLog(ctx context.Context, base string, since position, each func(*logLine, position) (bool, error)) error {
	return readLines(ctx, base, since, func(text []byte, at position) (bool, error) {
		var l logLine
		if err := json.Unmarshal(text, &l); err != nil {
			return false, fault.Wrap(fault.Corrupt, err, "a line of V10's change log")
		}
		return each(&l, at)
	})
}

// readLines reads V10's change log behind a position, and calls each for every line with the position that it brings, until each is false.
// The line is each's until it returns.
func readLines(ctx context.Context, base string, since position, each func([]byte, position) (bool, error)) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/changes?since="+url.QueryEscape(since.String()), nil)
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "V10's change log")
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "read V10's change log")
	}
	defer answer.Body.Close()
	in := bufio.NewScanner(answer.Body)
	in.Buffer(make([]byte, 1<<20), lineBytesMax)
	for in.Scan() {
		at, err := positionOf(in.Bytes())
		if err != nil {
			return err
		}
		if goOn, err := each(in.Bytes(), at); err != nil || !goOn {
			return err
		}
	}
	if err := in.Err(); err != nil && ctx.Err() == nil {
		return fault.Wrap(fault.Unavailable, err, "read V10's change log")
	}
	return ctx.Err()
}

// How lines begin.
const (
	batchBegin = `{"position":"`
	headBegin  = `{"head":"`
)

// positionOf reads where a line brings the reader. That is what it begins with: who only wants to know when a line came does not decode
// its rows beside what is measured.
func positionOf(line []byte) (position, error) {
	for _, begin := range []string{batchBegin, headBegin} {
		if rest, is := bytes.CutPrefix(line, []byte(begin)); is {
			text, _, _ := bytes.Cut(rest, []byte{'"'})
			return parsePosition(string(text))
		}
	}
	var l logLine
	if err := json.Unmarshal(line, &l); err != nil {
		return position{}, fault.Wrap(fault.Corrupt, err, "a line of V10's change log")
	}
	if l.Error != nil {
		return position{}, fault.Reasoned(fault.Unavailable, l.Error.Reason, "V10's change log: %s", l.Error.Text)
	}
	return parsePosition(l.Position + l.Head)
}

// port asks V10 where its change log is served.
type port struct{ base string }

// portAnswer is what it answers.
type portAnswer struct {
	Position   string `json:"position"`
	Generation uint64 `json:"generation"`
	Inbox      *struct {
		Position string `json:"position"`
	} `json:"inbox"`
	Error *struct{ Reason, Text string } `json:"error"`
}

const portBytesMax = 1 << 20

func (p port) ask(ctx context.Context, method, path string) (a portAnswer, err error) {
	r, err := http.NewRequestWithContext(ctx, method, p.base+path, nil)
	if err != nil {
		return a, fault.Wrap(fault.Invalid, err, "V10's port")
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return a, fault.Wrap(fault.Unavailable, err, "ask V10 for %s", path)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, portBytesMax))
	if err == nil {
		err = json.Unmarshal(text, &a)
	}
	switch {
	case err != nil:
		return a, fault.Wrap(fault.Unavailable, err, "V10's answer to %s", path)
	case a.Error != nil:
		return a, fault.Reasoned(fault.Unavailable, a.Error.Reason, "V10's answer to %s: %s", path, a.Error.Text)
	}
	return a, nil
}

// head is V10's newest write.
func (p port) head(ctx context.Context) (position, error) {
	a, err := p.ask(ctx, http.MethodGet, "/head")
	if err != nil {
		return position{}, err
	}
	return parsePosition(a.Position)
}

// barrier is a write of V10's own that V11 is told of.
func (p port) barrier(ctx context.Context) (uint64, error) {
	a, err := p.ask(ctx, http.MethodPost, "/barrier")
	return a.Generation, err
}

// applied is V11's height up to which V10 has something, 0 before it has anything.
func (p port) applied(ctx context.Context) (uint64, error) {
	a, err := p.ask(ctx, http.MethodGet, "/applied")
	switch {
	case fault.ReasonOf(err) == "inbox_closed":
		return 0, nil
	case err != nil:
		return 0, err
	case a.Inbox == nil:
		return 0, fault.New(fault.Corrupt, "V10 does not say what it has of V11")
	}
	major, _, _ := strings.Cut(a.Inbox.Position, ".")
	height, err := strconv.ParseUint(major, 10, 64)
	return height, fault.Wrap(fault.Corrupt, err, "where V10 stands: %.80q", a.Inbox.Position)
}

func describe(m *made) string {
	return fmt.Sprintf("%s of %s: %q to %q, %s %s", m.id, m.origin, m.from, m.to, m.units, m.asset)
}

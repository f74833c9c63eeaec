// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/hop"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// Bounds of calls to V10's change port.
const (
	portTimeout        = 5 * time.Second
	portAnswerBytesMax = 4 << 20
	portIdleMax        = 4 * time.Second
)

// errUnreached is that of a call of which V10 saw nothing; of any other without an answer nobody knows.
var errUnreached = errors.New("V10 was not reached")

// port is V10's change port, as far as a guard needs it.
type port struct {
	base string
	http *http.Client
}

func newPort(address string) (*port, error) {
	base, err := hop.CheckURL(address)
	if err != nil {
		return nil, err
	}
	t := &http.Transport{DialContext: (&net.Dialer{Timeout: dialMax}).DialContext, MaxIdleConnsPerHost: 2, IdleConnTimeout: portIdleMax}
	return &port{base.String(), &http.Client{Transport: t, Timeout: portTimeout}}, nil
}

func (p *port) close() { p.http.CloseIdleConnections() }

// portLine is what the port answers, as far as a guard reads it.
type portLine struct {
	Position   string `json:"position"`
	Generation uint64 `json:"generation"`
	Guard      uint64 `json:"guard"`
	Height     uint64 `json:"height"`
	Homes      *struct {
		Version uint64 `json:"version"`
	} `json:"homes"`
	Error *struct {
		Kind   string `json:"kind"`
		Reason string `json:"reason"`
		Text   string `json:"text"`
	} `json:"error"`
}

// call makes one call. Its error is V10's own, errUnreached, or of an answer that did not come.
func (p *port) call(ctx context.Context, method, path string, body any) (l portLine, err error) {
	var text []byte
	if body != nil {
		if text, err = json.Marshal(body); err != nil {
			return l, fault.Wrap(fault.Internal, err, "encode a call of V10's change port")
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, p.base+path, bytes.NewReader(text))
	if err != nil {
		return l, fault.Wrap(fault.Invalid, err, "the address of V10's change port")
	}
	answer, err := p.http.Do(r)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) && op.Op == "dial" {
			err = fmt.Errorf("%w: %w", errUnreached, err)
		}
		return l, noAnswer(err)
	}
	defer answer.Body.Close()
	got, err := io.ReadAll(io.LimitReader(answer.Body, portAnswerBytesMax))
	if err == nil {
		err = json.Unmarshal(got, &l)
	}
	switch {
	case err != nil:
		return l, noAnswer(err)
	case l.Error != nil:
		return l, fault.Reasoned(kindNamed(l.Error.Kind), l.Error.Reason, "V10: %s", l.Error.Text)
	case answer.StatusCode != http.StatusOK:
		return l, noAnswer(fault.New(fault.Unavailable, "status %s", answer.Status))
	}
	return l, nil
}

func noAnswer(err error) error {
	return fault.Wrap(fault.Unavailable, err, "V10's change port does not answer")
}

func kindNamed(name string) fault.Kind {
	for _, k := range fault.Kinds() {
		if k.String() == name {
			return k
		}
	}
	return fault.Internal
}

// barrier takes the next generation; with after it is refused unless that is the newest of a guard.
func (p *port) barrier(ctx context.Context, after uint64) (b barrier, err error) {
	q := url.Values{"guard": {"1"}}
	if after > 0 {
		q.Set("after", strconv.FormatUint(after, 10))
	}
	l, err := p.call(ctx, http.MethodPost, "/barrier?"+q.Encode(), nil)
	if err != nil {
		return b, err
	}
	b.generation, b.earlier = l.Generation, l.Guard
	life, sequence, _ := strings.Cut(l.Position, ":")
	raw, err := hex.DecodeString(life)
	if err == nil && len(raw) == len(b.incarnation) {
		copy(b.incarnation[:], raw)
		b.sequence, err = strconv.ParseUint(sequence, 10, 64)
	}
	if err != nil || len(raw) != len(b.incarnation) || b.generation == 0 || b.generation <= after {
		return b, fault.New(fault.Corrupt, "V10 answered a barrier with generation %d at %q: is it a V10 that knows guards?", b.generation, l.Position)
	}
	return b, nil
}

// barEvent takes the barrier of a fence, and says what came of it.
func (p *port) barEvent(ctx context.Context, after uint64) any {
	b, err := p.barrier(ctx, after)
	switch {
	case err == nil:
		return barred{b}
	case fault.ReasonOf(err) == v10.ReasonOldGeneration:
		return barRefused{err}
	case errors.Is(err, errUnreached) || fault.Is(err, fault.TryLater):
		return barFailed{err}
	}
	return barUnclear{err}
}

// homes returns the version of the home table that V10 knows, 0 if it has none.
func (p *port) homes(ctx context.Context) (uint64, error) {
	l, err := p.call(ctx, http.MethodGet, "/homes", nil)
	if err == nil && l.Homes == nil {
		err = fault.New(fault.Corrupt, "V10 answered without its home table")
	}
	if err != nil {
		return 0, err
	}
	return l.Homes.Version, nil
}

// applied is the newest height of V11 that V10 has applied whole.
func (p *port) applied(ctx context.Context) (uint64, error) {
	l, err := p.call(ctx, http.MethodGet, "/applied", nil)
	return l.Height, err
}

// toldMove is a range in V10's home table.
type toldMove struct {
	Version uint64 `json:"version"`
	From    uint16 `json:"from"`
	To      uint16 `json:"to"`
	Other   bool   `json:"other,omitempty"` // V11 owns it
}

// tell tells V10 a version: what made it, or with m nil all of it, up to the last slot that an account has. Told again it is nothing.
func (p *port) tell(ctx context.Context, r *Record, m *Move, last uint16) error {
	_, err := p.call(ctx, http.MethodPost, "/homes", toldMoves(r, m, last))
	return err
}

func toldMoves(r *Record, m *Move, last uint16) (all []toldMove) {
	add := func(version uint64, from, to uint16, other bool) {
		if from <= last { // V10 takes no slot that no account has
			all = append(all, toldMove{version, from, min(to, last), other})
		}
	}
	if m == nil {
		add(r.Version, 0, last, true)
		for _, o := range r.Owned {
			add(r.Version, o.From, o.To, false)
		}
		return all
	}
	for _, s := range m.Slots {
		add(m.Version, s.From, s.To, m.Kind == ToV11)
	}
	if len(all) == 0 { // of such slots alone: slot 0 stays where it is, and the version counts
		add(m.Version, 0, 0, len(r.Owned) == 0 || r.Owned[0].From > 0)
	}
	return all
}

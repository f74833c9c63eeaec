// SPDX-License-Identifier: Apache-2.0

package trail

import (
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/zeebo/blake3"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Bounds of a line.
const (
	// AccountsMax bounds the accounts that a line names. Of more, it has the first ones and how many there are: the ledger has them all.
	AccountsMax = 64
	// textBytesMax bounds each of the texts of an entry. Longer ones are cut.
	textBytesMax = 256
	lineBytesMax = 16 << 10
	// tagBytes is how much of a tag is written: too much to meet by chance.
	tagBytes = 16
)

// Entry is one thing that was done.
type Entry struct {
	Who      string   // who did it, as may stand in clear: the id of a key, or a kind
	Person   string   // who did it, if that is a name: it is written as a tag
	What     string   // method and path of the endpoint, or service and method
	Accounts []string // names that were debited, or acted for: written as tags
	Result   string   // ok, or the reason of a refusal
	Request  string   // the client's id of its request, if it gave one
	Height   uint64   // of the block that certifies it; 0: none
}

// Hash is the BLAKE3 hash of a line, without its end.
type Hash [32]byte

// String is 64 hex digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// ParseHash reads 64 hex digits.
func ParseHash(text string) (h Hash, err error) {
	if len(text) != 2*len(h) {
		return h, fault.New(fault.Invalid, "a hash has %d hex digits", 2*len(h))
	}
	_, err = hex.Decode(h[:], []byte(text))
	return h, fault.Wrap(fault.Invalid, err, "a hash has %d hex digits", 2*len(h))
}

// line is an entry as it is written. The members stand in this order; n and prev are the chain.
type line struct {
	N        uint64   `json:"n"`
	Prev     string   `json:"prev"`
	Time     string   `json:"time"`
	Who      string   `json:"who"`
	What     string   `json:"what"`
	Accounts []string `json:"accounts,omitempty"`
	More     int      `json:"more_accounts,omitempty"`
	Result   string   `json:"result"`
	Request  string   `json:"request,omitempty"`
	Height   uint64   `json:"height,omitempty"`
}

// timeForm has fixed width, in UTC.
const timeForm = "2006-01-02T15:04:05.000000Z"

// newLine tags names. The chain is for whoever writes it.
func newLine(e *Entry, tag func(string) chain.Hash, now time.Time) *line {
	l := &line{
		Time: now.UTC().Format(timeForm), Who: cut(e.Who), What: cut(e.What), Result: cut(e.Result), Request: cut(e.Request), Height: e.Height,
	}
	if e.Person != "" {
		l.Who += "/" + Tagged(tag, e.Person)
	}
	for i, name := range e.Accounts {
		if i == AccountsMax {
			l.More = len(e.Accounts) - AccountsMax
			break
		}
		l.Accounts = append(l.Accounts, Tagged(tag, name))
	}
	return l
}

// Tagged is how a name stands in a trail: the first half of its tag, in hex.
func Tagged(tag func(string) chain.Hash, name string) string {
	h := tag(name)
	return hex.EncodeToString(h[:tagBytes])
}

func cut(s string) string { return s[:min(len(s), textBytesMax)] }

// chained writes l as the line after prev, without an end, and says its hash.
func (l *line) chained(n uint64, prev Hash) ([]byte, Hash, error) {
	l.N, l.Prev = n, prev.String()
	text, err := json.Marshal(l)
	if err != nil {
		return nil, Hash{}, fault.Wrap(fault.Internal, err, "encode a line of the audit trail")
	}
	return text, hashOf(text), nil
}

func hashOf(text []byte) Hash { return blake3.Sum256(text) }

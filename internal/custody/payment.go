// SPDX-License-Identifier: Apache-2.0

package custody

import (
	"sync"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// PaymentsMax bounds the payments of one PayMany. More are Invalid.
const PaymentsMax = chain.BatchLegsMax

// DefaultAsset is the code of the asset that is paid where a payment names none.
const DefaultAsset = "AUR"

// Payment is what a V10 client asks for. From and To are V10 names: 1 to 256 bytes, taken as they are.
type Payment struct {
	From, To string
	Asset    string // code; empty = DefaultAsset
	Amount   chain.Amount
	// Key makes the payment happen once, however often it is asked for while the ledger remembers the key, if Keyed is set. Desk.Key
	// makes one. Body is the hash of what was asked for (Desk.Body): the same key with another body is a Conflict.
	Key   chain.IdempotencyKey
	Keyed bool
	Body  [16]byte
	// Caller and ClientKey are what Key is made of: a desk that stands before other desks passes them on, since it cannot make one.
	Caller, ClientKey string
}

// Result is the certified fate of a payment or of a single transaction. An outcome other than chain.OK is a refusal of the ledger,
// and final. Place and time make the transaction's V10 id.
type Result struct {
	Height  chain.Height
	TimeUs  uint64 // of the block
	Batch   uint32 // place of the batch in its block
	Item    uint32 // place in the batch
	Outcome chain.Outcome
	First   bool // false: the answer of an earlier payment under the same key
}

// Answer is a payment's Result, or why there is none.
type Answer struct {
	Result
	Err error
}

// request is a payment on its way through the desk.
type request struct {
	leg   chain.Leg
	group *group
	at    int       // place of its answer
	since time.Time // when it was queued

	// Owned by the core.
	number     uint64 // in the order of arrival
	payer      *payer
	next, prev *request
	queued     bool
}

// group is the payments of one call, who waits for all of them.
type group struct {
	done chan struct{} // closed when every answer is there

	mu      sync.Mutex // guards all below
	answers []Answer
	state   []fateState
	left    int
}

// fateState says how much is known of a payment.
type fateState uint8

const (
	unsent   fateState = iota // it was certainly not sent, or what was sent was certainly not taken
	maybe                     // it may have been taken
	answered                  // its answer is there
)

func newGroup(n int) *group {
	return &group{done: make(chan struct{}), answers: make([]Answer, n), state: make([]fateState, n), left: n}
}

// settle gives a payment its answer, and reports whether it had none.
func (g *group) settle(at int, a Answer) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.put(at, a)
}

func (g *group) put(at int, a Answer) bool {
	if g.state[at] == answered {
		return false
	}
	g.state[at], g.answers[at] = answered, a
	if g.left--; g.left == 0 {
		close(g.done)
	}
	return true
}

// embark marks a payment as one that may be taken from now on. False: it was answered, and must not be sent.
func (g *group) embark(at int) bool { return g.move(at, maybe) }

// disembark marks a payment as one that certainly was not taken, and reports whether somebody still wants it.
func (g *group) disembark(at int) bool { return g.move(at, unsent) }

func (g *group) move(at int, to fateState) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state[at] == answered {
		return false
	}
	g.state[at] = to
	return true
}

// abandon answers all that has no answer, because the caller waits no longer.
func (g *group) abandon() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for at, s := range g.state {
		switch s {
		case unsent:
			g.put(at, Answer{Err: errNotSent()})
		case maybe:
			g.put(at, Answer{Err: errUnknown()})
		}
	}
}

func errNotSent() error {
	return fault.Reasoned(fault.TryLater, "not_sent", "the payment's time was over before it could be sent: nothing was done, send it again in a moment")
}

func errUnknown() error {
	return fault.Reasoned(fault.Timeout, "unknown_outcome", "the payment may have been made or not: nobody knows yet. Ask again with the same idempotency key, or look the account up")
}

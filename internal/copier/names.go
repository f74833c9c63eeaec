// SPDX-License-Identifier: Apache-2.0

package copier

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// namesMax is how many names go to the vault at a time.
const namesMax = 8192

// opened says that the accounts below a place are in the ledger, with these numbers.
type opened struct {
	upTo uint64
	runs runs
}

// namer puts names into the vault once their accounts are in the ledger: a number that an account did not get would keep the name for
// ever. Beginning anew it puts all again, which changes nothing where they are.
type namer struct {
	vault  Vault
	survey *survey
	in     chan opened
	out    chan uint64 // how many are in the vault; the newest counts
}

func newNamer(v Vault, s *survey) *namer {
	return &namer{vault: v, survey: s, in: make(chan opened, FlightsMax), out: make(chan uint64, 1)}
}

// tell says what was opened.
func (n *namer) tell(ctx context.Context, o opened) error {
	select {
	case n.in <- o:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run puts names until ctx ends.
func (n *namer) run(ctx context.Context) error {
	done := uint64(0)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case o := <-n.in:
			for done < o.upTo {
				end := min(done+namesMax, o.upTo)
				if err := n.put(ctx, done, end, o.runs); err != nil {
					return err
				}
				done = end
			}
			select {
			case <-n.out:
			default:
			}
			n.out <- done
		}
	}
}

func (n *namer) put(ctx context.Context, from, to uint64, r runs) error {
	names := make(map[chain.AccountNo]string, to-from)
	for place := from; place < to; place++ {
		names[r.number(place)] = string(n.survey.names.name(int(place)))
	}
	return n.vault.Put(ctx, names)
}

// all waits until the names of all accounts are in the vault, once all were told of.
func (n *namer) all(ctx context.Context) error {
	for done := uint64(0); done < n.survey.accounts; {
		select {
		case done = <-n.out:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

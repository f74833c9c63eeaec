// SPDX-License-Identifier: Apache-2.0

package copier

import (
	"context"
	"errors"
	"time"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Waits between sessions.
const (
	pauseMin = 20 * time.Millisecond
	pauseMax = 2 * time.Second
)

// again runs sessions until one comes to the end. triesMax in a row without a step are too many.
func (c *copying) again(ctx context.Context) error {
	tries, before := 0, uint64(0)
	for {
		err := c.session(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if done, _ := c.meter.Load().sum(); done != before {
			tries, before = 0, done
		}
		if err := c.mend(ctx, err); err != nil {
			return err
		}
		if tries++; tries == triesMax {
			return &fault.Error{Kind: fault.Unavailable, Reason: ReasonNoProgress, Text: "the copy does not get on: start it again once this is mended", Cause: err}
		}
		c.Log.Info("the copy goes on from the inbox", "error", err)
		if err := pause(ctx, min(pauseMin<<min(tries, 8), pauseMax)); err != nil {
			return err
		}
	}
}

// mend makes another session possible after an error of one, or returns it.
func (c *copying) mend(ctx context.Context, err error) error {
	var refused *refusedError
	if errors.As(err, &refused) {
		return c.renumber(ctx, refused)
	}
	switch fault.KindOf(err) {
	case fault.Unavailable, fault.TryLater, fault.Timeout:
		return nil
	}
	return err
}

// renumber is for an account that V11 had already, or whose number somebody else's got meanwhile.
func (c *copying) renumber(ctx context.Context, r *refusedError) error {
	st, place := c.layout.at(r.change)
	switch {
	case st == stageAccounts && r.outcome == chain.Diverged && !c.saved.Runs.there(place):
		return c.number(ctx, span{First: place})
	case st == stageAccounts && r.outcome == chain.AliasTaken:
		return c.adopt(ctx, place)
	}
	return fault.Reasoned(fault.Refused, ReasonRefused, "V11 refused change %d of the copy (%s %d): %s; docs/outcomes.md says what that means",
		r.change, stageNames[st], place, r.outcome)
}

var stageNames = [stageCount]string{"account", "asset", "balance", "key", "piece of transactions", "piece of rounds", "end"}

// adopt takes an account that V11 had before as V10's, if its institution has it too.
func (c *copying) adopt(ctx context.Context, place uint64) error {
	in, err := c.Client.Inbox(ctx)
	if err != nil {
		return err
	}
	a, err := c.Client.Account(ctx, client.AccountName{AliasTag: c.AliasKey.Tag(string(c.survey.names.name(int(place))))}, 0, false)
	if err != nil {
		return err
	}
	if a.Institution != in.Institution {
		return fault.Reasoned(fault.Conflict, ReasonRefused, "V11's account %d has the name of an account of V10's, and is in the custody of institution %d", a.Number, a.Institution)
	}
	c.saved.Runs = c.saved.Runs.from(span{First: place, Number: a.Number, There: true})
	if place+1 == c.survey.accounts {
		return c.saved.save(c.Dir)
	}
	return c.number(ctx, span{First: place + 1})
}

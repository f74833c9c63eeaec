// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// Bounds of a page of a list.
const (
	listLimitDefault = 50
	listLimitMax     = 1000
)

// listFlags page through a list.
type listFlags struct {
	limit  int
	cursor string
}

func (l *listFlags) add(c *cobra.Command) {
	c.Flags().IntVar(&l.limit, "limit", listLimitDefault, "at most this many items, 1 to 1000")
	c.Flags().StringVar(&l.cursor, "cursor", "", "go on where an earlier list with the same filter ended")
}

func (l *listFlags) check(cmd *cobra.Command) error {
	if l.limit < 1 || l.limit > listLimitMax {
		return usage(cmd, "--limit %d, must be 1 to %d", l.limit, listLimitMax)
	}
	return nil
}

// more says how to go on.
func more(next string, row func(...any)) {
	if next != "" {
		row("more with --cursor " + next)
	}
}

// accountRow is an account in a list, which has no holdings.
type accountRow struct {
	Number      chain.AccountNo `json:"number"`
	Address     string          `json:"address"`
	Institution uint32          `json:"institution"`
	Slot        *uint16         `json:"slot,omitempty"`
}

func newAccountList(a *app) *cobra.Command {
	var l listFlags
	c := &cobra.Command{
		Use:   "list",
		Short: "List accounts, newest first, from the query index",
		Long: `Lists accounts, newest first, from the node's query index, which may be a little behind the chain. INSTITUTION 0 means that the
account's own key signs.`,
		Example: `  aurigraph account list
  aurigraph account list --limit 20 --json`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := l.check(cmd); err != nil {
				return err
			}
			s, err := a.dial(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			page, err := s.ListAccounts(cmd.Context(), 0, l.limit, l.cursor)
			if err != nil {
				return err
			}
			list := make([]accountRow, len(page.Items))
			for i, acc := range page.Items {
				list[i] = accountRow{Number: acc.Number, Address: acc.Address.String(), Institution: uint32(acc.Institution)}
				if acc.Slot != chain.SlotNone {
					list[i].Slot = &acc.Slot
				}
			}
			return a.print(map[string]any{"accounts": list, "next": page.Next, "index_height": page.IndexHeight}, func(row func(...any)) {
				row("ACCOUNT", "ADDRESS", "INSTITUTION")
				for _, j := range list {
					row(j.Number, j.Address, j.Institution)
				}
				more(page.Next, row)
			})
		},
	}
	l.add(c)
	return c
}

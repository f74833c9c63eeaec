// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

func newBlock(a *app) *cobra.Command {
	c := online(a, group("block", "See blocks", newBlockShow(a), newBlockList(a)))
	c.Long = `Shows blocks: what was ordered and executed together, certified by the validators' signatures, which are verified here.`
	c.Example = `  aurigraph block show
  aurigraph block list --limit 10`
	return c
}

type blockJSON struct {
	Height    chain.Height     `json:"height"`
	Hash      string           `json:"hash"`
	Time      time.Time        `json:"time"`
	Previous  string           `json:"previous"`
	RootAt    chain.Height     `json:"root_at"`
	StateRoot string           `json:"state_root,omitempty"`
	Batches   []blockBatchJSON `json:"batches"`
	Verified  bool             `json:"verified"`
}

type blockBatchJSON struct {
	Batch       string `json:"batch"`
	ClientBatch bool   `json:"client_batch"`
	Legs        uint32 `json:"legs"`
	OK          uint32 `json:"ok"`
}

func blockOf(b *client.Block) blockJSON {
	j := blockJSON{Height: b.Height, Hash: b.Hash.String(), Time: time.UnixMicro(int64(b.TimeUs)).UTC(), Batches: []blockBatchJSON{}, Verified: b.Verified}
	if h := b.Header; h != nil {
		j.Previous, j.RootAt = h.Previous.String(), h.RootAt
		if h.RootAt != 0 {
			j.StateRoot = h.StateRoot.String()
		}
	}
	for _, x := range b.Batches {
		j.Batches = append(j.Batches, blockBatchJSON{x.Batch.String(), x.Client, x.Legs, x.LegsOK})
	}
	return j
}

func newBlockShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "show [HEIGHT]",
		Short: "Show a block, the newest without a height",
		Long: `Shows the block of a height, or the newest one: its batches, how many of their transfers were done, and the state root that it
carries. Idle networks make a few empty blocks after each payment, until its state root is certified; then none.`,
		Example: `  aurigraph block show
  aurigraph block show 1 --json`,
		Args: func(cmd *cobra.Command, got []string) error {
			if len(got) == 0 {
				return nil
			}
			return args("[HEIGHT]")(cmd, got)
		},
		RunE: func(cmd *cobra.Command, got []string) error {
			height := uint64(0)
			if len(got) == 1 {
				var err error
				if height, err = strconv.ParseUint(got[0], 10, 64); err != nil || height == 0 {
					return fault.New(fault.Invalid, "%q is no height: heights are numbers from 1", got[0])
				}
			}
			s, err := a.dial(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			b, err := s.Block(cmd.Context(), chain.Height(height))
			if err != nil {
				return err
			}
			j := blockOf(b)
			return a.print(j, func(row func(...any)) {
				row("block", j.Height)
				row("hash", j.Hash)
				row("time", j.Time.Format(time.RFC3339Nano))
				if j.RootAt != 0 {
					row("state root", j.StateRoot, fmt.Sprintf("of height %d", j.RootAt))
				}
				for _, x := range j.Batches {
					row("batch", x.Batch, fmt.Sprintf("%d of %d ok", x.OK, x.Legs))
				}
				row("verified", yesNo(j.Verified))
			})
		},
	}
}

func newBlockList(a *app) *cobra.Command {
	var l listFlags
	c := &cobra.Command{
		Use:   "list",
		Short: "List blocks, newest first, from the query index",
		Long:  `Lists blocks, newest first, from the node's query index, which may be a little behind the chain.`,
		Example: `  aurigraph block list --limit 10
  aurigraph block list --json`,
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
			page, err := s.ListBlocks(cmd.Context(), l.limit, l.cursor)
			if err != nil {
				return err
			}
			list := make([]blockJSON, len(page.Items))
			for i, b := range page.Items {
				list[i] = blockOf(b)
			}
			return a.print(map[string]any{"blocks": list, "next": page.Next, "index_height": page.IndexHeight}, func(row func(...any)) {
				row("HEIGHT", "TIME", "BATCHES", "HASH")
				for _, j := range list {
					row(j.Height, j.Time.Format(time.RFC3339), len(j.Batches), j.Hash)
				}
				more(page.Next, row)
			})
		},
	}
	l.add(c)
	return c
}

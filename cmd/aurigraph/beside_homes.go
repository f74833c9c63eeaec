// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/node"
	"github.com/aurigraph/aurigraph/legacy/ledger"
)

// firstHomes is the version of the home table that a genesis has.
const firstHomes = 1

// homesBytesMax bounds V10's answer about its home table.
const homesBytesMax = 1 << 20

// tellHomes tells V10 the home table that V11's genesis has, unless it knows one: V11 takes no change that does not say under which table
// V10 made it.
func tellHomes(ctx context.Context, n *network.Network) error {
	genesis, err := node.ReadGenesis(n.GenesisPath())
	if err != nil {
		return err
	}
	var known struct{ Homes ledger.Homes }
	if err := askHomes(ctx, n, http.MethodGet, nil, &known); err != nil || known.Homes.Version > 0 {
		return err
	}
	return askHomes(ctx, n, http.MethodPost, homesOf(genesis.V10Slots), &known)
}

// homesOf are V10's slots as moves: all to V11, and these back.
func homesOf(owned []chain.SlotRange) []ledger.Move {
	moves := []ledger.Move{{Version: firstHomes, From: 0, To: chain.SlotsMax - 1, Other: true}} // above these V10 owns what nothing gives away
	for _, s := range owned {
		moves = append(moves, ledger.Move{Version: firstHomes, From: s.From, To: s.To})
	}
	return slices.Clip(moves)
}

func askHomes(ctx context.Context, n *network.Network, method string, moves []ledger.Move, into any) error {
	body, err := json.Marshal(moves)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "encode the home table")
	}
	r, err := http.NewRequestWithContext(ctx, method, n.Sync.ChangesURL()+"/homes", bytes.NewReader(body))
	if err != nil {
		return fault.Wrap(fault.Internal, err, "V10's address")
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "tell V10 the home table")
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, homesBytesMax))
	if err != nil || answer.StatusCode != http.StatusOK {
		return fault.New(fault.Unavailable, "V10 did not take the home table: %s %.200s %v", answer.Status, text, err)
	}
	return fault.Wrap(fault.Corrupt, json.Unmarshal(text, into), "V10's home table")
}

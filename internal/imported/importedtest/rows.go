// SPDX-License-Identifier: Apache-2.0

package importedtest

import (
	"fmt"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/imported"
)

// rowsPerRound is how many rows a round of the suite has, at places with gaps between them.
const rowsPerRound = 7

// crowded is the account that every third row pays.
const crowded chain.AccountNo = 1_000

// mixed spreads numbers, the same way every time.
func mixed(n uint64) uint64 {
	n ^= n >> 31
	n *= 0x9E3779B97F4A7C15
	n ^= n >> 29
	n *= 0xBF58476D1CE4E5B9
	return n ^ n>>32
}

// rowOf is the row of a number.
func rowOf(seq uint64) imported.Row {
	x := mixed(seq)
	r := imported.Row{
		Seq: seq, Ms: 1_700_000_000_000 + seq/rowsPerRound, Round: 1 + seq/rowsPerRound, Place: uint32(seq%rowsPerRound) * 149_000,
		Payer: chain.AccountNo(1 + x%40), Payee: chain.AccountNo(1 + x>>8%40), Asset: chain.AssetNo(1 + x>>16%3), Amount: chain.Amount{Lo: x >> 20},
	}
	switch {
	case x>>40%5 == 0:
		r.Outcome = chain.InsufficientFunds
	case x>>40%31 == 1:
		r.Kind, r.Payer, r.Asset, r.Amount = imported.OpenAccount, 0, 0, chain.Amount{}
	case x>>40%31 == 2:
		r.Kind, r.Payee, r.Amount = imported.CreateAsset, 0, chain.Amount{}
	case x>>40%31 == 3:
		r.Kind, r.Amount.Hi = imported.Issue, x
	case x>>40%31 == 4:
		r.Kind, r.Payee = imported.Redeem, 0
	}
	if r.Payee != 0 && seq%3 == 0 {
		r.Payee = crowded
	}
	return r
}

func rowsFrom(seq uint64, n int) []imported.Row {
	rows := make([]imported.Row, n)
	for i := range rows {
		rows[i] = rowOf(seq + uint64(i))
	}
	return rows
}

func roundOf(number uint64) imported.Round {
	r := imported.Round{Number: number, Ms: 1_700_000_000_000 + number, Leader: fmt.Sprintf("node %d \"ö\"", number%4), Transactions: rowsPerRound}
	for i := range number % 4 {
		r.Votes = append(r.Votes, fmt.Sprintf("voter '%d'", i))
	}
	r.Hash[0], r.Hash[31], r.Previous[0] = byte(number), 0xff, byte(number-1)
	return r
}

func roundsFrom(number uint64, n int) []imported.Round {
	rounds := make([]imported.Round, n)
	for i := range rounds {
		rounds[i] = roundOf(number + uint64(i))
	}
	return rounds
}

// listOf is what a list of a history must have, newest first.
func listOf(rows uint64, account chain.AccountNo, asset chain.AssetNo) (out []imported.Row) {
	for seq := rows; seq > 0; seq-- {
		r := rowOf(seq)
		if (account == 0 || r.Payer == account || r.Payee == account) && (asset == 0 || r.Asset == asset) {
			out = append(out, r)
		}
	}
	return out
}

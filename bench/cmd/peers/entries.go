// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"path/filepath"

	"github.com/aurigraph/aurigraph/bench/aurigraph"
	"github.com/aurigraph/aurigraph/bench/cometbft"
	"github.com/aurigraph/aurigraph/bench/etcd"
	"github.com/aurigraph/aurigraph/bench/peer"
	"github.com/aurigraph/aurigraph/bench/postgres"
	"github.com/aurigraph/aurigraph/bench/report"
)

// entry is a row, and what fills it.
type entry struct {
	row       report.Row
	contender func() peer.Contender
}

// What is on disk where when a transfer is confirmed.
const (
	onMajority = "the entry, flushed by a majority of the members"
	onBlock    = "the block in the write-ahead log of its proposer and the votes in those of a majority, flushed; kvstore's state is made again from the blocks"
	onQuorum   = "the batch, the proposal and the signature over its outcome, flushed by 3 of 4 validators"
	onOurs     = "the batch, the proposal and the signature over its outcome, flushed"
	onOne      = "the write-ahead log of the one server, flushed"
	onStandby  = "the write-ahead log, flushed by the primary and by one of two standbys"
)

// What a transfer is.
const (
	certified = "two balances changed and the payer's checked, by every server, the outcome signed by a quorum and the receipt verified by the client"
	onePut    = "one put of 64 bytes, unchecked"
	oneTx     = "one transaction of 64 bytes, unchecked"
	blindPut  = "64 of the 65,536 bytes of a value that nobody looks at"
	blindTx   = "64 of the 65,536 bytes of a transaction that nobody looks at"
	postedRow = "a row and two balances changed, the payer's checked"
	postedSet = "a row and two balances changed, the balances checked after a call of 8,192"
)

// picked are the rows to measure, in their order.
func picked(o options) ([]entry, error) {
	var picked []entry
	for _, e := range rows(o) {
		if o.only.MatchString(e.row.Peer + ", " + e.row.Variant) {
			picked = append(picked, e)
		}
	}
	if len(picked) == 0 {
		return nil, fmt.Errorf("-only %s matches no row", o.only)
	}
	return picked, nil
}

func rows(o options) []entry {
	var all []entry
	add := func(c func() peer.Contender, r report.Row) { all = append(all, entry{r, c}) }
	majority := func(name, variant string, servers int, durability, transfer string) report.Row {
		return report.Row{Peer: name, Variant: variant, Class: report.ClassMajority, Servers: servers, Durability: durability, Transfer: transfer}
	}
	one := func(name, variant, durability, transfer string) report.Row {
		return report.Row{Peer: name, Variant: variant, Class: report.ClassOne, Servers: 1, Durability: durability, Transfer: transfer}
	}
	opaque := func(r report.Row) report.Row { r.Opaque = true; return r }
	paced := func(r report.Row) report.Row { r.Paced = true; return r }

	four := aurigraph.New(o.ours, 4, "raft")
	add(offered(four, overload), majority(report.Ours, "4 validators, raft", 4, onQuorum, certified))
	add(offered(four, halfLoad), paced(majority(report.Ours, "the same at half of its peak", 4, onQuorum, certified)))
	add(o.etcd(etcd.Default), majority("etcd", "default, single puts", 3, onMajority, onePut))
	add(o.etcd(etcd.Tuned), majority("etcd", "tuned, batched puts", 3, onMajority, onePut))
	add(o.etcd(etcd.Opaque), opaque(majority("etcd", "tuned, opaque batches", 3, onMajority, blindPut)))
	add(o.cometbft(cometbft.Default), majority("CometBFT", "kvstore, default", 4, onBlock, oneTx))
	add(o.cometbft(cometbft.Tuned), majority("CometBFT", "kvstore, tuned", 4, onBlock, oneTx))
	add(o.cometbft(cometbft.Opaque), opaque(majority("CometBFT", "noop, tuned, opaque batches", 4, onBlock, blindTx)))
	ledger := postgres.NewTemplate(o.postgres, o.shared)
	sql := func(v postgres.Variant) func() peer.Contender {
		return func() peer.Contender { return peer.ClosedLoop{Peer: postgres.New(ledger, v)} }
	}
	add(sql(postgres.Synchronous), majority("PostgreSQL", "tuned, 2 standbys, 4 clients", 3, onStandby, postedSet))
	single := aurigraph.New(o.ours, 1, "solo")
	add(offered(single, overload), one(report.Ours, "1 node, solo", onOurs, certified))
	add(offered(single, halfLoad), paced(one(report.Ours, "the same at half of its peak", onOurs, certified)))
	add(sql(postgres.Default), one("PostgreSQL", "default, row by row, 1 client", onOne, postedRow))
	add(sql(postgres.Tuned), one("PostgreSQL", "tuned, by set, 1 client", onOne, postedSet))
	add(sql(postgres.TunedMany), one("PostgreSQL", "tuned, by set, 4 clients", onOne, postedSet))
	return all
}

// Parts of Aurigraph's peak that are offered.
const (
	overload = 1.3
	halfLoad = 0.5
)

func offered(n *aurigraph.Network, part float64) func() peer.Contender {
	return func() peer.Contender { return aurigraph.Offered{Network: n, Part: part} }
}

func (o options) etcd(v etcd.Variant) func() peer.Contender {
	return func() peer.Contender { return peer.ClosedLoop{Peer: etcd.New(o.built("etcd"), v)} }
}

func (o options) cometbft(v cometbft.Variant) func() peer.Contender {
	return func() peer.Contender { return peer.ClosedLoop{Peer: cometbft.New(o.built("cometbft"), v)} }
}

// built is where make bench-peers builds a peer.
func (o options) built(name string) string { return filepath.Join(o.root, "bench", "bin", name) }

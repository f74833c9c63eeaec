// SPDX-License-Identifier: Apache-2.0

// Package network makes and runs networks on one machine: the folder that `aurigraph up` and `aurigraph bench` work in, and
// the node processes in it.
//
//	network.json   what the command line needs: endpoints, accounts, key files, the demo asset
//	genesis.json   what clients pin
//	ca.pem         who vouches for the TLS certificates of all nodes
//	keys/          key files of the accounts, the institutions and the authority, unencrypted: this is a network to try things on
//	node0/ …       a node's folder (package config): its keys, certificates, genesis, settings, and data
//	gateway/       the gateway's folder, in a network of several: certificate, genesis, settings, and the query index
//	run.json       which processes run, while `aurigraph up` runs
//	change.json    which change of the validators was begun and is not finished
//
// A Changer adds, removes and re-keys validators of the running network; a Proposal is such a change on its way between
// operators.
//
// Invariants:
//
//  1. network.json is written last. A folder without it is no network, whatever else a power cut left there.
//  2. Node i is validator i, also of an epoch after the first. One that left keeps its place, without addresses, until a
//     newcomer has its number. Who runs the nodes follows the description.
//  3. What Create returns can start: every address is free, and every node's list of validators is the same. Addresses that
//     were taken meanwhile are replaced in all settings, unless they were asked for.
//  4. Who validates knows nothing of the gateway, and runs without it. It is told of a change when the change is made.
//  5. One authority vouches for all nodes, also for those that join later. A certificate of an API names no validator, and a
//     validator's names no host, so that neither serves as the other.
//  6. A change of the validators can be made again after a crash at any step and is made once: what the ledger did is known by
//     its handovers alone. No node starts under keys that it must not have, or without the address of a member: it is held
//     while its folder is changed, and a newcomer's address is on all lists before the ledger can have admitted it.
//
// Bounds: NodesMax nodes; a node has stopWaitMax to stop before it is killed.
package network

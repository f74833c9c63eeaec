// SPDX-License-Identifier: Apache-2.0

// Package network makes and runs networks on one machine: the folder that `aurigraph up` and `aurigraph bench` work in, and
// the node processes in it.
//
//	network.json   what the command line needs: endpoints, accounts, key files, the demo asset
//	genesis.json   what clients pin
//	ca.pem         who vouches for the TLS certificates of all nodes
//	keys/          key files of the accounts and institutions, unencrypted: this is a network to try things on
//	node0/ …       a node's folder (package config): its keys, certificates, genesis, settings, and data
//	run.json       which processes run, while `aurigraph up` runs
//
// Invariants:
//
//  1. network.json is written last. A folder without it is no network, whatever else a power cut left there.
//  2. Node i is validator i of the genesis. A network keeps its validators: their number is not changed here.
//  3. What Create returns can start: every address is free, and every node's list of validators is the same. Addresses that
//     were taken meanwhile are replaced in all settings, unless they were asked for.
//  4. One authority vouches for all nodes; its key is not kept. A certificate of an API names no validator, and a
//     validator's names no host, so that neither serves as the other.
//
// Bounds: NodesMax nodes; a node has stopWaitMax to stop before it is killed.
package network

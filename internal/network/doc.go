// SPDX-License-Identifier: Apache-2.0

// Package network makes and runs networks on one machine: the folder that `aurigraph up` and `aurigraph bench` work in, and
// the node processes in it.
//
//	network.json   what the command line needs: endpoints, accounts, key files, the demo asset
//	genesis.json   what clients pin
//	ca.pem         who vouches for the nodes' TLS certificates
//	keys/          key files of the accounts and institutions, unencrypted: this is a network to try things on
//	node0/         a node's folder (package config)
package network

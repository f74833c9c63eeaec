// SPDX-License-Identifier: Apache-2.0

package network

// Sync says with which V10 the network is kept in step, and how. Paths are relative to the network's folder. V10 runs beside it, from
// the folder Dir, and owns the accounts: their money comes to V11 by the initial copy.
type Sync struct {
	Ledger   string `json:"ledger"`           // V10's name of itself
	Key      string `json:"key"`              // file of the sync key, which seals what goes over the brokers
	Signer   string `json:"signer"`           // key file of the inbox, delegated by the network's institution
	Store    string `json:"store"`            // what keeps V10: pebble or rocksdb
	Dir      string `json:"dir"`              // V10's folder
	V10      string `json:"v10"`              // host:port of its REST
	Changes  string `json:"changes"`          // host:port of its change log
	Kafka    string `json:"kafka"`            // host:port of the brokers
	Embedded bool   `json:"embedded"`         // the broker is in the process that runs the network
	Copied   uint64 `json:"copied,omitempty"` // sequence of V10 that the initial copy is of; 0: it is not done
}

// SPDX-License-Identifier: Apache-2.0

package syncload

import (
	"io"

	"github.com/aurigraph/aurigraph/client"
)

// Target is a running pair of the bench's own.
type Target struct {
	V10       string   // where V10 serves its clients, host:port
	Changes   string   // URL of V10's change log
	REST      []string // where V11's validators serve V10's dialect, host:port
	Endpoints []string // where they serve gRPC
	CAFile    string
	Trust     *client.Trust
	// Funder is an account that V10 owns and that can fund all others.
	Funder string
	// V10Owns says whether V10 owns a slot.
	V10Owns   func(slot uint16) bool
	Processes []Process
	// Topics are read to see where latency goes; nil: they are not, for that costs processor time.
	Topics *Topics
	// Kafka and Index say what carries and what lists, for the report.
	Kafka, Index string
	Stop         func() error
}

// Process is one of those whose time and memory are measured.
type Process struct {
	Name string
	PID  int
}

// Progress is where a run says what it does: lines, and how far a stage is.
type Progress interface {
	io.Writer
	Show(stage string, done, total int64)
}

// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"fmt"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// silence is where the ordering library's log goes. What it would end the process for breaks an invariant.
type silence struct{}

// Debug says nothing.
func (silence) Debug(...any) {}

// Debugf says nothing.
func (silence) Debugf(string, ...any) {}

// Info says nothing.
func (silence) Info(...any) {}

// Infof says nothing.
func (silence) Infof(string, ...any) {}

// Warning says nothing.
func (silence) Warning(...any) {}

// Warningf says nothing.
func (silence) Warningf(string, ...any) {}

// Error says nothing.
func (silence) Error(...any) {}

// Errorf says nothing.
func (silence) Errorf(string, ...any) {}

// Fatal breaks an invariant.
func (silence) Fatal(v ...any) { fault.Invariant(false, "%s", fmt.Sprint(v...)) }

// Fatalf breaks an invariant.
func (silence) Fatalf(format string, v ...any) { fault.Invariant(false, format, v...) }

// Panic breaks an invariant.
func (silence) Panic(v ...any) { fault.Invariant(false, "%s", fmt.Sprint(v...)) }

// Panicf breaks an invariant.
func (silence) Panicf(format string, v ...any) { fault.Invariant(false, format, v...) }

// SPDX-License-Identifier: Apache-2.0

package raft

import (
	"fmt"
	"log/slog"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// logger passes the library's warnings on. Its information is in Status and the metrics; what it would end the process
// for breaks an invariant, which halts the engine.
type logger struct{ log *slog.Logger }

func (l logger) Debug(...any)          {}
func (l logger) Debugf(string, ...any) {}
func (l logger) Info(...any)           {}
func (l logger) Infof(string, ...any)  {}

func (l logger) Warning(v ...any)                 { l.log.Warn(fmt.Sprint(v...)) }
func (l logger) Warningf(format string, v ...any) { l.log.Warn(fmt.Sprintf(format, v...)) }
func (l logger) Error(v ...any)                   { l.log.Error(fmt.Sprint(v...)) }
func (l logger) Errorf(format string, v ...any)   { l.log.Error(fmt.Sprintf(format, v...)) }
func (l logger) Fatal(v ...any)                   { fault.Invariant(false, "%s", fmt.Sprint(v...)) }
func (l logger) Fatalf(format string, v ...any)   { fault.Invariant(false, format, v...) }
func (l logger) Panic(v ...any)                   { fault.Invariant(false, "%s", fmt.Sprint(v...)) }
func (l logger) Panicf(format string, v ...any)   { fault.Invariant(false, format, v...) }

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/fault"
)

func (a *app) payFile(context.Context, payFlags) error {
	return fault.New(fault.Internal, "payment files are not joined yet")
}

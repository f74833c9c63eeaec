// SPDX-License-Identifier: Apache-2.0

// Package upstream is the validators of a network behind connections that stay open: who is asked, for how long, how often, and when
// nobody is (docs/adr/0023-resilience.md).
//
//	p := upstream.New(upstream.Config{}, upstream.Parts{Credentials: c, Log: log, Metrics: r})
//	err := p.Follow(addresses)
//	call := upstream.Call{Group: upstream.GroupRead, Retry: upstream.RetrySafe, Key: k}
//	err = p.Do(ctx, call, func(ctx context.Context, conn grpc.ClientConnInterface) (err error) {
//		answer, err = ledgerv1.NewLedgerClient(conn).GetAccount(ctx, q)
//		return err
//	})
//	p.Close()
//
// What do is called with belongs to one attempt: it writes its answer anew each time.
//
// Invariants:
//
//  1. What may not be done twice is not sent twice: only Call.Retry allows it, and without a validator's word that it did nothing only
//     RetrySafe.
//  2. A refusal (Refused) says that nothing was sent. A call that was sent ends with the error of its last attempt.
//  3. Retries of a window are at most Budget.Share of its calls, and Budget.Floor.
//  4. At most half of the validators are left out by a group, and somebody is asked as long as one is connected.
//  5. The breaker of a group opens for what fails at those that are not left out. One validator never opens it among several.
//  6. While a breaker is half-open at most ProbesMax attempts are in flight; while a validator is on trial, one.
//  7. What the caller does (leaving, a short deadline) and what a validator answers (refusals) are no faults.
//  8. A validator whose health says that it lets nobody in is not called.
//
// The decisions are in window, budget, breaker, health and group, which have no clock and no lock; lane has the lock, Do and run the
// loop around them.
//
// Bounds: Limits for each group (calls under way, as many that wait, times), AttemptsMax, ConnectionsPerValidator, and windows of
// fixed size. A call of Do ends with its caller's deadline or Limits.Total.
package upstream

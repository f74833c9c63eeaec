// SPDX-License-Identifier: Apache-2.0

// Package e2e holds the tests that run the real program as its users do: built once, started as processes, killed,
// damaged, and asked to prove itself.
package e2e

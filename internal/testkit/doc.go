// SPDX-License-Identifier: Apache-2.0

// Package testkit helps tests: golden files, folders on a real disk, free ports. Only tests import it.
package testkit

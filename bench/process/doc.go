// SPDX-License-Identifier: Apache-2.0

// Package process starts the servers that are measured, stops them by their own pid, and reads what they used from /proc.
//
// What a server uses is the use of its whole tree: PostgreSQL forks a process for each client, and one that has ended is
// counted by the parent that waited for it. So nothing is lost and nothing is counted twice.
package process

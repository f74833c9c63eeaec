// SPDX-License-Identifier: Apache-2.0

// Package disk is the narrow door between our files and the operating system, so that a test can stand in it.
//
// It offers what an append-only store needs and nothing more: open (past the page cache where the file system allows
// it), gather-write at an offset, read at an offset, flush, rename, remove, list, flush a directory. OS is the real one;
// package faultfs implements the same contract in memory and loses power on command.
//
// Invariants every implementation keeps:
//
//  1. After Datasync returned nil, all writes that returned before it was called survive a loss of power.
//  2. Before that, any subset of them may survive, in units of a sector, in any order.
//  3. A name created, renamed or removed is durable only after SyncDir of its folder returned nil.
//  4. A File may be read and written concurrently; the caller keeps Close apart from both.
//
// Alloc gives memory outside Go's heap, aligned to PageBytes as direct I/O demands; Free gives it back at once, so an
// idle process holds none of it.
package disk

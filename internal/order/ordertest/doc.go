// SPDX-License-Identifier: Apache-2.0

// Package ordertest is the conformance suite of ordering engines: what package order promises, as tests that every engine
// must pass on every disk it is used with. Tests only. Run tests one engine; RunCluster tests a network of them, whose
// leader is lost, whose nodes lose their power, and whose frames are lost and late.
//
// Each case runs in a bubble of package testing/synctest, so that time passes as fast as the engine lets it and "the
// engine is idle" can be said exactly. An engine must therefore take its time from package time.
package ordertest

// SPDX-License-Identifier: Apache-2.0

// Package sealing models how the validators agree on the height and the verdict of a seal, when V11 cannot go on.
//
// Four validators, q = 3, one of them a liar: it signs every header and every statement, claims to hold certificates that it does not,
// and reveals any certificate that exists, or none. It cannot forge one. Honest validators execute, certify and publish heights until
// they seal; a coordinator asks, collects three reveals, and proposes a height and a verdict. A second coordinator may
// take the lease at any time, and the coordinator may be the liar's friend and propose whatever it likes.
//
// The package move uses the result: any height from the published one to the tip, and one verdict.
//
// With Config.AtCertificate heights are published as soon as anybody holds their certificate, as after the close of a migration. Then that
// one may be the one who is not asked, so validators reveal what they signed too, and what may have a certificate stands.
//
// Bounds: three honest validators, two heights, two coordinators, Crashes crashes of validators.
package sealing

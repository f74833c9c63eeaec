// SPDX-License-Identifier: Apache-2.0

// Package routertest is what every driver of package router must pass: nginx, the one inside the process, and whichever comes next.
//
//	routertest.Run(t, func(t *testing.T, v10, v11 string) *routertest.Router { … })
//
// The suite puts servers of its own behind the router, which count and compare what reaches them, and speaks to the router over real
// connections that never send anything again.
package routertest

// SPDX-License-Identifier: Apache-2.0

// Package router says where a client's request goes first while slots of accounts move between V10 and V11, and what a proxy must do to be
// told so: one map, one contract, and drivers for nginx (router/nginx) and for a proxy inside the process (router/embedded). Another one,
// for HAProxy or Envoy, has to pass the suite in router/routertest.
//
//	m := router.Map{Version: homes.Version}
//	err := m.V11.Set(chain.SlotRange{From: 0, To: 99})
//	err = router.Apply(ctx, driver, m)       // sets it, reads back what the data path uses, compares
//
//	rule, account := router.Locate(r.Method, r.URL.EscapedPath())
//	if rule.Member != "" { account = rule.AccountIn(body) }
//	way := router.Compile(&m).Way(account)   // side, slot, and why
//
// Routing is an optimisation: both sides send what is not theirs on, once. So a map that is late, or lost, costs time and no money; but
// one request must never be given to both sides.
//
// Invariants:
//
//  1. A map is absolute and has one text: two maps are equal if and only if their texts are. A version names one map for ever.
//  2. A driver's map never goes back: a lower version is refused as ReasonStale, the present version with other contents as ReasonDiffers;
//     the present map set again changes nothing and succeeds.
//  3. Get tells what requests are routed by, not what was sent, and a map that Set took is that of every request that begins afterwards.
//  4. A map that was in force is in force again after a restart. Without one, all goes to V10.
//  5. A request goes to one side: by the cohort of its account, else by its slot; without an account to V10, or to V11 once that owns all
//     slots. What a side does not answer is not asked of the other.
//  6. What never reached a server is told 503 with Retry-After; what did and was not answered, 504: nobody knows yet.
//
// Bounds: CohortsMax named accounts, TextBytesMax of a map's text, VersionMax.
package router

// SPDX-License-Identifier: Apache-2.0

package move

import "github.com/aurigraph/aurigraph/model/check"

// Scenarios lists the searches that are recorded.
func Scenarios() []check.Scenario {
	one, two, credit := []uint8{0}, []uint8{0, 0}, []uint8{0, 1, 0}
	v11First, v11Rest := [2]bool{true, false}, [2]bool{false, true}
	return []check.Scenario{
		scenario("one", "1 payment x 2, 2 moves, crash", check.Test, 64_921, 27, Config{Payers: one, Sends: 2, Moves: 2, Crashes: 1}),
		scenario("seal", "2 payments x 1, 1 move, crash, V11 stops", check.Test, 91_552, 25,
			Config{Payers: two, Sends: 1, Moves: 1, Crashes: 1, Stuck: 1}),
		scenario("two", "2 payments x 2, 1 move, crash", check.Test, 86_052, 25, Config{Payers: two, Sends: 2, Moves: 1, Crashes: 1}),
		scenario("v11-first", "2 payments x 2, 1 move, V11 stops; V11 owns first", check.Short, 25_310, 22,
			Config{Payers: two, Sends: 2, V11Owns: v11First, Moves: 1, Stuck: 1}),
		scenario("credit", "3 payments x 2, the second a credit, 1 move; V11 owns first", check.Short, 12_502, 21,
			Config{Payers: credit, Sends: 2, V11Owns: v11First, Moves: 1}),
		scenario("foreign", "foreign V10: 2 payments x 2, 1 move, crash, timeout", check.Test, 66_234, 26,
			Config{Payers: two, Sends: 2, Moves: 1, Crashes: 1, Timeouts: 1, Foreign: true}),
		scenario("network", "1 payment x 2, 1 move, crash, V11 stops; requests lost, doubled, forwarded", check.Test, 89_159, 24,
			Config{Payers: one, Sends: 2, Moves: 1, Crashes: 1, Stuck: 1, Network: true}),
		scenario("network-credit", "3 payments x 2, the second a credit, 1 move; V11 owns first; requests as above", check.Test, 495_019, 24,
			Config{Payers: credit, Sends: 2, V11Owns: v11First, Moves: 1, Network: true}),
		scenario("reverse", "1 payment x 1, 2 moves, crash, V11 stops; the way back is open", check.Test, 222_882, 35,
			Config{Payers: one, Sends: 1, Moves: 2, Crashes: 1, Stuck: 1, Reverse: true}),
		scenario("both", "2 payments x 1, both slots move, 2 moves, crash", check.Test, 1_551_028, 29,
			Config{Payers: []uint8{0, 1}, Sends: 1, Moves: 2, Both: true, Crashes: 1}),
		scenario("both-seal", "1 payment x 2, both slots move, 2 moves, V11 stops", check.Test, 845_034, 26,
			Config{Payers: one, Sends: 2, Moves: 2, Both: true, Stuck: 1}),
		scenario("two-seal", "2 payments x 2, 1 move, crash, V11 stops", check.Test, 1_321_951, 29,
			Config{Payers: two, Sends: 2, Moves: 1, Crashes: 1, Stuck: 1}),
		scenario("two-two", "2 payments x 2, 2 moves, crash", check.Test, 2_827_243, 33, Config{Payers: two, Sends: 2, Moves: 2, Crashes: 1}),
		scenario("foreign-two", "foreign V10: 2 payments x 1, 2 moves, crash, timeout, V11 stops", check.Test, 2_525_908, 34,
			Config{Payers: two, Sends: 1, Moves: 2, Crashes: 1, Timeouts: 1, Stuck: 1, Foreign: true}),
		scenario("close", "2 payments x 2, 1 move, crash, the close; a native payment", check.Test, 155_436, 33,
			Config{Payers: two, Sends: 2, V11Owns: v11Rest, Moves: 1, Crashes: 1, Close: true, Natives: 1}),
		scenario("close-seal", "1 payment x 1, 2 moves, crash, V11 stops, the close; a native payment", check.Test, 284_482, 41,
			Config{Payers: one, Sends: 1, V11Owns: v11Rest, Moves: 2, Crashes: 1, Stuck: 1, Close: true, Natives: 1}),
		scenario("close-both", "1 payment x 1, both slots move, 2 moves, V11 stops, the close", check.Test, 189_633, 30,
			Config{Payers: one, Sends: 1, Moves: 2, Both: true, Stuck: 1, Close: true}),
		scenario("close-network", "1 payment x 2, 1 move, crash, the close; requests lost, doubled, forwarded", check.Test, 17_122, 28,
			Config{Payers: one, Sends: 2, V11Owns: v11Rest, Moves: 1, Crashes: 1, Network: true, Close: true, Natives: 1}),
		scenario("reverse-two", "2 payments x 1, 2 moves, crash, V11 stops; the way back is open", check.Long, 2_767_108, 39,
			Config{Payers: two, Sends: 1, Moves: 2, Crashes: 1, Stuck: 1, Reverse: true}),
		scenario("credit-v10", "3 payments x 2, the second a credit, 1 move, crash", check.Long, 5_263_442, 31,
			Config{Payers: credit, Sends: 2, Moves: 1, Crashes: 1}),
		scenario("crashes", "1 payment x 2, 2 moves, 2 crashes, V11 stops twice", check.Long, 21_410_846, 40,
			Config{Payers: one, Sends: 2, Moves: 2, Crashes: 2, Stuck: 2}),
		scenario("three-moves", "1 payment x 2, 3 moves, crash, V11 stops", check.Long, 14_532_782, 39,
			Config{Payers: one, Sends: 2, Moves: 3, Crashes: 1, Stuck: 1}),
		scenario("both-long", "2 payments x 1, both slots move, 2 moves, crash, V11 stops", check.Long, 18_186_632, 33,
			Config{Payers: []uint8{0, 1}, Sends: 1, Moves: 2, Both: true, Crashes: 1, Stuck: 1}),
	}
}

// scenario names a search. Both accounts begin with one unit, so that a second payment is refused unless a credit came between, and at
// most two heights are executed and not yet certified.
func scenario(name, what string, tier check.Tier, states int64, depth int, c Config) check.Scenario {
	c.Balance, c.Depth = [2]uint8{1, 1}, 2
	return check.Scenario{
		Name: name, What: what, Tier: tier, States: states, Depth: depth, Rules: check.Strings(Rules()),
		Run: func(without []string, o check.Options) (check.Report, error) {
			rules, err := check.Names(Rules(), without)
			if err != nil {
				return check.Report{}, err
			}
			own := c
			own.Without = rules
			spec, err := Spec(own)
			if err != nil {
				return check.Report{}, err
			}
			return check.Run(spec, o)
		},
	}
}

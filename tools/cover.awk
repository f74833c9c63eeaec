# SPDX-License-Identifier: Apache-2.0
#
# Reads the output of "go test -cover ./internal/..." and prints coverage by package; exits 1 if one is below its floor.
# Packages that only tests import (a folder named *test, testkit) have no floor.

BEGIN {
	split(pure, names, " ")
	for (i in names) is_pure[names[i]] = 1
}

{
	if ($1 !~ /^(ok|\?)$/ && $0 !~ /^\tgithub/) next
	name = ""
	for (i = 1; i <= NF; i++) if ($i ~ /\/internal\//) { name = $i; sub(/.*\/internal\//, "", name) }
	if (name == "") next
	split(name, parts, "/")
	if (name ~ /test(\/|$)/ || parts[1] == "testkit" || parts[1] == "lint") next
	covered = -1
	for (i = 1; i < NF; i++) if ($i == "coverage:") covered = $(i + 1) + 0
	if ($0 ~ /coverage: \[no statements\]/) next
	# A contract is types alone: there is nothing to cover, and go test does not say so where there is no test file.
	if (covered < 0 && system("grep -qs '^func ' internal/" name "/*.go") != 0) next
	want = (parts[1] in is_pure) ? pure_floor : floor
	verdict = ""
	if (covered < want) { verdict = "  below " want; failed = 1 }
	printf "%-36s %6s %%%s\n", name, covered < 0 ? "none" : sprintf("%.1f", covered), verdict
}

END { exit failed }

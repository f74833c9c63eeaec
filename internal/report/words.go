// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/aurigraph/aurigraph/internal/migration"
)

// Words say what an entry of the journal means, in a line, with its reason.
func Words(e *migration.Entry) string {
	if e.Why == "" {
		return what(e)
	}
	return what(e) + ": " + e.Why
}

// what is that without the reason.
func what(e *migration.Entry) string {
	switch e.Kind {
	case migration.KindPlan:
		return "wrote a plan"
	case migration.KindStart:
		return "started"
	case migration.KindPause:
		return "paused"
	case migration.KindResume:
		return "resumed"
	case migration.KindApprove:
		return "approved the " + e.For
	case migration.KindPromote:
		return "promotes the step"
	case migration.KindRollback:
		return "rolls back to " + percent(e.ToBP)
	case migration.KindFailback:
		if e.By == migration.Controller {
			return "goes back by itself, and has V11 sealed"
		}
		return "goes back to V10 by a seal" + without(e)
	case migration.KindRehearse:
		if e.Alarm {
			return "wants a drill that an alarm begins"
		}
		return "wants a drill"
	case migration.KindCutover:
		return "wants the cutover"
	case migration.KindCheck:
		return "wants a comparison"
	case migration.KindClose:
		return "wants the close"
	case migration.KindStop:
		return "says that V10 may stop"
	case migration.KindCleaned:
		return "removed what only V10 needed, " + count(int(e.Bytes), "byte")
	}
	return whatWasDone(e)
}

// whatWasDone are the words for entries of the controller's.
func whatWasDone(e *migration.Entry) string {
	switch e.Kind {
	case migration.KindPhase:
		return "the phase " + string(e.Phase) + " began"
	case migration.KindStep:
		return fmt.Sprintf("step %d of the canary: %s", e.Step+1, percent(e.ToBP))
	case migration.KindSlice:
		return "the next slice: " + percent(e.ToBP)
	case migration.KindReverse:
		return "goes back by itself to " + percent(e.ToBP)
	case migration.KindMoved:
		if e.Ms > 0 {
			return fmt.Sprintf("V11 has %s now, in %s", percent(e.ToBP), Length(e.Ms))
		}
		return fmt.Sprintf("V11 has %s now", percent(e.ToBP))
	case migration.KindKnown:
		return "notes what is known of validators"
	case migration.KindSealed:
		return strings.TrimSuffix("V11 is sealed, and all slots are V10's: "+e.Report, ": ")
	case migration.KindRaised:
		return "the alarm of a drill is raised at " + e.Report
	case migration.KindDrilled:
		if e.Alarm {
			return fmt.Sprintf("a drill with %s: back %s after the alarm, forward in %s", count(e.Slots, "slot"), Length(e.ReverseMs), Length(e.ForwardMs))
		}
		return fmt.Sprintf("a drill with %s: back in %s, forward in %s", count(e.Slots, "slot"), Length(e.ReverseMs), Length(e.ForwardMs))
	case migration.KindVerified:
		return fmt.Sprintf("compared %s rows, %s differences (report %s)", thousands(e.Rows), thousands(e.Differences), e.Report)
	case migration.KindArchived:
		return "archived V10: " + e.Report
	case migration.KindClosed:
		return "the way back has ended"
	case migration.KindNoticed:
		if e.OK {
			return e.For + " has notice"
		}
		return e.For + " has no notice, it was refused"
	case migration.KindOff:
		return "V10 is switched off"
	case migration.KindFailed:
		return string(e.Action) + " did not work"
	}
	return string(e.Kind)
}

// without names who a seal leaves out.
func without(e *migration.Entry) string {
	if len(e.Without) == 0 {
		return ""
	}
	return " without " + strings.Join(e.Without, ", ")
}

// percent writes basis points for people.
func percent(bp int) string { return strconv.FormatFloat(float64(bp)/100, 'f', -1, 64) + " %" }

// times counts how often something was.
func times(n int) string {
	switch n {
	case 0:
		return "never"
	case 1:
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// count writes how many of something there are.
func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return thousands(uint64(n)) + " " + what
}

// thousands writes a number with commas.
func thousands(n uint64) string { return commas(strconv.FormatUint(n, 10)) }

// commas puts them into digits.
func commas(digits string) string {
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// Length writes milliseconds for people.
func Length(ms float64) string {
	const second, minute, hour, day = 1000, 60_000, 3_600_000, 86_400_000
	switch {
	case math.IsNaN(ms) || ms < 0 || ms > math.MaxInt64:
		return "not known"
	case ms < 9.95:
		return short(ms, "ms")
	case ms < 999.5:
		return fmt.Sprintf("%.0f ms", ms)
	case ms < 59.95*second:
		return short(ms/second, "s")
	case ms < 59.99*minute:
		return parts(ms, minute, second, "min", "s")
	case ms < 23.99*hour:
		return parts(ms, hour, minute, "h", "min")
	}
	return parts(ms, day, hour, "d", "h")
}

// short writes a digit behind the point, unless it is 0.
func short(v float64, unit string) string {
	return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0") + " " + unit
}

// parts writes a time in two units, or in the bigger one if that is all of it.
func parts(ms, big, small float64, of, in string) string {
	ms = math.Round(ms/small) * small
	whole := math.Floor(ms / big)
	if rest := (ms - whole*big) / small; rest > 0 {
		return fmt.Sprintf("%.0f %s %.0f %s", whole, of, rest, in)
	}
	return fmt.Sprintf("%.0f %s", whole, of)
}

// utc writes a time of a journal.
func utc(ms uint64) string {
	if ms > 1<<53 {
		return "not known"
	}
	return time.UnixMilli(int64(ms)).UTC().Format(time.DateTime)
}

// number writes a measurement with as many digits as say something.
func number(v float64) string {
	switch a := math.Abs(v); {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "not known"
	case a < 1e15 && v == math.Trunc(v):
		sign := ""
		if v < 0 {
			sign = "-"
		}
		return sign + commas(strconv.FormatFloat(a, 'f', 0, 64))
	case a >= 1e6 || a < 1e-4:
		return strconv.FormatFloat(v, 'g', 4, 64)
	case a >= 1000:
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// textRunesMax bounds what others wrote, where it stands in a line.
const textRunesMax = 2000

// line makes a line of what others wrote: no control characters, none that turn the direction, and not too long.
func line(s string) string {
	n := 0
	s = strings.Map(func(r rune) rune {
		if n++; n > textRunesMax {
			return -1
		}
		if unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp) {
			return ' '
		}
		return visible(r)
	}, s)
	if n > textRunesMax {
		s += "…"
	}
	return strings.TrimSpace(s)
}

// lines cleans a text of several lines.
func lines(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && unicode.IsControl(r) {
			return -1
		}
		return visible(r)
	}, s)
}

// visible keeps a character, or lets it go if it only changes how others are shown.
func visible(r rune) rune {
	if unicode.Is(unicode.Bidi_Control, r) || r == '\ufeff' {
		return -1
	}
	return r
}

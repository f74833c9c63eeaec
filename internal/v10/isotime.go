// SPDX-License-Identifier: Apache-2.0

package v10

import (
	"strconv"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// TimeMsMax is the last millisecond of the year 9999: later times have no ISO form of fixed width.
const TimeMsMax = 253_402_300_799_999

const (
	msPerDay   = 86_400_000
	daysPerEra = 146_097 // 400 years
	daysToZero = 719_468 // from 0000-03-01 to 1970-01-01
)

// AppendTime appends ms since 1970 as V10 writes times: 2025-09-03T10:20:30.456Z. Above TimeMsMax it is that.
func AppendTime(dst []byte, ms uint64) []byte {
	ms = min(ms, TimeMsMax)
	year, month, day := civil(ms / msPerDay)
	of := ms % msPerDay
	dst = appendPadded(dst, year, 4)
	dst = appendPadded(append(dst, '-'), month, 2)
	dst = appendPadded(append(dst, '-'), day, 2)
	dst = appendPadded(append(dst, 'T'), of/3_600_000, 2)
	dst = appendPadded(append(dst, ':'), of/60_000%60, 2)
	dst = appendPadded(append(dst, ':'), of/1000%60, 2)
	dst = appendPadded(append(dst, '.'), of%1000, 3)
	return append(dst, 'Z')
}

func appendPadded(dst []byte, n uint64, width int) []byte {
	for range width {
		dst = append(dst, '0')
	}
	for i := len(dst) - 1; n > 0; i-- {
		dst[i] = byte('0' + n%10)
		n /= 10
	}
	return dst
}

// civil is the date of a day since 1970, in the proleptic Gregorian calendar. Years are counted from March, so that a leap
// day is the last of its year.
func civil(days uint64) (year, month, day uint64) {
	z := days + daysToZero
	era, doe := z/daysPerEra, z%daysPerEra
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	day = doy - (153*mp+2)/5 + 1
	year, month = yoe+era*400, mp+3
	if month > 12 {
		return year + 1, month - 12, day
	}
	return year, month, day
}

// days is the inverse of civil.
func days(year, month, day uint64) uint64 {
	if month <= 2 {
		year, month = year-1, month+12
	}
	era, yoe := year/400, year%400
	doy := (153*(month-3)+2)/5 + day - 1
	return era*daysPerEra + yoe*365 + yoe/4 - yoe/100 + doy - daysToZero
}

// Time is a point in time, in ms since 1970, that JSON has as ISO-8601 with milliseconds and Z.
type Time uint64

// String writes t as V10 does.
func (t Time) String() string { return string(AppendTime(nil, uint64(t))) }

// MarshalJSON writes t in quotes.
func (t Time) MarshalJSON() ([]byte, error) {
	return append(AppendTime([]byte{'"'}, uint64(t)), '"'), nil
}

// ParseTime reads a time of a query: ISO-8601 in UTC (2025-09-03, or with T10:20:30, fractions and Z), or ms since 1970.
// Invalid: neither, before 1970, or after the year 9999. Fractions below a millisecond are cut off.
func ParseTime(s string) (Time, error) {
	if s != "" && len(s) <= 15 && allDigits(s) {
		if ms, err := strconv.ParseUint(s, 10, 64); err == nil && ms <= TimeMsMax {
			return Time(ms), nil
		}
	}
	if ms, ok := parseISO(s); ok {
		return Time(ms), nil
	}
	return 0, fault.Reasoned(fault.Invalid, "time_malformed", "a time is written 2025-09-03T10:20:30.456Z, or as milliseconds since 1970")
}

func parseISO(s string) (uint64, bool) {
	year, ok1 := field(s, 0, 4, '-')
	month, ok2 := field(s, 5, 2, '-')
	day, ok3 := field(s, 8, 2, 0)
	if !ok1 || !ok2 || !ok3 || year < 1970 || month < 1 || month > 12 || day < 1 {
		return 0, false
	}
	d := days(year, month, day)
	if y, m, dd := civil(d); y != year || m != month || dd != day {
		return 0, false
	}
	if len(s) == 10 {
		return d * msPerDay, true
	}
	of, ok := parseClock(s[10:])
	return d*msPerDay + of, ok
}

// parseClock reads Thh:mm:ss, fractions and Z, as ms of the day.
func parseClock(s string) (uint64, bool) {
	if s[0] != 'T' && s[0] != 't' && s[0] != ' ' {
		return 0, false
	}
	hour, ok1 := field(s, 1, 2, ':')
	minute, ok2 := field(s, 4, 2, ':')
	second, ok3 := field(s, 7, 2, 0)
	if !ok1 || !ok2 || !ok3 || hour > 23 || minute > 59 || second > 59 {
		return 0, false
	}
	ms, rest := uint64(0), s[9:]
	if len(rest) > 1 && rest[0] == '.' {
		digits := 0
		for rest = rest[1:]; rest != "" && '0' <= rest[0] && rest[0] <= '9' && digits < 9; rest = rest[1:] {
			if digits++; digits <= 3 {
				ms = ms*10 + uint64(rest[0]-'0')
			}
		}
		if digits == 0 {
			return 0, false
		}
		for ; digits < 3; digits++ {
			ms *= 10
		}
	}
	return hour*3_600_000 + minute*60_000 + second*1000 + ms, rest == "Z" || rest == "z" || rest == "+00:00"
}

// field reads width digits at an offset, followed by a mark unless that is 0.
func field(s string, at, width int, mark byte) (uint64, bool) {
	end := at + width
	if len(s) < end || !allDigits(s[at:end]) || (mark != 0 && (len(s) == end || s[end] != mark)) {
		return 0, false
	}
	n, err := strconv.ParseUint(s[at:end], 10, 64)
	return n, err == nil
}

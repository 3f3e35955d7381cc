package event

import (
	"errors"
	"time"
)

// Time is the value if it is a string that holds an RFC 3339 time.
func (v Value) Time() (time.Time, bool) {
	var t time.Time
	err := readTime(&t, v, "", "")
	return t, err == nil && v.Kind() == String
}

// readTime reads an RFC 3339 time.
func readTime(to *time.Time, v Value, prefix, name string) *FieldError {
	if v.Kind() != String {
		*to = time.Time{}
		return object(prefix+name, v)
	}
	text := v.Text()
	if t, ok := parseUTC(text); ok {
		*to = t
		return nil
	}
	t, err := parseTime(text)
	if err != nil {
		refused := misfit(prefix+name, v)
		refused.Reason += ": " + Printable(err.Error())
		return refused
	}
	*to = t
	return nil
}

// parseUTC reads the usual form, 2026-11-22T09:42:11.123456Z with any number of decimals up to
// nine, or none. It leaves all else, and what no calendar has, to parseTime.
func parseUTC(s string) (time.Time, bool) {
	const form = "2006-01-02T15:04:05Z"
	last := len(s) - 1
	if last < len(form)-1 || last > len(form)+9 || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' || s[last] != 'Z' {
		return time.Time{}, false
	}
	bad := false
	two := func(i int) int {
		tens, units := s[i]-'0', s[i+1]-'0'
		bad = bad || tens > 9 || units > 9
		return int(tens)*10 + int(units)
	}
	year, month, day := two(0)*100+two(2), two(5), two(8)
	hour, minute, second := two(11), two(14), two(17)
	nanos, unit := 0, int(time.Second)
	if fraction := s[len(form)-1 : last]; fraction != "" {
		if fraction[0] != '.' || len(fraction) == 1 {
			return time.Time{}, false
		}
		for i := 1; i < len(fraction); i++ {
			digit := fraction[i] - '0'
			bad = bad || digit > 9
			unit /= 10
			nanos += int(digit) * unit
		}
	}
	if bad || month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59 {
		return time.Time{}, false
	}
	seconds := ((days(year, month, day)*24+hour)*60+minute)*60 + second
	t := time.Unix(int64(seconds), int64(nanos)).UTC()
	if day > 28 && t.Day() != day {
		return time.Time{}, false
	}
	return t, true
}

// days counts the days from 1970 to one of the Gregorian calendar, from the year 0 on. A year
// that begins in March has its odd day at the end, and five months from there have 153 days.
func days(year, month, day int) int {
	const to1970 = 719468 + 146097
	year += 400 // of 146097 days: none is below 0
	if month < 3 {
		year, month = year-1, month+12
	}
	return year*365 + year/4 - year/100 + year/400 + (153*(month-3)+2)/5 + day - 1 - to1970
}

// parseTime reads any RFC 3339 time. The time package takes more: an hour of one digit, a
// comma before the decimals, zones beyond a day.
func parseTime(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}, err
	}
	refused := &time.ParseError{Layout: time.RFC3339, Value: s}
	switch {
	case s[len("2006-01-02T")+1] == ':':
		refused.LayoutElem, refused.ValueElem = "15", s[len("2006-01-02T"):][:1]
		return time.Time{}, refused
	case s[len("2006-01-02T15:04:05")] == ',':
		refused.LayoutElem, refused.ValueElem = ".", ","
		return time.Time{}, refused
	case s[len(s)-1] == 'Z':
		return t, nil
	}
	refused.LayoutElem, refused.ValueElem = "Z07:00", s[len(s)-len("Z07:00"):]
	switch {
	case twoDigits(s[len(s)-len("07:00"):]) >= 24:
		refused.Message = ": timezone hour out of range"
	case twoDigits(s[len(s)-len("00"):]) >= 60:
		refused.Message = ": timezone minute out of range"
	default:
		return t, nil
	}
	return time.Time{}, refused
}

func twoDigits(s string) int { return int(s[0]-'0')*10 + int(s[1]-'0') }

// appendTime appends a time in RFC 3339 with as many decimals as it has.
func appendTime(dst []byte, t time.Time) ([]byte, error) {
	if t.Location() == time.UTC && 0 <= t.Year() && t.Year() <= 9999 {
		return appendUTC(dst, t), nil
	}
	begin := len(dst)
	dst = t.AppendFormat(dst, time.RFC3339Nano)
	text := dst[begin:]
	if text[len("9999")] != '-' {
		return dst[:begin], errors.New("year outside of range [0,9999]")
	}
	if text[len(text)-1] != 'Z' {
		zone := string(text[len(text)-len("Z07:00"):])
		if '0' <= zone[0] && zone[0] <= '9' || twoDigits(zone[1:]) >= 24 {
			return dst[:begin], errors.New("timezone hour outside of range [0,23]")
		}
	}
	return dst, nil
}

// appendUTC appends the usual form: what parseUTC reads.
func appendUTC(dst []byte, t time.Time) []byte {
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	dst = appendTwo(appendTwo(dst, year/100), year%100)
	dst = appendTwo(append(dst, '-'), int(month))
	dst = appendTwo(append(dst, '-'), day)
	dst = appendTwo(append(dst, 'T'), hour)
	dst = appendTwo(append(dst, ':'), minute)
	dst = appendTwo(append(dst, ':'), second)
	if nanos := t.Nanosecond(); nanos > 0 {
		dst = append(dst, '.')
		for unit := int(time.Second) / 10; nanos > 0; unit /= 10 {
			dst = append(dst, byte('0'+nanos/unit))
			nanos %= unit
		}
	}
	return append(dst, 'Z')
}

func appendTwo(dst []byte, n int) []byte { return append(dst, byte('0'+n/10), byte('0'+n%10)) }

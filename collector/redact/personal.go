package redact

import (
	"net/netip"
	"regexp"
	"strings"
)

// personal is a class of personal data: what has the form of it, and is it by a check.
type personal struct {
	kind string
	form *regexp.Regexp
	is   func(string) bool
}

// shortestCard is the fewest digits of a number that could be a card's.
const shortestCard = 13

// personalClasses is a table, never written to.
var personalClasses = []personal{
	{"email", regexp.MustCompile(`[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){1,8}`), func(string) bool { return true }},
	{"phone", regexp.MustCompile(`\+[1-9][0-9]{0,2}[ ./-]?(\(0?[0-9]{1,4}\)[ ./-]?)?[0-9]([ ./-]?[0-9]){5,12}`), isPhone},
	{"iban", regexp.MustCompile(`\b[A-Z]{2}[0-9]{2}( ?[A-Z0-9]{4}){2,7}( ?[A-Z0-9]{1,3})?\b`), isIBAN},
	{"card", regexp.MustCompile(`\b[2-6][0-9]{3}([ -]?[0-9]{2,6}){2,4}\b`), isCard},
	{"ip", regexp.MustCompile(`\b[0-9]{1,3}(\.[0-9]{1,3}){3}\b|\b[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]{1,39}(\.[0-9.]{1,11})?`), isIP},
}

func classNames() string {
	names := make([]string, len(personalClasses))
	for i, c := range personalClasses {
		names[i] = c.kind
	}
	return strings.Join(names, ", ")
}

func (c *personal) find(s string) []span {
	var found []span
	for _, at := range c.form.FindAllStringIndex(s, -1) {
		if c.is(s[at[0]:at[1]]) {
			found = append(found, span{at[0], at[1], c.kind})
		}
	}
	return found
}

func digitsOf(s string) string {
	return strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' {
			return r
		}
		return -1
	}, s)
}

// isPhone takes numbers in international form (E.164: at most 15 digits).
func isPhone(s string) bool {
	n := len(digitsOf(s))
	return 8 <= n && n <= 15
}

// isIBAN is the check of ISO 13616: the number with its first four characters moved to its end,
// letters written as 10 to 35, is 1 modulo 97.
func isIBAN(s string) bool {
	s = strings.ReplaceAll(s, " ", "")
	if len(s) < 15 || len(s) > 34 {
		return false
	}
	rest := 0
	for _, c := range []byte(s[4:] + s[:4]) {
		if c >= 'A' {
			rest = (rest*100 + int(c-'A') + 10) % 97
		} else {
			rest = (rest*10 + int(c-'0')) % 97
		}
	}
	return rest == 1
}

// isCard is Luhn's check (ISO/IEC 7812-1).
func isCard(s string) bool {
	digits := digitsOf(s)
	if len(digits) < shortestCard || len(digits) > 19 {
		return false
	}
	sum := 0
	for i := range len(digits) {
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

func isIP(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil && s != "::"
}

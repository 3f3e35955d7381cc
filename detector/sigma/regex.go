package sigma

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp/syntax"
	"strings"

	regular "github.com/mcpwatch/mcpwatch/detector/pattern"
)

// checkRegex says what of a pattern RE2 has not, or that it is over the bounds of ours. Sigma's patterns are of
// PCRE's syntax.
func checkRegex(text string) error {
	_, err := syntax.Parse(text, syntax.Perl)
	if err == nil {
		if err := regular.Bounded(text); err != nil {
			return fmt.Errorf("the pattern %w", err)
		}
		return nil
	}
	problem, ok := errors.AsType[*syntax.Error](err)
	if !ok {
		return err
	}
	for _, construct := range [...]struct{ begin, name string }{
		{`(?=`, "a look-ahead"},
		{`(?!`, "a look-ahead"},
		{`(?<=`, "a look-behind"},
		{`(?<!`, "a look-behind"},
		{`(?>`, "an atomic group"},
		{`(?|`, "a branch reset"},
		{`(?#`, "a comment"},
		{`(?(`, "a conditional"},
		{`(?R`, "a recursion"},
		{`(?P=`, "a back-reference"},
		{`(?P>`, "a recursion"},
	} {
		// The parser names a group up to its end, or the rest of the pattern.
		if problem.Code == syntax.ErrInvalidPerlOp || problem.Code == syntax.ErrInvalidNamedCapture || problem.Code == syntax.ErrMissingParen {
			if strings.HasPrefix(problem.Expr, construct.begin) || strings.Contains(text, construct.begin) {
				return fmt.Errorf("the pattern has %s, %q, which RE2 has not", construct.name, construct.begin)
			}
		}
	}
	switch problem.Code {
	case syntax.ErrInvalidEscape:
		what := "an escape"
		if len(problem.Expr) == 2 && '1' <= problem.Expr[1] && problem.Expr[1] <= '9' {
			what = "a back-reference"
		}
		return fmt.Errorf("the pattern has %s, %q, which RE2 has not", what, problem.Expr)
	case syntax.ErrInvalidRepeatOp:
		return fmt.Errorf("the pattern has a possessive or doubled repeat, %q, which RE2 has not", problem.Expr)
	default:
	}
	return fmt.Errorf("the pattern is not one of RE2: %s: %q", problem.Code, problem.Expr)
}

// addressRegex is a regular expression for the texts of the addresses in an IPv4 network.
func addressRegex(cidr string) (string, error) {
	network, err := netip.ParsePrefix(cidr)
	if err != nil {
		if address, alone := netip.ParseAddr(cidr); alone == nil {
			network = netip.PrefixFrom(address, address.BitLen())
		} else {
			return "", fmt.Errorf("%q is not a network", cidr)
		}
	}
	if !network.Addr().Is4() {
		return "", errors.New("an IPv6 address has several texts: name it by contains, or write the rule by hand")
	}
	octets, bits := network.Masked().Addr().As4(), network.Bits()
	const octet = `[0-9]{1,3}`
	parts := make([]string, 4)
	for i := range parts {
		switch free := 8 - max(0, min(8, bits-8*i)); free {
		case 0:
			parts[i] = fmt.Sprint(octets[i])
		case 8:
			parts[i] = octet
		default:
			var values []string
			for v := int(octets[i]); v < int(octets[i])+1<<free; v++ {
				values = append(values, fmt.Sprint(v))
			}
			parts[i] = "(?:" + strings.Join(values, "|") + ")"
		}
	}
	return "^" + strings.Join(parts, `\.`) + "$", nil
}

//go:build darwin || linux

package clickhouse

import (
	"fmt"
	"strings"
)

// The analyst's statements pass four gates, because each one alone has holes:
//
//  1. the engine's classifier: one statement, and one that only reads. It stops writing, SET, KILL, USE and INTO
//     OUTFILE, which readonly does not all stop, but calls file() and url() reads.
//  2. the role: no SOURCES, SELECT on one database. It stops every table function that leaves the engine, but the
//     scalar function file() asks for no grant.
//  3. the names below, in the engine's own rendering of the statement. The syntax tree would not do: it hides
//     APPLY(file), and shows arrayMap(file, …) as a column.
//  4. readonly=1 as the session's last setting, so the statement's own SETTINGS clause can't undo a limit or name a
//     file; and below all of it, on Linux, the kernel's sandbox.
func guardAnalyst(s *session, sql string) error {
	a, err := s.classify(sql)
	if err != nil {
		return err
	}
	// The rendering has no comments, one form of string and one form of quoted name, whatever the original looked
	// like: the scan below can't disagree with the parser about where a string ends. It comes first for its error:
	// what doesn't parse has no class either, nor has a statement the classifier doesn't know.
	text, err := s.query("SELECT formatQuery("+quote(sql)+")", "RawBLOB")
	switch {
	case a.Class == classUnknown && err != nil:
		return err
	case a.Statements > 1:
		return &engineError{Code: codeSyntax, Message: "DB::Exception: one statement at a time, please. (SYNTAX_ERROR)"}
	case a.Class != classRead || a.Statements != 1:
		return &engineError{Code: codeReadOnly, Message: "DB::Exception: the analyst only reads. (READONLY)"}
	case err != nil:
		return err
	}
	if name, found := forbiddenName(string(text)); found {
		return &engineError{Code: codeDenied, Message: fmt.Sprintf(
			"DB::Exception: the name %s can't be used here, not even for a column, because it reaches outside the database. (ACCESS_DENIED)", name)}
	}
	return nil
}

// forbiddenName finds, outside of strings, a name that reads files (file, catboostEvaluate), builds a statement from
// a string (eval) or takes a name from a parameter (Identifier), which would get any of them past this scan.
func forbiddenName(text string) (string, bool) {
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == '\'':
			i = closing(text, i)
		case c == '`' || c == '"':
			end := closing(text, i)
			if name := text[i+1 : max(i+1, end-1)]; forbidden(name) || strings.Contains(name, `\`) {
				return name, true
			}
			i = end
		case wordByte(c):
			start := i
			for i < len(text) && wordByte(text[i]) {
				i++
			}
			if forbidden(text[start:i]) {
				return text[start:i], true
			}
		default:
			i++
		}
	}
	return "", false
}

func forbidden(name string) bool {
	switch strings.ToLower(name) {
	case "file", "eval", "catboostevaluate", "identifier":
		return true
	}
	return false
}

// closing returns the index after the quote that closes the one at i, honouring backslashes and doubled quotes.
func closing(text string, i int) int {
	q := text[i]
	for i++; i < len(text); i++ {
		switch {
		case text[i] == '\\':
			i++
		case text[i] == q && i+1 < len(text) && text[i+1] == q:
			i++
		case text[i] == q:
			return i + 1
		}
	}
	return len(text)
}

func wordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// quote renders text as a string literal.
func quote(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "'"
}

// keyword returns the first word of a statement in upper case, past comments and opening brackets.
func keyword(sql string) string {
	for {
		sql = strings.TrimLeft(sql, " \t\r\n\f\v(;")
		switch {
		case strings.HasPrefix(sql, "--"), strings.HasPrefix(sql, "#"):
			_, sql, _ = strings.Cut(sql, "\n")
		case strings.HasPrefix(sql, "/*"):
			_, sql, _ = strings.Cut(sql, "*/")
		default:
			n := 0
			for n < len(sql) && wordByte(sql[n]) {
				n++
			}
			return strings.ToUpper(sql[:n])
		}
	}
}

package main

import (
	"fmt"
	"os"
	"regexp/syntax"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// rule is one rule of the generator's JSON: conditions that must all hold. Field is args_text or
// result_text, which holds one of Literals, whatever their case, or matches Pattern.
type rule struct {
	Method   string   `json:"method"`
	Server   string   `json:"server"`
	Tools    []string `json:"tools"`
	Field    string   `json:"field"`
	Literals []string `json:"lits"`
	Pattern  string   `json:"re"`
	MinSize  int64    `json:"min_size"`
}

const call = "tools/call"

func readRules(file string) ([]rule, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading generated rules: %w", err)
	}
	var rules []rule
	if err := json.Unmarshal(data, &rules); err != nil {
		return nil, fmt.Errorf("reading generated rules: %s: %w", file, err)
	}
	return rules, nil
}

// expression is the rule as a condition of ours.
func (r *rule) expression() string {
	var all []string
	if r.Method != "" {
		all = append(all, "event.method == "+quote(r.Method))
	}
	if r.Server != "" {
		all = append(all, "server.id == "+quote(r.Server))
	}
	if len(r.Tools) > 0 {
		all = append(all, "call.tool in ["+quote(r.Tools...)+"]")
	}
	if r.MinSize > 0 {
		all = append(all, fmt.Sprintf("measured.size > %d", r.MinSize))
	}
	field := map[string]string{"args_text": "call.args_text", "result_text": "result.text"}[r.Field]
	if len(r.Literals) > 0 {
		var one []string
		for _, l := range r.Literals {
			one = append(one, field+".lowerAscii().contains("+quote(l)+")")
		}
		all = append(all, "("+strings.Join(one, " || ")+")")
	}
	if r.Pattern != "" {
		all = append(all, field+".matches("+quote(r.Pattern)+")")
	}
	return strings.Join(all, " && ")
}

// quote writes string literals, which are the same in JSON, CEL and YAML.
func quote(texts ...string) string {
	var quoted []string
	for _, t := range texts {
		q, _ := jsontext.AppendQuote(nil, t) // they come from JSON, so they are valid UTF-8
		quoted = append(quoted, string(q))
	}
	return strings.Join(quoted, ", ")
}

// file is the rule as a rule file with tests, for a number that names it.
func (r *rule) file(n int) []byte {
	hit, miss := r.hit(), r.miss()
	return fmt.Appendf(nil, `id: %s
title: Synthetic %d
severity: high
match: %s
tests:
  - name: all that it asks for
    events: [%s]
    want: [{}]
  - name: near miss
    events: [%s]
    want: []
`, ruleID(n), n, quote(r.expression()), hit.event(), miss.event())
}

func ruleID(n int) string { return fmt.Sprintf("synthetic-%05d", n) }

// satisfiable reports whether any event of ours meets the rule: only calls have a tool and
// arguments, and the generator also writes rules that ask for one beside another method.
func (r *rule) satisfiable() bool {
	return r.Method == "" || r.Method == call || len(r.Tools) == 0 && r.Field != "args_text"
}

// flat is what the rules look at in a flat record.
type flat struct {
	Method     string         `json:"method"`
	Server     string         `json:"server"`
	Tool       string         `json:"tool"`
	Arguments  jsontext.Value `json:"arguments"`
	ResultText string         `json:"result_text"`
	Size       int64          `json:"size"`

	argsText string
}

// event is an answer that says what the record does, as an event of a rule's test.
func (f *flat) event() string {
	return fmt.Sprintf(`{"server": {"id": %s}, "measured": {"size": %d}, "request": {"method": %s, "name": %s, "arguments": {"text": %s}}, `+
		`"message": {"jsonrpc": "2.0", "id": 1, "result": {"content": [{"text": %s}]}}}`,
		quote(f.Server), f.Size, quote(f.Method), quote(f.Tool), quote(f.argsText), quote(f.ResultText))
}

// hit is a record that meets the rule, where one can.
func (r *rule) hit() flat {
	f := flat{Method: r.Method, Server: r.Server, Size: r.MinSize + 1}
	if f.Method == "" {
		f.Method = call
	}
	if len(r.Tools) > 0 {
		f.Tool = r.Tools[0]
	}
	text := ""
	switch {
	case len(r.Literals) > 0:
		text = strings.ToUpper(r.Literals[0]) // their case does not count
	case r.Pattern != "":
		text = example(r.Pattern)
	}
	if r.Field == "args_text" {
		f.argsText = text
	} else {
		f.ResultText = text
	}
	return f
}

// miss is a record that nearly meets the rule.
func (r *rule) miss() flat {
	f := r.hit()
	switch {
	case r.Field == "args_text":
		f.argsText = "nothing"
	case r.Field == "result_text":
		f.ResultText = "nothing"
	case r.MinSize > 0:
		f.Size = r.MinSize
	default:
		f.Server += " "
	}
	return f
}

// example is a text that a pattern matches.
func example(pattern string) string {
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return ""
	}
	var b strings.Builder
	write(&b, parsed)
	return b.String()
}

func write(b *strings.Builder, re *syntax.Regexp) {
	switch re.Op {
	case syntax.OpLiteral:
		b.WriteString(string(re.Rune))
	case syntax.OpCharClass:
		b.WriteRune(re.Rune[0])
	case syntax.OpPlus, syntax.OpCapture, syntax.OpAlternate:
		write(b, re.Sub[0])
	case syntax.OpRepeat:
		for range re.Min {
			write(b, re.Sub[0])
		}
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			write(b, sub)
		}
	default: // what may be empty
	}
}

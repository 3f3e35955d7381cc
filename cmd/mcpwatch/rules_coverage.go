package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/mcpwatch/mcpwatch/collector/format"
	"github.com/mcpwatch/mcpwatch/collector/tap"
	"github.com/mcpwatch/mcpwatch/detector/rule"
)

type rulesCoverageCommand struct {
	ruleFlags
	Output string `short:"o" help:"table, jsonl or markdown; a table on a terminal, else jsonl." enum:",table,jsonl,markdown" default:""`
}

// Run implements the command.
func (c *rulesCoverageCommand) Run(s streams) error {
	set, err := c.load()
	if err != nil {
		return err
	}
	report := coverage{rules: set.Programs, sources: sources(), unread: unreadFields(set)}
	switch outputFor(c.Output, s.out) {
	case "table":
		return report.table(s.out)
	case "markdown":
		return report.markdown(s.out)
	default:
		return report.jsonl(s.out)
	}
}

// source is a kind of source, and what its events carry.
type source struct {
	name    string
	carries []string
}

// sources are the formats that are read, and the tap, which knows more than its format says.
func sources() []source {
	all := []source{{"tap", tap.Carries()}}
	for _, f := range format.Formats() {
		all = append(all, source{string(f.Format), f.Carries})
	}
	return all
}

// unreadFields are the fields that no rule reads, in the order of the reference.
func unreadFields(set *rule.Set) []string {
	read := map[string]bool{}
	for _, p := range set.Programs {
		for _, name := range p.Reads {
			read[name] = true
		}
	}
	var unread []string
	for _, f := range rule.Fields() {
		if !read[f.Name] {
			unread = append(unread, f.Name)
		}
	}
	return unread
}

// coverage is which rules see what of which source.
type coverage struct {
	rules   []*rule.Program
	sources []source
	unread  []string
}

// each calls do for each rule and source.
func (c *coverage) each(do func(p *rule.Program, of source, sight rule.Sight, lacks []string) error) error {
	for _, of := range c.sources {
		for _, p := range c.rules {
			sight, lacks := p.SightOf(of.carries)
			if err := do(p, of, sight, lacks); err != nil {
				return err
			}
		}
	}
	return nil
}

// table shows how many rules see a source whole, and then the others by name.
func (c *coverage) table(out io.Writer) error {
	counts := map[string]map[rule.Sight]int{}
	var others [][]string
	_ = c.each(func(p *rule.Program, of source, sight rule.Sight, lacks []string) error {
		if counts[of.name] == nil {
			counts[of.name] = map[rule.Sight]int{}
		}
		counts[of.name][sight]++
		if sight != rule.Whole {
			others = append(others, []string{of.name, p.Rule.ID, string(sight), strings.Join(lacks, " ")})
		}
		return nil
	})
	var rows [][]string
	for _, of := range c.sources {
		n := counts[of.name]
		rows = append(rows, []string{of.name, fmt.Sprint(n[rule.Whole]), fmt.Sprint(n[rule.Partly]), fmt.Sprint(n[rule.Blind]), carriesText(of)})
	}
	if err := table(out, []string{"SOURCE", "WHOLE", "PARTLY", "BLIND", "CARRIES"}, rows); err != nil {
		return err
	}
	if len(others) > 0 {
		_, _ = fmt.Fprintln(out)
		if err := table(out, []string{"SOURCE", "RULE", "SEES IT", "LACKS"}, others); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(out, "\nFields that no rule reads: %s\n", listOrNone(c.unread))
	return err
}

func carriesText(of source) string {
	if of.name == string(format.Events) {
		return "what each source says, at most " + strings.Join(of.carries, " ")
	}
	return strings.Join(of.carries, " ")
}

func listOrNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// markdown is a row a rule and a column a source.
func (c *coverage) markdown(out io.Writer) error {
	cells := map[string][]string{}
	columns := []string{"rule"}
	for _, of := range c.sources {
		columns = append(columns, of.name)
	}
	_ = c.each(func(p *rule.Program, _ source, sight rule.Sight, lacks []string) error {
		cell := string(sight)
		if sight != rule.Whole {
			cell += " (no " + strings.Join(lacks, ", ") + ")"
		}
		cells[p.Rule.ID] = append(cells[p.Rule.ID], cell)
		return nil
	})
	_, _ = fmt.Fprintf(out, "| %s |\n|%s\n", strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
	for _, p := range c.rules {
		_, _ = fmt.Fprintf(out, "| `%s` | %s |\n", p.Rule.ID, strings.Join(cells[p.Rule.ID], " | "))
	}
	quoted := slices.Clone(c.unread)
	for i := range quoted {
		quoted[i] = "`" + quoted[i] + "`"
	}
	_, err := fmt.Fprintf(out, "\nFields that no rule reads: %s.\n", listOrNone(quoted))
	return err
}

// jsonl is an object for each source and rule, and one for each field that no rule reads.
func (c *coverage) jsonl(out io.Writer) error {
	write := func(line any) error {
		data, err := json.Marshal(line)
		if err != nil {
			return fmt.Errorf("encoding coverage: %w", err)
		}
		_, err = fmt.Fprintf(out, "%s\n", data)
		return err
	}
	err := c.each(func(p *rule.Program, of source, sight rule.Sight, lacks []string) error {
		return write(struct {
			Source string     `json:"source"`
			Rule   string     `json:"rule"`
			Sight  rule.Sight `json:"sight"`
			Lacks  []string   `json:"lacks"`
		}{of.name, p.Rule.ID, sight, lacks})
	})
	if err != nil {
		return err
	}
	for _, name := range c.unread {
		if err := write(map[string]string{"unread": name}); err != nil {
			return err
		}
	}
	return nil
}

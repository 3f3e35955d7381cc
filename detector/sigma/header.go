package sigma

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// header is what a Sigma rule says of itself.
type header struct {
	title, id, name, description string
	status                       string
	author, date, modified       string
	license                      string
	severity                     string // ours; "" where the rule gives no level
	tags                         []string
	falsePositives, references   []string
}

// severities are ours, from least to worst, and Sigma's levels.
var severities = [...]struct{ ours, level string }{
	{"info", "informational"}, {"low", "low"}, {"medium", "medium"}, {"high", "high"}, {"critical", "critical"},
}

// rank is a severity's place from 1, 0 for none.
func rank(severity string) int {
	for i, s := range severities {
		if s.ours == severity {
			return i + 1
		}
	}
	return 0
}

// readHeader reads what a rule says of itself. What cannot be kept is refused or noted.
func (s *source) readHeader() {
	text := func(name string) string { return strings.TrimSpace(s.doc.get(name).str()) }
	s.header = header{
		id: text("id"), name: text("name"), description: text("description"), status: strings.ToLower(text("status")),
		author: text("author"), date: text("date"), modified: text("modified"), license: text("license"),
		falsePositives: s.doc.get("falsepositives").texts(),
		references:     append(s.doc.get("references").texts(), s.doc.get("reference").texts()...),
	}
	h := &s.header
	h.title = cmp.Or(text("title"), h.name, h.id, "Untitled")
	if h.id != "" {
		h.references = append(h.references, "sigma:"+h.id)
	}
	if h.status == "deprecated" || h.status == "unsupported" {
		s.refuse(s.doc.get("status"), "status", "the rule is %s", h.status)
	}
	if level := strings.ToLower(text("level")); level != "" {
		for _, known := range severities {
			if known.level == level {
				h.severity = known.ours
			}
		}
		if h.severity == "" {
			s.refuse(s.doc.get("level"), "level", "%q must be informational, low, medium, high or critical", level)
		}
	}
	for _, tag := range s.doc.get("tags").texts() {
		if ours, ok := tagOf(tag); ok {
			h.tags = append(h.tags, ours)
		} else {
			s.note("tag %q has no place: a tag is FRAMEWORK.ID", tag)
		}
	}
}

var (
	tagForm     = regexp.MustCompile(`^[a-z][a-z0-9-]*\.[A-Za-z0-9.:-]+$`)
	safeMCPForm = regexp.MustCompile(`^safe(?:-mcp)?\.(t[0-9.]+)$`)
)

// tagOf is a Sigma tag as one of ours.
func tagOf(tag string) (ours string, ok bool) {
	tag = strings.ReplaceAll(strings.ToLower(tag), "_", "-")
	if form := safeMCPForm.FindStringSubmatch(tag); form != nil {
		return "safe-mcp." + strings.ToUpper(form[1]), true
	}
	return tag, tagForm.MatchString(tag)
}

// maxSlug leaves room for a number after it: an id has at most 64 characters.
const maxSlug = 56

// slug makes an id of a title: lower-case words joined by hyphens.
func slug(title string) string {
	words := strings.FieldsFunc(strings.ToLower(title), func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
	id := ""
	for _, word := range words {
		if len(id)+1+len(word) > maxSlug {
			if id == "" {
				id = word[:maxSlug]
			}
			break
		}
		if id != "" {
			id += "-"
		}
		id += word
	}
	return cmp.Or(id, "sigma-rule")
}

// unique makes an id unlike all others of the import.
func (i *importer) unique(id string) string {
	for {
		i.slugs[id]++
		n := i.slugs[id]
		if n == 1 {
			return id
		}
		id = fmt.Sprintf("%s-%d", strings.TrimRight(id, "-"), n)
	}
}

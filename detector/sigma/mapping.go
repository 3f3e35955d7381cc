package sigma

import (
	_ "embed"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

//go:embed mapping.yaml
var defaultMapping []byte

// Mapping says which of our fields Sigma's names stand for.
type Mapping struct {
	fields     map[string]mappedField
	names      map[string]string
	keywords   string
	logsources map[string]string
}

// mappedField is a field of ours in the mapping file, which says what the members mean.
type mappedField struct {
	Type    fieldType `yaml:"type"`
	Present string    `yaml:"present"`
	Empty   bool      `yaml:"empty"`
	Values  []string  `yaml:"values"`
	Lower   bool      `yaml:"lower"`
}

type fieldType string

const (
	typeText    fieldType = "text"
	typeLines   fieldType = "lines"
	typeList    fieldType = "list"
	typeNumber  fieldType = "number"
	typeBool    fieldType = "bool"
	typeTime    fieldType = "time"
	typeArgs    fieldType = "args"
	typeHeaders fieldType = "headers"
)

func fieldTypes() []fieldType {
	return []fieldType{typeText, typeLines, typeList, typeNumber, typeBool, typeTime, typeArgs, typeHeaders}
}

// maxMappingBytes bounds a mapping file.
const maxMappingBytes = 1 << 20

// DefaultMapping is the mapping that comes with the product.
func DefaultMapping() (*Mapping, error) {
	return (&Mapping{}).With("mapping.yaml", defaultMapping)
}

// With is the mapping with a file of the same form as the default one laid over it, name by
// name. A name with an empty value is taken away. Unknown members are errors.
func (m *Mapping) With(file string, data []byte) (*Mapping, error) {
	if len(data) > maxMappingBytes {
		return nil, fmt.Errorf("reading the mapping %s: %d bytes, at most %d are read", file, len(data), maxMappingBytes)
	}
	var over struct {
		Fields     map[string]mappedField `yaml:"fields"`
		Names      map[string]string      `yaml:"names"`
		Keywords   string                 `yaml:"keywords"`
		Logsources map[string]string      `yaml:"logsources"`
	}
	if err := yaml.UnmarshalWithOptions(data, &over, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("reading the mapping %s: %w", file, err)
	}
	merged := &Mapping{
		fields: laidOver(m.fields, over.Fields), names: laidOver(m.names, over.Names),
		keywords: m.keywords, logsources: laidOver(m.logsources, over.Logsources),
	}
	if over.Keywords != "" {
		merged.keywords = over.Keywords
	}
	if err := merged.check(); err != nil {
		return nil, fmt.Errorf("reading the mapping %s: %w", file, err)
	}
	return merged, nil
}

func laidOver[V any](under, over map[string]V) map[string]V {
	all := maps.Clone(under)
	if all == nil {
		all = map[string]V{}
	}
	maps.Copy(all, over)
	return all
}

func (m *Mapping) check() error {
	for _, name := range slices.Sorted(maps.Keys(m.fields)) {
		if f := m.fields[name]; !slices.Contains(fieldTypes(), f.Type) {
			return fmt.Errorf("fields: %s: type %q must be one of %v", name, f.Type, fieldTypes())
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.names)) {
		target := m.names[name]
		if target == "" {
			continue
		}
		f, known := m.fields[target]
		switch byMember := f.Type == typeArgs || f.Type == typeHeaders; {
		case !known:
			return fmt.Errorf("names: %s: %q is not under fields", name, target)
		case byMember != strings.HasSuffix(name, ".*"):
			return fmt.Errorf("names: %s: only NAME.* stands for the members of a field of type args or headers", name)
		}
	}
	if f := m.fields[m.keywords]; f.Type != typeText && f.Type != typeLines {
		return fmt.Errorf("keywords: %q must be a field of type text or lines", m.keywords)
	}
	return nil
}

// field is what an expression reads: one of our fields or a member of one.
type field struct {
	mappedField
	// cel is the expression that gives the value.
	cel string
}

// find is the field that a name of Sigma's stands for.
func (m *Mapping) find(name string) (f field, found bool) {
	if target, known := m.names[name]; known {
		return m.fieldNamed(target), target != ""
	}
	if mapped, known := m.fields[name]; known && mapped.Type != typeArgs && mapped.Type != typeHeaders {
		return m.fieldNamed(name), true
	}
	for end := len(name) - 1; end > 0; end-- {
		if name[end] != '.' {
			continue
		}
		target := m.names[name[:end]+".*"]
		if member := name[end+1:]; target != "" && member != "" {
			return m.fieldNamed(target).member(member), true
		}
	}
	return field{}, false
}

// simple is an expression that a method can be called on.
var simple = regexp.MustCompile(`^[A-Za-z0-9_.]+$`)

func (m *Mapping) fieldNamed(name string) field {
	f := field{mappedField: m.fields[name], cel: name}
	if !simple.MatchString(name) {
		f.cel = "(" + name + ")"
	}
	if strings.ContainsAny(f.Present, "|?") {
		f.Present = "(" + f.Present + ")"
	}
	return f
}

// neverEmpty reports whether an empty text is the same as none.
func (f field) neverEmpty() bool { return f.Type == typeText && f.Present != "" && !f.Empty }

// member is a member of a field that has several: of arguments also a member's member.
func (f field) member(name string) field {
	members, path := strings.Split(name, "."), f.cel
	if f.Type == typeHeaders {
		members = []string{strings.ToLower(name)}
	}
	present := f.Present
	for _, member := range members {
		has := celText(member) + " in " + path
		if present != "" {
			has = present + " && " + has
		}
		present = has
		path += "[" + celText(member) + "]"
	}
	f.Present, f.cel = present, path
	if f.Type == typeHeaders {
		f.Type, f.Empty = typeText, true
	}
	return f
}

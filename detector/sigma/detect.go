package sigma

import "strings"

// logsource is the condition that a rule's logsource stands for, if any.
func (i *importer) logsource(s *source) *expr {
	from := s.doc.get("logsource")
	product := from.get("product").str()
	if !strings.EqualFold(product, "mcp") {
		s.refuse(from, "logsource.product", "%q is not mcp", product)
		return nil
	}
	var conditions []expr
	for _, kind := range []string{"category", "service"} {
		name := from.get(kind).str()
		if name == "" {
			continue
		}
		asks, known := i.mapping.logsources[name]
		if !known || asks == "" {
			s.note("logsource %s %q narrows nothing: the mapping has no condition for it", kind, name)
			continue
		}
		conditions = append(conditions, condition(asks))
	}
	if len(conditions) == 0 {
		return nil
	}
	where := all(conditions...)
	return &where
}

// detector is the detection of a rule under way.
type detector struct {
	*importer
	source *source
	// order are the selections' names, in order; known and done what is behind them.
	order []string
	known map[string]*node
	done  map[string]expr
	// count is how many selections the condition has named so far.
	count int
}

// detect translates a detection. What is refused is noted with the source.
func (i *importer) detect(s *source, detection *node) expr {
	if detection.form != formMap {
		s.refuse(detection, "detection", "a map of selections and a condition is expected")
		return expr{}
	}
	d := &detector{importer: i, source: s, known: map[string]*node{}, done: map[string]expr{}}
	for _, p := range detection.pairs {
		switch p.key {
		case "condition":
		case "timeframe":
			s.refuse(p.value, "timeframe", "is not of Sigma 2: write a correlation")
		default:
			d.order = append(d.order, p.key)
			d.known[p.key] = p.value
		}
	}
	var any []expr
	for _, condition := range detection.get("condition").values() {
		if e, ok := d.condition(condition); ok {
			any = append(any, e)
		}
	}
	if len(any) == 0 {
		if len(s.refused) == 0 {
			s.refuse(detection, "condition", "is missing")
		}
		return expr{}
	}
	return some(any...)
}

// selection translates what a name in a condition stands for.
func (d *detector) selection(name string) expr {
	e, done := d.done[name]
	if !done {
		e = d.search(name, d.known[name])
		d.done[name] = e
	}
	return e
}

// search translates a selection: a map, all of whose lines must hold; a list, one of whose
// entries must; or keywords.
func (d *detector) search(name string, n *node) expr {
	switch n.form {
	case formMap:
		var lines []expr
		for _, p := range n.pairs {
			lines = append(lines, d.item(d.source, p))
		}
		if len(lines) > 0 {
			return all(lines...)
		}
	case formList:
		var entries []expr
		for _, item := range n.items {
			if item.form == formList {
				d.source.refuse(item, name, "a list within a list of a selection")
				return expr{}
			}
			entries = append(entries, d.search(name, item))
		}
		if len(entries) > 0 {
			return some(entries...)
		}
	case formText, formNumber, formBool:
		return d.item(d.source, pair{key: "", line: n.line, value: n})
	case formNull:
	}
	d.source.refuse(n, name, "the selection is empty")
	return expr{}
}

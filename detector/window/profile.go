package window

import "slices"

// Profile keeps what a baseline knows of an entity, in the bytes that the baseline wrote.
type Profile struct{ written []byte }

// Written is what was kept last, nil of a new cell. It must not be changed.
func (p *Profile) Written() []byte { return p.written }

// Write keeps a copy of what a baseline knows now.
func (p *Profile) Write(known []byte) {
	if len(known) != len(p.written) {
		p.written = make([]byte, len(known)) // no more than Size says
	}
	copy(p.written, known)
}

// Size implements Cell.
func (p *Profile) Size() int { return len(p.written) }

// Append implements Cell.
func (p *Profile) Append(dst []byte) []byte { return appendBlob(dst, p.written) }

// Decode implements Cell.
func (p *Profile) Decode(src []byte) ([]byte, error) {
	r := reader{rest: src}
	p.written = slices.Clone(r.blob(unbounded))
	return r.rest, r.err
}

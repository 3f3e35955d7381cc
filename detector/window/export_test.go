package window

// ShareBytes is what a share is charged for itself.
const ShareBytes = shareBytes

// CellBytes is what a cell is charged for itself.
func (t *Table[C, P]) CellBytes() int { return t.cellBytes() }

// Shares is how many shares there are, and room for how many.
func (t *Table[C, P]) Shares() (used, room int) { return len(t.shares.heap), len(t.shares.all) - 1 }

// Dirty is how many entries the list of changed shares has.
func (t *Table[C, P]) Dirty() int { return len(t.shares.dirty) }

package match

import "math"

// chooser chooses the windows that literals are known by.
type chooser struct {
	model   *model
	chances map[uint32]float64 // of windows, as far as they were asked for
	windows map[uint32]int     // how many literals each window is for
	entries []entry
}

// choose files a literal of four bytes or more under two windows next to each other: the ones that
// usual texts have least, and few other literals. One of nine bytes or more is filed by the cores
// that begin with them, which tell nearly all literals apart.
func (c *chooser) choose(l literal) {
	if len(l.text) == windowSize {
		c.chooseOpen(l)
		return
	}
	size, key := windowSize, windowKey
	if len(l.text) > coreSize {
		size, key = coreSize, coreKey
	}
	best, least := 0, math.Inf(1)
	for at := range len(l.text) - size {
		if cost := c.cost(l.text[at:]) + c.cost(l.text[at+1:]); cost < least {
			best, least = at, cost
		}
	}
	for at := best; at < best+2; at++ {
		x := loadShort(l.text[at:])
		c.windows[uint32(x)&windowMask]++
		c.file(key(x), l, at)
	}
}

// chooseOpen files a literal of four bytes under itself, and under all windows that begin with any
// byte and end with its first three.
func (c *chooser) chooseOpen(l literal) {
	x := loadShort(l.text)
	c.windows[uint32(x)&windowMask]++
	c.file(windowKey(x), l, 0)
	for any := range uint64(windowMask&0xff + 1) {
		y := x<<8 | any
		c.windows[uint32(y)&windowMask]++
		c.file(windowKey(y), l, -1)
	}
}

func (c *chooser) file(key uint64, l literal, offset int) {
	c.entries = append(c.entries, entry{key, l.text, l.id, int32(offset)})
}

// cost is what it costs, in usual texts, to file a literal under the window that a text begins with.
// Another literal for a window costs less than the first, and the more there are the more, since a
// text may be made of the window that most literals share.
func (c *chooser) cost(text string) float64 {
	window := loosely(text, windowSize)
	chance, known := c.chances[window]
	if !known {
		chance = c.model.chance(window) + leastChance
		c.chances[window] = chance
	}
	if n := c.windows[uint32(loadShort(text))&windowMask]; n > 0 {
		chance *= 0.1 + 0.02*float64(n)
	}
	return chance
}

package match

import "sync"

// usual is how common bytes and windows are in usual texts. It takes milliseconds to make, which only
// programs that build or read something pay.
var usual = sync.OnceValue(func() *model { return learn(sample) })

// leastChance is added to a window's chance: what a window costs that no usual text has.
const leastChance = 1.0 / (1 << 16)

// model is a Markov chain of order one over loosely folded bytes, and the short strings that were
// seen as they are, since words are more common than their pairs of letters let expect.
type model struct {
	bytes   [256]float64              // the chance of a byte, as it is
	chances [symbols]float64          // the chance of a byte
	next    [symbols][symbols]float64 // of a byte after another
	seen    map[uint32]float64        // the chance of a window of 2 to 4 bytes
}

// symbols is the number of different bytes: those beyond ASCII are one.
const symbols = 128

func symbol(c byte) byte {
	if c >= symbols {
		return symbols - 1
	}
	return c | loose&0xff
}

// unseen is how often bytes are taken to have been seen, above the times that they were.
const unseen = 1.0 / 8

// smoothing is how many bytes' weight unseen pairs get.
const smoothing = 4

func learn(text string) *model {
	m := &model{seen: map[uint32]float64{}}
	n := float64(len(text))
	var counts [symbols]float64
	var pairs [symbols][symbols]float64
	for i := range len(text) {
		m.bytes[text[i]]++
		counts[symbol(text[i])]++
		if i > 0 {
			pairs[symbol(text[i-1])][symbol(text[i])]++
		}
		for size := 2; size <= 4 && i+size <= len(text); size++ {
			m.seen[loosely(text[i:], size)] += 1 / n
		}
	}
	for c := range m.bytes {
		m.bytes[c] = (m.bytes[c] + unseen) / (n + 256*unseen)
	}
	for c := range counts {
		m.chances[c] = (counts[c] + unseen) / (n + symbols*unseen)
	}
	for c := range pairs {
		for d := range pairs[c] {
			m.next[c][d] = (pairs[c][d] + smoothing*m.chances[d]) / (counts[c] + smoothing)
		}
	}
	return m
}

// share is the part of a usual text's bytes that is in a set.
func (m *model) share(set *Set) float64 {
	share := 0.0
	for c := range 256 {
		if set.Has(byte(c)) {
			share += m.bytes[c]
		}
	}
	return share
}

// chance is the chance that a place of a usual text has the window.
func (m *model) chance(window uint32) float64 {
	last := symbol(byte(window))
	chance := m.chances[last]
	for rest := window >> 8; rest != 0; rest >>= 8 {
		c := symbol(byte(rest))
		chance *= m.next[last][c]
		last = c
	}
	return max(chance, m.seen[window])
}

// chanceOf is the chance that a place of a usual text has the rarest window of a literal.
func (m *model) chanceOf(literal string) float64 {
	size := min(len(literal), windowSize)
	least := 1.0
	for at := range len(literal) - size + 1 {
		least = min(least, m.chance(loosely(literal[at:], size)))
	}
	return least
}

// sample is made by hand after what agents and servers write: prose, JSON, code, paths, addresses.
const sample = `The user asked the assistant to read the file and send a summary of the results. This tool returns all of the
messages that were created in the last seven days, and then it will list their names, one for each line. You can use
it when you need information about a project, a customer or an order; if there is no such entry, an error is returned.
Please note that the configuration has changed since the previous version: there are new options which have to be
set before the server is started. We should be able to make this work with other services as well, but only after
they have been updated. What would you like me to do next? I have found some issues with your code and fixed them.
The function takes an optional argument and returns the number of elements. Some people think it is important to
check every value first; others just want their data as soon as possible. Thanks for your help, see you on Monday.
Instructions: follow these steps to install the application on your own system, and do not share any password.
{"jsonrpc":"2.0","id":17,"method":"tools/call","params":{"name":"search_files","arguments":{"path":"/home/user/projects/web/src",
"query":"where is the main function","limit":100,"recursive":true,"offset":0,"type":"string","description":"Search for a text"}}}
{"result":{"content":[{"type":"text","text":"Found 3 files\n- README.md\n- docs/index.html\n- package.json"}],"isError":false}}
{"inputSchema":{"type":"object","properties":{"url":{"type":"string"},"title":{"type":"string"},"body":{"type":"string"},
"labels":{"type":"array","items":{"type":"string"}},"state":{"type":"string","enum":["open","closed","all"]}},"required":["url"]}}
{"status": "success", "message": null, "count": 250, "created_at": "2026-03-14T09:26:53Z", "email": "anna.smith@example.com"}
/usr/local/lib/node_modules/server/dist/index.js /etc/config/default.yaml /var/log/system.log /tmp/output.txt /opt/data/report.csv
https://www.example.com/api/v1/users?page=2&sort=name https://github.com/owner/repository/issues/1234 http://localhost:8080/
import os
import json
from typing import List, Optional

def load_settings(path: str) -> dict:
    """Load the settings from a file."""
    with open(path, "r", encoding="utf-8") as f:
        return json.load(f)

class Client:
    def __init__(self, base_url, timeout=30):
        self.session = None

if __name__ == "__main__":
    print(f"total: {len(items)}")
const response = await fetch(url, { method: "POST", headers: { "Content-Type": "application/json" } });
export default async function handler(req, res) { return new Promise((resolve) => setTimeout(resolve, 1000)); }
func main() { if err != nil { return fmt.Errorf("reading %s: %w", name, err) } }
SELECT id, name, price FROM products WHERE category = 'books' ORDER BY created_at DESC LIMIT 10;
$ git commit -m "update tests" && git push origin main
$ npm install && npm run build
## Usage
- **name** (string): the name of the table
| column | type | notes |
|--------|------|-------|
2026-01-05 11:42:07 INFO request 3f9c2a71-5b0e-4d8a-9c46-e1702b8fd35c completed in 184 ms
`

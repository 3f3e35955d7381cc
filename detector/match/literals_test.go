package match

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// texts draws texts over few letters, so that literals occur in them and nearly do.
func texts(least, most int) *rapid.Generator[string] {
	return rapid.StringOfN(rapid.SampledFrom([]rune("aabbcAB@`/. \n\x00kKs\u212a\u017f0é\u200b")), least, most, -1)
}

// occurs is what Scan must agree with.
func occurs(text, literal string) bool {
	return strings.Contains(foldASCII(text), foldASCII(literal))
}

func TestScanFindsWhatOccurs(t *testing.T) {
	found, missed := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		literals := rapid.SliceOfN(texts(0, 14), 1, 40).Draw(t, "literals")
		// Some begin alike, or are part of others.
		for range rapid.IntRange(0, 10).Draw(t, "parts") {
			of := rapid.SampledFrom(literals).Draw(t, "of")
			at := rapid.IntRange(0, len(of)).Draw(t, "at")
			literals = append(literals, of[:at], of[at:], of+"a", of+of)
		}
		text := texts(0, 60).Draw(t, "text")
		for range rapid.IntRange(0, 3).Draw(t, "planted") {
			at := rapid.IntRange(0, len(text)).Draw(t, "at")
			text = text[:at] + strings.ToUpper(rapid.SampledFrom(literals).Draw(t, "plant")) + text[at:]
		}
		f, m := checkScan(t, literals, text)
		found, missed = found+f, missed+m
	})
	if found == 0 || missed == 0 {
		t.Errorf("%d found, %d missed: it was not put to the test", found, missed)
	}
}

// checkScan scans twice, with hits that are used again, and by the automaton alone; it counts what
// occurs and what does not.
func checkScan(t interface {
	Helper()
	Fatalf(string, ...any)
}, literals []string, text string,
) (found, missed int) {
	t.Helper()
	var b Builder
	ids := make([]int, len(literals))
	for i, literal := range literals {
		ids[i] = b.Add(literal)
	}
	l := b.Build()
	var h, slow Hits
	slow.Reset(l.Len())
	l.automaton.scan(text, &slow)
	for range 2 {
		h.Reset(l.Len())
		l.Scan(text, &h)
		for i, literal := range literals {
			want := occurs(text, literal)
			if h.Has(ids[i]) != want {
				t.Fatalf("%q in %q: %v, want %v", literal, text, !want, want)
			}
			if len(literal) > 1 && slow.Has(ids[i]) != want {
				t.Fatalf("the automaton, %q in %q: %v, want %v", literal, text, !want, want)
			}
			if want {
				found++
			} else {
				missed++
			}
		}
		checkIDs(t, l, &h)
	}
	return found, missed
}

// checkIDs holds the list of ids against Has.
func checkIDs(t interface {
	Helper()
	Fatalf(string, ...any)
}, l *Literals, h *Hits,
) {
	t.Helper()
	listed := slices.Clone(h.IDs())
	slices.Sort(listed)
	if unique := slices.Compact(slices.Clone(listed)); !slices.Equal(unique, listed) {
		t.Fatalf("ids listed twice: %v", listed)
	}
	for id := range l.Len() {
		if _, is := slices.BinarySearch(listed, int32(id)); is != h.Has(id) {
			t.Fatalf("id %d: listed %v, has %v", id, is, h.Has(id))
		}
	}
}

// TestScanOfHostileTexts scans texts that the filter gives up on, after one that it does not.
func TestScanOfHostileTexts(t *testing.T) {
	var nested, alike []string
	for i := range 200 {
		nested = append(nested, strings.Repeat("a", i+1), strings.Repeat("a", i)+"b")
		alike = append(alike, fmt.Sprintf("zzzzz%c%c", 'a'+i%20, 'a'+i/20))
	}
	mixed := append(slices.Clone(alike), "|", "zz", "zza", "")
	for i, c := range []struct {
		literals []string
		text     string
	}{
		{nested, strings.Repeat("a", 500)},
		{nested, strings.Repeat("a", 150) + "b"},
		{alike, strings.Repeat("zzzzz", 200) + "aazzzzzbc"},
		{mixed, strings.Repeat("zzzzz", 200) + "aazzzzzbc|"},
	} {
		l := builderOf(c.literals).Build()
		var h Hits
		h.Reset(l.Len())
		if l.filter.scan(c.text, workAnyway+workPerByte*len(c.text), &h) >= 0 {
			t.Errorf("%d: the filter took all of the text", i)
		}
		const before = "azzzzzcaa"
		h.Reset(l.Len())
		l.Scan(before, &h)
		l.Scan(c.text, &h)
		for _, one := range builderOf(c.literals).literals {
			if want := occurs(before+"\x00"+c.text, one.text); h.Has(int(one.id)) != want {
				t.Errorf("%d: %q: %v, want %v", i, one.text, !want, want)
			}
		}
		checkIDs(t, l, &h)
	}
}

// TestUsualTextsStayWithTheFilter: what is left to do must be little, also with thousands of literals.
func TestUsualTextsStayWithTheFilter(t *testing.T) {
	l, text := benchmarkLiterals(20_000, 5), benchmarkText(900)
	var h Hits
	h.Reset(l.Len())
	if used := 10_000 - l.filter.scan(text, 10_000, &h); used > len(text) {
		t.Errorf("%d units of work for %d bytes", used, len(text))
	}
}

func FuzzScan(f *testing.F) {
	f.Add("ignore previous\x00sudo\x00../\x00;\x00\x00\xff\xfe", "Please IGNORE previous; sudo cat ../../x \xff\xfe")
	f.Add("aaaaaaa\x00aaaaaaaa\x00aaaaaaab\x00aaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaaaaAAAAb")
	f.Fuzz(func(t *testing.T, literals, text string) {
		checkScan(t, strings.Split(literals, "\x00"), text)
	})
}

func TestAdd(t *testing.T) {
	var b Builder
	for i, c := range []struct {
		literal string
		id      int
	}{
		{"ignore previous", 0}, {"É", 1}, {"Ignore PREVIOUS", 0}, {"é", 2}, {"", 3}, {"\u212a", 4}, {"k", 5}, {"K", 5},
	} {
		if id := b.Add(c.literal); id != c.id {
			t.Errorf("%d, %q: id %d, want %d", i, c.literal, id, c.id)
		}
	}
	l := b.Build()
	if l.Len() != 6 {
		t.Errorf("%d literals, want 6", l.Len())
	}
	b.Add("one more")
	if l.Len() != 6 {
		t.Error("what was built changes with the builder")
	}
}

// TestHitsKeepOtherTexts: several texts may be scanned into one Hits, in the order of discovery.
func TestHitsKeepOtherTexts(t *testing.T) {
	var b Builder
	first, second := b.Add("instructions"), b.Add("credentials")
	l := b.Build()
	var h Hits
	h.Reset(l.Len())
	l.Scan("the credentials", &h)
	l.Scan("the instructions", &h)
	if want := []int32{int32(second), int32(first)}; !slices.Equal(h.IDs(), want) {
		t.Errorf("ids %v, want %v", h.IDs(), want)
	}
	h.Reset(l.Len())
	if h.Has(first) || len(h.IDs()) != 0 {
		t.Error("what was found outlives Reset")
	}
}

func TestHitsForgetWhenRoundsRunOut(t *testing.T) {
	var h Hits
	h.Reset(2)
	h.add(1)
	h.round = ^uint32(0)
	h.add(0)
	h.Reset(2)
	if h.Has(0) || h.Has(1) || len(h.IDs()) != 0 {
		t.Error("hits of an old round are back")
	}
}

func TestScanDoesNotAllocate(t *testing.T) {
	l := benchmarkLiterals(2000, 0)
	text := benchmarkText(900)
	var h Hits
	scan := func() {
		h.Reset(l.Len())
		l.Scan(text, &h)
	}
	scan()
	if n := testing.AllocsPerRun(10, scan); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestScanIsForManyGoroutines(t *testing.T) {
	all := benchmarkPhrases(300, 20)
	l := builderOf(all).Build()
	text := strings.Join(all, " ")
	var done sync.WaitGroup
	for range 4 {
		done.Go(func() {
			var h Hits
			for range 20 {
				h.Reset(l.Len())
				l.Scan(text, &h)
			}
			if len(h.IDs()) != l.Len() {
				t.Errorf("%d of %d literals found", len(h.IDs()), l.Len())
			}
		})
	}
	done.Wait()
}

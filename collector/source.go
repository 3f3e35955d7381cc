package collector

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/mcpwatch/mcpwatch/collector/credential"
)

// maxSources bounds the sources that a collector keeps count of at once. A file names as many as
// it likes; an issuer's claims could name more.
const maxSources = 10_000

// sources says what each source has sent, and may still.
type sources struct {
	mu     sync.Mutex
	of     map[sourceName]*source
	places int // taken
}

type sourceName struct{ tenant, source string }

func nameOf(who credential.Identity) sourceName { return sourceName{who.Tenant, who.Source} }

// source is one that sends.
type source struct {
	quota         credential.Quota
	events, bytes *rate.Limiter
	places        int   // taken by its batches
	day           int64 // since 1970, that dayBytes belongs to
	dayBytes      int64
}

// enter takes a place for a batch of the source; leave gives it back.
func (c *Collector) enter(who credential.Identity) bool {
	s := &c.sources
	s.mu.Lock()
	defer s.mu.Unlock()
	of := c.source(who)
	if of == nil || s.places >= c.o.Requests || of.places >= max(c.o.Requests/2, 1) {
		return false
	}
	s.places++
	of.places++
	return true
}

func (c *Collector) leave(who credential.Identity) {
	s := &c.sources
	s.mu.Lock()
	defer s.mu.Unlock()
	s.places--
	c.source(who).places--
}

// source is the one of an identity, made where there is none; nil where there are too many.
func (c *Collector) source(who credential.Identity) *source {
	name := nameOf(who)
	quota, set := c.o.Credentials.Set().Quota(who)
	if !set {
		quota = c.o.Quota
	}
	of := c.sources.of[name]
	if of != nil && of.quota == quota {
		return of
	}
	if of == nil {
		if len(c.sources.of) >= maxSources && !c.forget() {
			return nil
		}
		of = new(source)
		c.sources.of[name] = of
	}
	of.quota = quota
	of.events, of.bytes = limiter(quota.Events, 1), limiter(quota.Bytes, c.o.BodyBytes)
	return of
}

// limiter allows that much a second, twice as much at once, and at once what is least; without a
// bound it allows all.
func limiter(a float64, least int64) *rate.Limiter {
	if a <= 0 {
		return rate.NewLimiter(rate.Inf, 0)
	}
	return rate.NewLimiter(rate.Limit(a), int(max(2*a, float64(least))))
}

// forget lets go of the sources that are as if they had never sent anything, and reports whether
// there were any.
func (c *Collector) forget() bool {
	now := c.o.Now()
	before := len(c.sources.of)
	for name, s := range c.sources.of {
		full := func(l *rate.Limiter) bool { return l.Limit() == rate.Inf || l.TokensAt(now) >= float64(l.Burst()) }
		if s.places == 0 && full(s.events) && full(s.bytes) && (s.quota.DayBytes == 0 || s.day != dayOf(now)) {
			delete(c.sources.of, name)
		}
	}
	return len(c.sources.of) < before
}

func dayOf(t time.Time) int64 { return t.Unix() / int64(day/time.Second) }

const day = 24 * time.Hour

// charge counts events and bytes against the source's quota. One that is over it is told when it
// may send the same again.
func (c *Collector) charge(who credential.Identity, events, bytes int) error {
	c.sources.mu.Lock()
	defer c.sources.mu.Unlock()
	of, now := c.source(who), c.o.Now()
	over := func(wait time.Duration, bound string, args ...any) error {
		return &failure{
			code: http.StatusTooManyRequests, retryAfter: wait,
			reason: fmt.Sprintf("source %s is over its %s", who.Source, fmt.Sprintf(bound, args...)),
		}
	}
	if today := dayOf(now); of.day != today {
		of.day, of.dayBytes = today, 0
	}
	if most := of.quota.DayBytes; most > 0 && of.dayBytes+int64(bytes) > most {
		return over(now.Truncate(day).Add(day).Sub(now), "%d bytes a day", most)
	}
	for _, bound := range []struct {
		limiter *rate.Limiter
		n       int
		what    string
	}{{of.events, events, "events"}, {of.bytes, bytes, "bytes"}} {
		if bound.limiter.Limit() != rate.Inf && bound.n > bound.limiter.Burst() {
			return &failure{
				code:   http.StatusRequestEntityTooLarge,
				reason: fmt.Sprintf("%d %s are more than source %s may send at once, which is %d", bound.n, bound.what, who.Source, bound.limiter.Burst()),
			}
		}
	}
	charged := of.events.ReserveN(now, events)
	if wait := charged.DelayFrom(now); wait > 0 {
		charged.CancelAt(now)
		return over(wait, "rate of %g events a second", of.quota.Events)
	}
	weighed := of.bytes.ReserveN(now, bytes)
	if wait := weighed.DelayFrom(now); wait > 0 {
		weighed.CancelAt(now)
		charged.CancelAt(now)
		return over(wait, "rate of %g bytes a second", of.quota.Bytes)
	}
	of.dayBytes += int64(bytes)
	return nil
}

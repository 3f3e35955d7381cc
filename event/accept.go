package event

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"slices"
	"strings"
	"time"
)

// Origin is what the intake knows of a shipper from its credential and connection.
type Origin struct {
	Tenant    string
	Source    string
	Collector string
	// Address is the shipper's network address, the last resort for an actor.
	Address string
	// Agent is the only agent that the credential speaks for; "" where it may name any.
	Agent string
	// Principals says that the credential is trusted to have authenticated the principals that it
	// names, where it does not mark them as claims. Those of others are claims: rules can read them,
	// but they are not who acts.
	Principals bool
}

// Bounds of the source's clock against the collector's. A time outside them is kept as
// ClaimedTime, and the event runs on Received.
const (
	maxAhead  = time.Hour
	maxBehind = 366 * 24 * time.Hour
)

// Accept completes an event as the first of ours to take it in: tenant, source and
// collector from the origin, the time bounded, the id derived where nobody gave one, and
// the actor. raw is the event as it was shipped, before anything was changed; ordinal
// counts the equal lines before it in the same batch, so that genuine repeats stay two
// events while a retried batch has the same ids.
func (e *Event) Accept(o Origin, received time.Time, raw []byte, ordinal int) {
	e.Tenant, e.Source.Name, e.Source.Collector = o.Tenant, o.Source, o.Collector
	e.Parent, e.ClaimedTime = "", time.Time{}
	e.own(o)
	e.Received = received.UTC().Truncate(time.Microsecond)
	e.boundTime()
	if e.ID == "" {
		e.ID = DeriveID(o, raw, ordinal)
	}
	e.Actor = e.actor(o)
}

// MarkPrincipalClaimed says that the principal is a claim: rules can read it, it is not who acts. A
// shipper sets it where it could not verify what it read, such as a tap that sees a token pass.
const MarkPrincipalClaimed = "principal_claimed"

// own holds the event to what its credential may speak for.
func (e *Event) own(o Origin) {
	if o.Agent != "" {
		if e.Agent.ID != "" && e.Agent.ID != o.Agent {
			e.Mark("agent_replaced")
		}
		e.Agent.ID = o.Agent
	}
	if !o.Principals && e.Principal.Subject != "" {
		e.Mark(MarkPrincipalClaimed)
	}
}

func (e *Event) boundTime() {
	mark := ""
	switch {
	case e.Time.IsZero():
		mark = "time_missing"
	case e.Time.After(e.Received.Add(maxAhead)):
		mark = "time_in_future"
	case e.Time.Before(e.Received.Add(-maxBehind)):
		mark = "time_in_past"
	default:
		e.Time = e.Time.UTC().Truncate(time.Microsecond)
		return
	}
	e.ClaimedTime, e.Time = e.Time, e.Received
	e.Mark(mark)
}

// DeriveID gives the id of an event that was shipped without one: 26 characters of a
// SHA-256 over tenant, source, the raw bytes and the ordinal among equal lines of a batch.
func DeriveID(o Origin, raw []byte, ordinal int) string {
	h := sha256.New()
	for _, part := range []string{o.Tenant, o.Source} {
		h.Write(binary.AppendUvarint(nil, uint64(len(part))))
		h.Write([]byte(part))
	}
	h.Write(binary.AppendUvarint(nil, uint64(ordinal)))
	h.Write(raw)
	return digest(h.Sum(nil))
}

// digest writes the first half of a SHA-256 as 26 letters and digits.
func digest(sum []byte) string {
	return strings.ToLower(base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:sha256.Size/2]))
}

// within returns s if it has at most that many bytes, else a digest of it: what names
// something must not be cut, since two names would become one.
func within(most int, s string) string {
	if len(s) <= most {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return digest(sum[:])
}

// actor says who acts: the authenticated principal, with the agent where the credential vouches for
// it, else the agent, else host and user, else the address, else the source. Names that clients claim for themselves
// (Agent.Name, Server.Name) never decide it. The parts are joined with a slash after
// their own slashes are escaped, so that no two actors share a name; what would be longer
// than an actor may be is named by its digest, which has no slash.
func (e *Event) actor(o Origin) string {
	join := func(kind string, parts ...string) string {
		for i, p := range parts {
			parts[i] = strings.ReplaceAll(strings.ReplaceAll(p, "%", "%25"), "/", "%2F")
		}
		return kind + ":" + within(maxActor-len(kind)-1, strings.Join(parts, "/"))
	}
	principal := o.Principals && e.Principal.Subject != "" && !e.HasMark(MarkPrincipalClaimed)
	switch {
	case principal && o.Agent != "":
		return join("principal", e.Principal.Issuer, e.Principal.Subject, o.Agent)
	case principal:
		return join("principal", e.Principal.Issuer, e.Principal.Subject)
	case e.Agent.ID != "":
		return "agent:" + e.Agent.ID
	case e.Agent.Host != "" || e.Agent.User != "":
		return join("user", e.Agent.Host, e.Agent.User)
	case o.Address != "":
		return "address:" + o.Address
	default:
		return "source:" + e.Source.Name
	}
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

package format

import (
	"encoding/hex"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/protobuf/proto"

	"github.com/mcpwatch/mcpwatch/event"
)

// nanosOf is when what a record tells of was, in nanoseconds since 1970, or else when it was seen.
func nanosOf(log *logspb.LogRecord) uint64 {
	if t := log.GetTimeUnixNano(); t != 0 {
		return t
	}
	return log.GetObservedTimeUnixNano()
}

// readLog reads a log record whose attributes name no method. Its body, or else its attributes, can be
// a record of any other format: what a collector read of a file, or took apart.
func (r *Reader) readLog(p *part) error {
	first := len(r.made)
	body := p.log.GetBody()
	read, err := false, error(nil)
	switch text := body.GetStringValue(); {
	case text != "":
		read, err = r.readInner([]byte(text))
	case body.GetKvlistValue() != nil || body.GetArrayValue() != nil:
		read, err = r.readInnerValue(body)
	}
	if err == nil && !read && len(p.log.GetAttributes()) > 0 {
		_, err = r.readInnerValue(&commonpb.AnyValue{Value: &commonpb.AnyValue_KvlistValue{
			KvlistValue: &commonpb.KeyValueList{Values: p.log.GetAttributes()},
		}})
	}
	r.spec, _ = specOf(OTLP)
	if err != nil {
		return err
	}
	r.complete(r.made[first:], p)
	return nil
}

func (r *Reader) readInnerValue(v *commonpb.AnyValue) (bool, error) {
	record, err := appendAny(nil, v, r.limits.Depth)
	if err != nil {
		return false, err
	}
	return r.readInner(record)
}

// readInner reads a record that lies in another, and reports whether it is one.
func (r *Reader) readInner(record []byte) (bool, error) {
	if beginsOTLP(record) {
		return false, nil
	}
	if f, found := formatOfText(record); found {
		r.spec, _ = specOf(f)
		return true, r.spec.readText(r, record)
	}
	if record[0] != '{' && record[0] != '[' {
		return false, nil
	}
	root, err := r.parse(record)
	if err != nil {
		return false, nil //nolint:nilerr // a log of something else
	}
	f, err := detect(root)
	if err != nil || !r.isInner(f, root) {
		return false, nil //nolint:nilerr // a log of something else
	}
	r.spec, _ = specOf(f)
	if f == Events {
		e, _, err := r.decoder.Event()
		if err == nil {
			r.made = append(r.made, e.Clone())
		}
		return true, err
	}
	return true, r.spec.readJSON(r, root)
}

// isInner reports whether a record among anybody's logs is meant to be of a format whose shape it has.
func (*Reader) isInner(f Format, root event.Value) bool {
	switch f {
	case Tools:
		return false
	case JSONRPC:
		return root.Get("jsonrpc").Exists() || root.Get("message", "jsonrpc").Exists() || root.Kind() == event.Array && isBatch(root.Raw())
	default:
		return true
	}
}

// complete adds to events of a log record what it says around them.
func (r *Reader) complete(made []event.Event, p *part) {
	if len(made) == 0 {
		return
	}
	var of told
	of.read(p.resource.GetAttributes())
	for i := range made {
		e := &made[i]
		if nanos := nanosOf(p.log); e.Time.IsZero() && nanos != 0 {
			e.Time = time.Unix(int64(nanos/1e9), int64(nanos%1e9)).UTC()
		}
		if e.Trace == "" {
			e.Trace = hex.EncodeToString(p.log.GetTraceId())
		}
		if e.Server.ID == "" {
			e.Server.ID = of.text(otlpService)
		}
	}
}

// identify gives what events of a part that has no id are known by: the part and what exported it.
func (p *part) identify() []byte {
	same := proto.MarshalOptions{Deterministic: true}
	var data []byte
	for _, m := range []proto.Message{p.resource, p.scope, p.span, p.log} {
		data, _ = same.MarshalAppend(data, m) // what was read can be written
		data = append(data, 0)
	}
	return data
}

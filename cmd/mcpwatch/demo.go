package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/mcpwatch/mcpwatch/event"
)

//go:embed demo/session.jsonl
var demoSession []byte

// demoStep is the time between the events of the demo, as they are dated.
const demoStep = 50 * time.Millisecond

// replayDemo sends the session that ships with the product, dated now, to a collector.
func replayDemo(ctx context.Context, r running) error {
	var body bytes.Buffer
	lines := bytes.Split(bytes.TrimSpace(demoSession), []byte("\n"))
	at := time.Now().Add(-time.Duration(len(lines)) * demoStep)
	for i, line := range lines {
		e, err := event.Decode(line, event.DefaultLimits())
		if err != nil {
			return fmt.Errorf("reading line %d of the demo: %w", i+1, err)
		}
		e.Time = at.Add(time.Duration(i) * demoStep)
		data, err := event.Encode(nil, &e)
		if err != nil {
			return err
		}
		body.Write(append(data, '\n'))
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.Collector+"/v1/events", &body)
	if err != nil {
		return fmt.Errorf("sending the demo: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+r.Token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("sending the demo: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusAccepted {
		answer, _ := io.ReadAll(io.LimitReader(response.Body, 1024))
		return fmt.Errorf("sending the demo: the collector answered %s: %s", response.Status, event.Printable(string(answer)))
	}
	return nil
}

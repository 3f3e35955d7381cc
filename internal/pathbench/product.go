package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// startLimit and stopLimit bound the wait for an `up`, well above what is aimed at.
const (
	startLimit = 60 * time.Second
	stopLimit  = 20 * time.Second
)

// product is a running `mcpwatch up`.
type product struct {
	cmd   *exec.Cmd
	out   io.ReadCloser
	ready time.Duration // from start to the line that says so

	collector, token string
	clickhouse       *url.URL // as the analyst
	client           *http.Client
}

// startUp runs `up` on a data directory and waits until it is ready. Findings go to
// webhook, where one is given.
func (b *bench) startUp(ctx context.Context, data, webhook string) (*product, error) {
	args := []string{"up", "--data", data, "--ports", "auto", "--json"}
	if webhook != "" {
		args = append(args, "--webhook", webhook)
	}
	p := &product{client: &http.Client{
		Timeout:   time.Minute,
		Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true},
	}}
	p.cmd = exec.CommandContext(ctx, b.o.bin, args...)
	p.cmd.Stderr = os.Stderr
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(os.Interrupt) }
	p.cmd.WaitDelay = stopLimit
	var err error
	if p.out, err = p.cmd.StdoutPipe(); err != nil {
		return nil, fmt.Errorf("starting up: %w", err)
	}
	began := time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting up: %w", err)
	}
	late := time.AfterFunc(startLimit, func() { _ = p.cmd.Process.Kill() })
	line, err := bufio.NewReader(p.out).ReadBytes('\n')
	p.ready = time.Since(began)
	late.Stop()
	if err == nil {
		err = p.read(line)
	}
	if err != nil {
		_ = p.cmd.Cancel()
		return nil, errors.Join(fmt.Errorf("up was not ready: %w", err), p.cmd.Wait())
	}
	return p, nil
}

// read takes the addresses from the line of JSON.
func (p *product) read(line []byte) error {
	var said struct {
		Ready     bool `json:"ready"`
		Addresses struct {
			Collector  string `json:"collector"`
			ClickHouse string `json:"clickhouse"`
		} `json:"addresses"`
		Token string `json:"token"`
	}
	if err := json.Unmarshal(line, &said); err != nil {
		return fmt.Errorf("reading its line of JSON: %w", err)
	}
	if !said.Ready {
		return errors.New("it says that it is not ready")
	}
	address, err := url.Parse(said.Addresses.ClickHouse)
	if err != nil {
		return fmt.Errorf("reading the ClickHouse address: %w", err)
	}
	p.collector, p.token, p.clickhouse = said.Addresses.Collector, said.Token, address
	return nil
}

// stop ends `up` as Ctrl-C does and says how long that took.
func (p *product) stop() (time.Duration, error) {
	p.client.CloseIdleConnections()
	began := time.Now()
	_ = p.cmd.Cancel() // one that has ended already is reported by Wait
	late := time.AfterFunc(stopLimit, func() { _ = p.cmd.Process.Kill() })
	defer late.Stop()
	err := p.cmd.Wait()
	took := time.Since(began)
	if err != nil {
		return took, fmt.Errorf("stopping up: %w", err)
	}
	return took, nil
}

// send posts events once. retry says how long to wait where the collector asks to send
// them again.
func (p *product) send(ctx context.Context, body []byte, encoding string) (retry time.Duration, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.collector+"/v1/events", bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Authorization", "Bearer "+p.token)
	request.Header.Set("Content-Type", "application/x-ndjson")
	if encoding != "" {
		request.Header.Set("Content-Encoding", encoding)
	}
	response, err := p.client.Do(request)
	if err != nil {
		return 0, fmt.Errorf("sending events: %w", err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	switch {
	case err != nil:
		return 0, fmt.Errorf("reading the collector's answer: %w", err)
	case response.StatusCode == http.StatusTooManyRequests || response.StatusCode == http.StatusServiceUnavailable:
		seconds, _ := strconv.Atoi(response.Header.Get("Retry-After"))
		return time.Duration(max(seconds, 1)) * time.Second, nil
	case response.StatusCode != http.StatusAccepted || strings.Contains(string(answer), "refused"):
		return 0, fmt.Errorf("the collector answered %s: %.500s", response.Status, answer)
	}
	return 0, nil
}

// query asks ClickHouse as the analyst and returns the one row's columns as numbers.
func (p *product) query(ctx context.Context, sql string) ([]int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.clickhouse.String(), strings.NewReader(sql))
	if err != nil {
		return nil, err
	}
	text, err := p.text(request)
	if err != nil {
		return nil, fmt.Errorf("asking ClickHouse %q: %w", sql, err)
	}
	var numbers []int
	for field := range strings.FieldsSeq(text) {
		n, err := strconv.Atoi(field)
		if err != nil {
			return nil, fmt.Errorf("asking ClickHouse %q: it answered %.200q", sql, text)
		}
		numbers = append(numbers, n)
	}
	return numbers, nil
}

// counters reads the product's own counters, summed over labels except the table.
func (p *product) counters(ctx context.Context) (map[string]int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.collector+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	text, err := p.text(request)
	if err != nil {
		return nil, fmt.Errorf("reading the counters: %w", err)
	}
	counters := make(map[string]int)
	for line := range strings.Lines(text) {
		name, value, found := strings.Cut(strings.TrimSpace(line), " ")
		if !found || !strings.HasPrefix(name, "mcpwatch_") {
			continue
		}
		if n, err := strconv.ParseFloat(value, 64); err == nil {
			counters[name] += int(n)
		}
	}
	return counters, nil
}

// text does a request and returns the body of its answer.
func (p *product) text(request *http.Request) (string, error) {
	response, err := p.client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %.300s", response.Status, body)
	}
	return string(body), nil
}

// stopped stops `up` and joins what went wrong before with what does now.
func stopped(p *product, err error) error {
	_, stopErr := p.stop()
	return errors.Join(err, stopErr)
}

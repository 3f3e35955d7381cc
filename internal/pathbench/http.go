package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"
)

// http measures what a tap before an HTTP server adds to an exchange, in turns with the same server
// without it, while the tap ships to a running `up`.
func (b *bench) http(ctx context.Context) error {
	data := b.newData()
	p, err := b.startUp(ctx, data, "")
	if err != nil {
		return err
	}
	return stopped(p, b.httpLatency(ctx, p, data))
}

func (b *bench) httpLatency(ctx context.Context, p *product, data string) (err error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("starting a server: %w", err)
	}
	server := &http.Server{Handler: http.HandlerFunc(answerCall), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	defer func() { err = errors.Join(err, server.Close()) }()
	plain := "http://" + listener.Addr().String() + "/mcp"
	tapped, stop, err := b.startProxy(ctx, data, plain)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()

	var without, with []time.Duration
	for i := range warmUp + b.o.trips {
		for _, side := range []struct {
			url  string
			took *[]time.Duration
		}{{plain, &without}, {tapped, &with}} {
			took, err := exchange(ctx, side.url, request(i))
			if err != nil {
				return err
			}
			if i >= warmUp {
				*side.took = append(*side.took, took)
			}
			time.Sleep(think)
		}
	}
	slices.Sort(without)
	slices.Sort(with)
	added := func(q float64) string { return milliseconds(quantile(with, q) - quantile(without, q)) }
	b.r.note("HTTP tap: a request of %d bytes and its answer, paced: p50 %s without the tap, %s with it, %s added; p99 %s, %s, %s added; %d exchanges each, in turns",
		messageBytes, milliseconds(quantile(without, 0.5)), milliseconds(quantile(with, 0.5)), added(0.5),
		milliseconds(quantile(without, 0.99)), milliseconds(quantile(with, 0.99)), added(0.99), len(with))
	_, err = b.stored(ctx, p, 2*(warmUp+b.o.trips), 0, time.Now().Add(time.Minute))
	return err
}

// answerCall is the server: it answers any call with as many bytes as a call has.
func answerCall(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	_, rest, _ := bytes.Cut(body, []byte(`"id":`))
	id, _, found := bytes.Cut(rest, []byte(`,`))
	if err != nil || !found {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	answer := append([]byte(`{"jsonrpc":"2.0","id":`), id...)
	answer = append(append(answer, `,"result":{"content":[{"type":"text","text":"`...), bytes.Repeat([]byte{'x'}, messageBytes-80)...)
	_, _ = w.Write(append(answer, `"}]}}`...))
}

// startProxy runs a tap before the server and returns its URL, and what ends it.
func (b *bench) startProxy(ctx context.Context, data, upstream string) (url string, stop func() error, err error) {
	free, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, fmt.Errorf("finding a port: %w", err)
	}
	address := free.Addr().String()
	_ = free.Close()
	cmd := exec.CommandContext(ctx, b.o.bin, "tap", "--data", data, "--server", "bench", "--listen", address, "--upstream", upstream)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return "", nil, fmt.Errorf("starting the tap: %w", err)
	}
	stop = func() error {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			return fmt.Errorf("running the tap: %w", err)
		}
		return nil
	}
	for limit := time.Now().Add(stopLimit); ; time.Sleep(10 * time.Millisecond) {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil {
			_ = conn.Close()
			return "http://" + address + "/mcp", stop, nil
		}
		if time.Now().After(limit) {
			return "", nil, errors.Join(fmt.Errorf("waiting for the tap: %w", err), stop())
		}
	}
}

// exchange posts a call and reads the answer.
func exchange(ctx context.Context, url string, call []byte) (time.Duration, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(call))
	if err != nil {
		return 0, fmt.Errorf("posting to %s: %w", url, err)
	}
	r.Header.Set("Content-Type", "application/json")
	began := time.Now()
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, fmt.Errorf("posting to %s: %w", url, err)
	}
	defer func() { _ = response.Body.Close() }()
	if _, err := io.Copy(io.Discard, response.Body); err != nil || response.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("posting to %s: status %d: %w", url, response.StatusCode, err)
	}
	return time.Since(began), nil
}

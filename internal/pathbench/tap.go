package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"time"
)

// The two servers that this program plays when it is run again with one of these.
const (
	echoStamped = "echo-stamped" // answers each message, saying when it came and when the answer went
	echoPlain   = "echo-plain"   // gives the bytes back
)

// warmUp is how many messages go first and are not counted; think is the agent's time
// between two messages.
const (
	warmUp = 200
	think  = time.Millisecond
)

// messageBytes is about what a message of the tap's measures weighs.
const messageBytes = 1000

// tap measures what `mcpwatch tap` adds to a message, in turns with the same program
// without it, through real pipes, while the tap ships to a running `up`.
func (b *bench) tap(ctx context.Context) error {
	data := b.newData()
	p, err := b.startUp(ctx, data, "")
	if err != nil {
		return err
	}
	err = b.tapLatency(ctx, p, data)
	if err == nil {
		err = b.tapThroughput(ctx, data)
	}
	return stopped(p, err)
}

// peer is a process that echoes: the server itself, or a tap with the server behind it.
type peer struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// startPeer runs the echoing server, behind a tap where tapData is given.
func (b *bench) startPeer(ctx context.Context, mode, tapData string) (*peer, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	command := []string{self, mode}
	if tapData != "" {
		command = append([]string{b.o.bin, "tap", "--data", tapData, "--server", "bench", "--"}, command...)
	}
	p := &peer{cmd: exec.CommandContext(ctx, command[0], command[1:]...)}
	p.cmd.Stderr = os.Stderr
	p.cmd.WaitDelay = stopLimit
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting %v: %w", command, err)
	}
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("starting %v: %w", command, err)
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %v: %w", command, err)
	}
	p.out = bufio.NewReaderSize(out, 64<<10)
	return p, nil
}

// end closes the server's input and waits for all to end.
func (p *peer) end() error {
	_ = p.in.Close()
	_, _ = io.Copy(io.Discard, p.out)
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("running %v: %w", p.cmd.Args, err)
	}
	return nil
}

// trip sends a message and returns how long it took there, and how long the answer took
// back. All processes read the same clock.
func (p *peer) trip(message []byte) (there, back time.Duration, err error) {
	sent := time.Now().UnixNano()
	if _, err := p.in.Write(message); err != nil {
		return 0, 0, fmt.Errorf("writing to %v: %w", p.cmd.Args, err)
	}
	line, err := p.out.ReadSlice('\n')
	came := time.Now().UnixNano()
	if err != nil {
		return 0, 0, fmt.Errorf("reading from %v: %w", p.cmd.Args, err)
	}
	arrived, answered, err := stamps(line)
	return time.Duration(arrived - sent), time.Duration(came - answered), err
}

// The stamps are the last two fields of an answer, 19 digits each.
const (
	stampHead = `,"arrived":`
	stampNext = `,"answered":`
	stampTail = "}}\n"
	stampSize = 19
)

func stamps(line []byte) (arrived, answered int64, err error) {
	at := len(line) - len(stampTail) - stampSize
	before := at - len(stampNext) - stampSize
	if before < 0 {
		return 0, 0, fmt.Errorf("the echo answered %.100q", line)
	}
	arrived, err = strconv.ParseInt(string(line[before:before+stampSize]), 10, 64)
	if err == nil {
		answered, err = strconv.ParseInt(string(line[at:at+stampSize]), 10, 64)
	}
	return arrived, answered, err
}

// echoStamps is the server that answers each message. It returns the exit code.
func echoStamps(in io.Reader, out io.Writer) int {
	lines := bufio.NewReaderSize(in, 64<<10)
	pad := bytes.Repeat([]byte{'x'}, messageBytes-120)
	var answer []byte
	for {
		line, err := lines.ReadSlice('\n')
		arrived := time.Now().UnixNano()
		if errors.Is(err, io.EOF) {
			return 0
		}
		_, rest, found := bytes.Cut(line, []byte(`"id":`))
		id, _, ended := bytes.Cut(rest, []byte(`,`))
		if err != nil || !found || !ended {
			return 1
		}
		answer = append(append(answer[:0], `{"jsonrpc":"2.0","id":`...), id...)
		answer = append(append(append(answer, `,"result":{"content":[{"type":"text","text":"`...), pad...), `"}]`...)
		answer = append(strconv.AppendInt(append(answer, stampHead...), arrived, 10), stampNext...)
		answer = append(strconv.AppendInt(answer, time.Now().UnixNano(), 10), stampTail...)
		if _, err := out.Write(answer); err != nil {
			return 1
		}
	}
}

// echoBytes is the server that gives back what it gets. It returns the exit code.
func echoBytes(in io.Reader, out io.Writer) int {
	if _, err := io.Copy(out, in); err != nil {
		return 1
	}
	return 0
}

// request is a message to the server.
func request(id int) []byte {
	head := fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"echo","arguments":{"text":"`, id)
	return append(append([]byte(head), bytes.Repeat([]byte{'x'}, messageBytes-len(head)-5)...), "\"}}}\n"...)
}

func (b *bench) tapLatency(ctx context.Context, p *product, data string) error {
	plain, err := b.startPeer(ctx, echoStamped, "")
	if err != nil {
		return err
	}
	tapped, err := b.startPeer(ctx, echoStamped, data)
	if err != nil {
		return errors.Join(err, plain.end())
	}
	var without, with []time.Duration
	err = func() error {
		for i := range warmUp + b.o.trips {
			for _, side := range []struct {
				peer *peer
				took *[]time.Duration
			}{{plain, &without}, {tapped, &with}} {
				there, back, err := side.peer.trip(request(i))
				if err != nil {
					return err
				}
				if i >= warmUp {
					*side.took = append(*side.took, there, back)
				}
				time.Sleep(think)
			}
		}
		return nil
	}()
	if err := errors.Join(err, plain.end(), tapped.end()); err != nil {
		return err
	}
	slices.Sort(without)
	slices.Sort(with)
	added := func(q float64) time.Duration { return quantile(with, q) - quantile(without, q) }
	b.r.bound("tap adds, p99", milliseconds(added(0.99)), "< "+milliseconds(aimTap), added(0.99) < aimTap)
	b.r.note("a message of %d bytes one way, paced: p50 %s without the tap, %s with it, %s added; p99 %s, %s, %s added; %d messages each, in turns", messageBytes,
		milliseconds(quantile(without, 0.5)), milliseconds(quantile(with, 0.5)), milliseconds(added(0.5)),
		milliseconds(quantile(without, 0.99)), milliseconds(quantile(with, 0.99)), milliseconds(added(0.99)), len(with))
	if quantile(without, 0.99) > aimTap {
		b.r.note("without the tap the p99 alone is over the aim: the machine is too busy for the bound to say much of the tap")
	}
	_, err = b.stored(ctx, p, 2*(warmUp+b.o.trips), 0, time.Now().Add(time.Minute))
	return err
}

func (b *bench) tapThroughput(ctx context.Context, data string) error {
	var without, with []float64
	for range 2 { // in turns, as the machine's speed wanders
		for _, side := range []struct {
			data  string
			rates *[]float64
		}{{"", &without}, {data, &with}} {
			rate, err := b.flood(ctx, side.data)
			if err != nil {
				return err
			}
			*side.rates = append(*side.rates, rate)
		}
	}
	plain, tapped := slices.Max(without), slices.Max(with)
	b.r.note("tap at full speed, there and back: %.0f MB/s and %s messages/s each way, without it %.0f MB/s and %s; the better of 2 runs of %s",
		tapped/1e6, grouped(int(tapped/messageBytes)), plain/1e6, grouped(int(plain/messageBytes)), b.o.flood)
	return nil
}

// flood streams messages through the echo and returns bytes a second. Every byte must
// come back.
func (b *bench) flood(ctx context.Context, tapData string) (float64, error) {
	p, err := b.startPeer(ctx, echoPlain, tapData)
	if err != nil {
		return 0, err
	}
	chunk := bytes.Repeat(request(1), 64)
	type outcome struct {
		bytes int
		err   error
	}
	back := make(chan outcome, 1)
	go func() {
		n, err := p.matches(chunk)
		back <- outcome{n, err}
	}()
	sent := 0
	began := time.Now()
	for time.Since(began) < b.o.flood && err == nil {
		_, err = p.in.Write(chunk)
		sent += len(chunk)
	}
	_ = p.in.Close()
	got := <-back
	took := time.Since(began)
	if err := errors.Join(err, got.err, p.end()); err != nil {
		return 0, err
	}
	if got.bytes != sent {
		return 0, fmt.Errorf("%s bytes came back of %s", grouped(got.bytes), grouped(sent))
	}
	return float64(sent) / took.Seconds(), nil
}

// matches reads what comes back, which must be chunk again and again, and counts it.
func (p *peer) matches(chunk []byte) (int, error) {
	got := make([]byte, len(chunk))
	for n := 0; ; n += len(got) {
		switch _, err := io.ReadFull(p.out, got); {
		case errors.Is(err, io.EOF):
			return n, nil
		case err != nil:
			return n, fmt.Errorf("reading what came back: %w", err)
		case !bytes.Equal(got, chunk):
			return n, fmt.Errorf("what came back after %d bytes differs", n)
		}
	}
}

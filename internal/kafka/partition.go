package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	kafkago "github.com/segmentio/kafka-go"
)

// partition is a claim at work.
type partition struct {
	client *Client
	group  Group
	claim  Claim
	// member is who owns the claim, by the broker's name for it.
	member  string
	handler Handler
	// next is the offset that is fetched next.
	next int64
}

// own reads one partition for the life of its generation. It returns early, which ends
// the generation, where the partition cannot be opened, has become shorter, or a commit
// was refused or not answered.
func (p *partition) own(ctx context.Context) {
	if !p.open(ctx) {
		return
	}
	if closer, is := p.handler.(io.Closer); is {
		defer func() { _ = closer.Close() }()
	}
	ctx, cancel := context.WithCancel(ctx)
	batches := make(chan []Record, 1) // the next batch is fetched while this one is handled
	var fetcher sync.WaitGroup
	fetcher.Go(func() {
		defer close(batches)
		p.fetch(ctx, batches)
	})
	p.work(ctx, batches)
	cancel()
	fetcher.Wait()
}

// open finds out where the claim begins and makes its handler.
func (p *partition) open(ctx context.Context) bool {
	topic, number := p.claim.Topic, p.claim.Partition
	var last Commit
	var end int64
	found := p.retry(ctx, func() (err error) {
		if last, err = p.client.committed(ctx, p.group.ID, topic, number); err != nil {
			return err
		}
		p.claim.First, end, err = p.client.bounds(ctx, topic, number)
		return err
	})
	if !found {
		return false
	}
	p.claim.Offset, p.claim.Metadata = max(last.Offset, p.claim.First), last.Metadata
	switch {
	case last.Offset > end:
		p.group.Truncated(p.claim, last.Offset-end)
		p.claim.Offset, p.claim.Metadata = p.claim.First, ""
	case last.Offset >= 0 && last.Offset < p.claim.First:
		p.group.Expired(p.claim, p.claim.First-last.Offset)
	}
	return p.retry(ctx, func() (err error) {
		p.handler, p.next, err = p.group.Open(ctx, p.claim)
		p.next = max(p.next, p.claim.First)
		return err
	})
}

// work gives the batches to the handler and commits what it says, until there are no more
// or the claim ends.
func (p *partition) work(ctx context.Context, batches <-chan []Record) {
	last := Commit{Offset: p.claim.Offset, Metadata: p.claim.Metadata}
	for batch := range batches {
		var done Commit
		handled := p.retry(ctx, func() (err error) {
			done, err = p.handler.Handle(ctx, batch)
			return err
		})
		if !handled {
			return
		}
		if done.Offset < last.Offset || done == last {
			continue
		}
		if !p.settle(ctx, done) {
			return
		}
		last = done
	}
}

// settle commits, and reports false where the claim is over.
func (p *partition) settle(ctx context.Context, commit Commit) bool {
	for wait := backoff(); ; {
		// What is done is committed even if the claim is about to end: in an orderly end it
		// saves the next owner the work, in any other the broker refuses it.
		err := p.commit(context.WithoutCancel(ctx), commit)
		if err == nil {
			return true
		}
		p.group.Retrying(p.claim, err)
		if final(err) || !wait(ctx) {
			return false
		}
	}
}

// fetch sends batches until ctx ends or the log has become too short.
func (p *partition) fetch(ctx context.Context, batches chan<- []Record) {
	for ctx.Err() == nil {
		var batch []Record
		truncated := false
		read := p.retry(ctx, func() (err error) {
			batch, err = p.read(ctx)
			if truncated = errors.Is(err, ErrTruncated); truncated {
				return nil
			}
			return err
		})
		if truncated {
			p.group.Retrying(p.claim, fmt.Errorf("reading Kafka %s/%d: offset %d is beyond its end: %w", p.claim.Topic, p.claim.Partition, p.next, ErrTruncated))
			return
		}
		if !read {
			return
		}
		if len(batch) == 0 {
			continue
		}
		p.next = batch[len(batch)-1].Offset + 1
		select {
		case batches <- batch:
		case <-ctx.Done():
			return
		}
	}
}

// read fetches once. No record is not an error.
func (p *partition) read(ctx context.Context) ([]Record, error) {
	batch, err := p.client.fetch(ctx, fetchRequest{
		topic: p.claim.Topic, partition: p.claim.Partition, offset: p.next, minBytes: p.group.MinBytes, wait: p.group.MaxWait,
	})
	if errors.Is(err, kafkago.OffsetOutOfRange) {
		return nil, p.skipExpired(ctx)
	}
	return batch, err
}

// ErrTruncated says that brokers have lost the end of a log. A partition that meets it while it is
// read ends its generation, and is opened anew where its log begins.
var ErrTruncated = errors.New("the log has become shorter than what was read")

// skipExpired goes on with the oldest record there is, and reports what was lost.
func (p *partition) skipExpired(ctx context.Context) error {
	first, end, err := p.client.bounds(ctx, p.claim.Topic, p.claim.Partition)
	if err != nil {
		return err
	}
	if p.next > end {
		return ErrTruncated
	}
	if first > p.next {
		p.group.Expired(p.claim, first-p.next)
		p.next = first
	}
	return nil
}

// retry calls do until it succeeds, and reports false if ctx ended first.
func (p *partition) retry(ctx context.Context, do func() error) bool {
	for wait := backoff(); ; {
		err := do()
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		p.group.Retrying(p.claim, err)
		if !wait(ctx) {
			return false
		}
	}
}

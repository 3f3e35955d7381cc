// Package kafka runs a Kafka broker inside the process, for `mcpwatch up`, tests and small
// sites: the Kafka protocol over TCP on loopback, its data on disk. What a producer was
// told is kept survives the death of the process; a power cut may take the last moments,
// as with Apache Kafka's own defaults.
package kafka

import (
	"fmt"
	"net"
	"os"
	"sync"

	"github.com/twmb/franz-go/pkg/kfake"
)

// Options describe a broker.
type Options struct {
	// Listen is a loopback host:port; port 0 picks a free one.
	Listen string
	// Data is the directory that keeps topics, groups and offsets.
	Data string
}

// Broker is a running Kafka broker.
type Broker struct {
	cluster *kfake.Cluster
	stop    sync.Once
}

// Start runs a broker. It answers when Start returns.
func Start(o Options) (*Broker, error) {
	listener, err := net.Listen("tcp", o.Listen) //nolint:noctx // it binds and does not wait
	if err != nil {
		return nil, fmt.Errorf("starting Kafka: %w", err)
	}
	if err := os.MkdirAll(o.Data, 0o700); err != nil {
		_ = listener.Close()
		return nil, fmt.Errorf("starting Kafka: %w", err)
	}
	cluster, err := kfake.NewCluster(
		kfake.NumBrokers(1),
		kfake.ClusterID("mcpwatch"),
		kfake.DataDir(o.Data),
		kfake.ListenFn(func(string, string) (net.Listener, error) { return listener, nil }),
		kfake.BrokerConfigs(map[string]string{"message.max.bytes": fmt.Sprint(8 << 20)}),
	)
	if err != nil {
		_ = listener.Close()
		return nil, fmt.Errorf("starting Kafka with data in %s: %w", o.Data, err)
	}
	return &Broker{cluster: cluster}, nil
}

// Addr is the broker's host:port.
func (b *Broker) Addr() string { return b.cluster.ListenAddrs()[0] }

// Close stops the broker after its data is on disk.
func (b *Broker) Close() { b.stop.Do(b.cluster.Close) }

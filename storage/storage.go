// Package storage keeps events and findings in ClickHouse.
//
// What it promises: whatever was written, however often and by whichever process, the
// views events and findings hold each id once. Writers only ever insert; rows with one
// identity collapse when they are merged and, until then, when they are read. So no
// crash, repeat, rebalance or late writer needs a special case, and no deduplication
// token can outlive its data.
package storage

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Database holds the product's tables.
const Database = "mcpwatch"

// Client speaks to one ClickHouse. It is safe for concurrent use.
type Client struct {
	conn driver.Conn
	host string
}

// dialTimeout bounds one attempt to reach ClickHouse.
const dialTimeout = 5 * time.Second

// Open returns a client for an address such as http://user:password@host:8123 or
// clickhouse://user:password@host:9000. A path names the database of statements that name
// none; our own always do. It connects on first use. The password never shows in an error.
func Open(address string) (*Client, error) {
	options, err := parse(address)
	if err != nil {
		return nil, err
	}
	conn, err := clickhouse.Open(options)
	if err != nil {
		return nil, fmt.Errorf("opening ClickHouse at %s: %w", strings.Join(options.Addr, ","), err)
	}
	return &Client{conn: conn, host: strings.Join(options.Addr, ",")}, nil
}

func parse(address string) (*clickhouse.Options, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return nil, errors.New("the ClickHouse address must be like http://user:password@host:8123 or clickhouse://user:password@host:9000")
	}
	options := &clickhouse.Options{
		Addr: []string{u.Host}, DialTimeout: dialTimeout,
		Auth: clickhouse.Auth{Username: "default", Database: strings.Trim(u.Path, "/")},
	}
	if u.User != nil {
		options.Auth.Username = u.User.Username()
		options.Auth.Password, _ = u.User.Password()
	}
	switch u.Scheme {
	case "http", "https":
		options.Protocol = clickhouse.HTTP
	case "clickhouse", "clickhouses":
		options.Protocol = clickhouse.Native
		options.Compression = &clickhouse.Compression{Method: clickhouse.CompressionLZ4}
	default:
		return nil, fmt.Errorf("the ClickHouse address begins with %q, must be http, https, clickhouse or clickhouses", u.Scheme)
	}
	if strings.HasSuffix(u.Scheme, "s") {
		options.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return options, nil
}

// Close drops the client's connections.
func (c *Client) Close() error { return c.conn.Close() }

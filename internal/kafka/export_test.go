package kafka

import (
	"context"
	"net"
)

// SetDial replaces how the client's own requests reach brokers; group members dial apart.
func (c *Client) SetDial(dial func(ctx context.Context, network, address string) (net.Conn, error)) {
	c.transport.Dial = dial
}

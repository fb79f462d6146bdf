package main

import (
	"cmp"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"
)

// A chaos is a proxy between clients and a server that forwards bytes, counts them, and breaks connections when a given
// number has come through.
type chaos struct {
	t      testing.TB
	addr   string
	target string // address of the server
	faults []fault

	busy sync.Mutex // held while a fault happens

	mu    sync.Mutex
	up    int64 // bytes from clients to the server
	down  int64 // bytes from the server to clients
	cut   int   // connections that were broken while they were in use
	pairs map[*pair]bool

	rtt    time.Duration // see slow
	window int

	ended chan struct{} // closed: the test is over
}

// A fault happens once, when so many bytes were forwarded in both directions together.
type fault struct {
	at int64
	do func(p *pair)
}

// A pair is one connection of a client, and the one to the server that belongs to it.
type pair struct {
	c              *chaos
	client, server *net.TCPConn
	used           bool
	stalled        chan struct{} // closed: nothing is forwarded any more
	stall          sync.Once
}

// startChaos forwards connections to target until the test ends.
func startChaos(t testing.TB, target string, faults ...fault) *chaos {
	t.Helper()
	slices.SortFunc(faults, func(a, b fault) int { return cmp.Compare(a.at, b.at) })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &chaos{t: t, addr: l.Addr().String(), target: target, faults: faults, pairs: map[*pair]bool{}, ended: make(chan struct{})}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { c.serve(conn.(*net.TCPConn)) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		close(c.ended)
		c.each((*pair).reset)
		wg.Wait()
	})
	return c
}

// add lets one more fault happen, after those that were there before.
func (c *chaos) add(f fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, f)
}

// slow makes each new connection one with a round-trip time and a window: no more than window bytes come through in a round
// trip.
func (c *chaos) slow(rtt time.Duration, window int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rtt, c.window = rtt, window
}

// each calls f for all connections.
func (c *chaos) each(f func(*pair)) {
	c.mu.Lock()
	var all []*pair
	for p := range c.pairs {
		all = append(all, p)
	}
	c.mu.Unlock()
	for _, p := range all {
		f(p)
	}
}

func (c *chaos) serve(client *net.TCPConn) {
	defer client.Close()
	server, err := net.Dial("tcp", c.target)
	if err != nil {
		_ = client.SetLinger(0)
		return
	}
	p := &pair{c: c, client: client, server: server.(*net.TCPConn), stalled: make(chan struct{})}
	c.mu.Lock()
	c.pairs[p] = true
	c.mu.Unlock()
	var wg sync.WaitGroup
	wg.Go(func() { p.forward(p.server, p.client, &c.up) })
	wg.Go(func() { p.forward(p.client, p.server, &c.down) })
	wg.Wait()
	server.Close()
	c.mu.Lock()
	delete(c.pairs, p)
	c.mu.Unlock()
}

// forward copies from one side to the other.
func (p *pair) forward(to, from *net.TCPConn, count *int64) {
	buf := make([]byte, 32<<10)
	var w io.Writer = to
	p.c.mu.Lock()
	rtt, window := p.c.rtt, p.c.window
	p.c.mu.Unlock()
	if rtt > 0 {
		_ = from.SetReadBuffer(window / 2)
		line := newDelayLine(to, rtt/2, window/2)
		defer line.close()
		w = line
	}
	for {
		n, err := from.Read(buf)
		if n > 0 {
			p.c.passed(p, count, n)
			select {
			case <-p.stalled:
				<-p.c.ended
				return
			default:
			}
			if _, err := w.Write(buf[:n]); err != nil {
				_ = from.Close()
				return
			}
		}
		switch {
		case err == io.EOF:
			if line, ok := w.(*delayLine); ok {
				line.close()
			}
			_ = to.CloseWrite()
			return
		case err != nil:
			_ = to.SetLinger(0)
			_ = to.Close()
			return
		}
	}
}

// passed counts bytes, and lets faults happen. Meanwhile nothing is forwarded.
func (c *chaos) passed(p *pair, count *int64, n int) {
	c.busy.Lock()
	defer c.busy.Unlock()
	c.mu.Lock()
	*count += int64(n)
	p.used = true
	var due []fault
	for len(c.faults) > 0 && c.up+c.down >= c.faults[0].at {
		due = append(due, c.faults[0])
		c.faults = c.faults[1:]
	}
	c.mu.Unlock()
	for _, f := range due {
		f.do(p)
	}
}

// broke counts a connection that was broken.
func (p *pair) broke() {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	p.c.cut++
}

// drop closes both connections.
func (p *pair) drop() {
	p.broke()
	_ = p.client.Close()
	_ = p.server.Close()
}

// reset closes both connections with RST.
func (p *pair) reset() {
	_ = p.client.SetLinger(0)
	_ = p.server.SetLinger(0)
	p.drop()
}

// freeze stops forwarding, and leaves the connections open.
func (p *pair) freeze() {
	p.stall.Do(func() {
		p.broke()
		close(p.stalled)
	})
}

// totals returns what was forwarded, and how many connections were broken.
func (c *chaos) totals() (up, down int64, cut int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.up, c.down, c.cut
}

// A delayLine writes bytes to a connection after a delay. No more than a window of them are on their way.
type delayLine struct {
	to     net.Conn
	delay  time.Duration
	window int
	done   chan struct{} // closed: all was written

	mu     sync.Mutex
	cond   sync.Cond
	pieces []delayedPiece
	under  int // bytes on their way
	ended  bool
	err    error
}

type delayedPiece struct {
	b  []byte
	at time.Time
}

func newDelayLine(to net.Conn, delay time.Duration, window int) *delayLine {
	d := &delayLine{to: to, delay: delay, window: window, done: make(chan struct{})}
	d.cond.L = &d.mu
	go d.deliver()
	return d
}

func (d *delayLine) deliver() {
	defer close(d.done)
	d.mu.Lock()
	defer d.mu.Unlock()
	for {
		for len(d.pieces) == 0 && !d.ended {
			d.cond.Wait()
		}
		if len(d.pieces) == 0 {
			return
		}
		p := d.pieces[0]
		d.pieces = d.pieces[1:]
		d.mu.Unlock()
		<-time.After(time.Until(p.at))
		_, err := d.to.Write(p.b)
		d.mu.Lock()
		if err != nil {
			d.err, d.ended = err, true
		}
		d.under -= len(p.b)
		d.cond.Broadcast()
		if d.err != nil {
			return
		}
	}
}

// Write implements io.Writer.
func (d *delayLine) Write(b []byte) (n int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for n < len(b) {
		for d.under >= d.window && d.err == nil {
			d.cond.Wait()
		}
		if d.err != nil {
			return n, d.err
		}
		piece := b[n:min(len(b), n+d.window-d.under)]
		d.pieces = append(d.pieces, delayedPiece{append([]byte(nil), piece...), time.Now().Add(d.delay)})
		d.under += len(piece)
		n += len(piece)
		d.cond.Broadcast()
	}
	return n, nil
}

// close delivers what is on its way.
func (d *delayLine) close() {
	d.mu.Lock()
	d.ended = true
	d.cond.Broadcast()
	d.mu.Unlock()
	<-d.done
}

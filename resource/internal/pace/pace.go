// Package pace says when a peer has become too slow to be waited for. Only time that is spent waiting for the peer is
// counted, so that a long transfer is as good as a short one, and a slow disk on this side is not held against the peer.
package pace

import "time"

// DefaultWindow is the window of a Limit without Idle.
const DefaultWindow = time.Minute

// A Limit says how slow a peer may be. The zero value sets no limit.
type Limit struct {
	// Idle is how long the peer may be waited for without a byte. Zero: as long as Rate allows.
	Idle time.Duration
	// Rate is the least rate, in bytes per second of waiting. It is averaged over a window, which is Idle, or DefaultWindow
	// if that is zero: a peer begins with an allowance of one window, waiting uses it up, and each byte adds 1/Rate
	// seconds to it, up to one window again. Zero: any rate.
	Rate int64
}

// Limits reports whether l sets a limit.
func (l Limit) Limits() bool { return l.Idle > 0 || l.Rate > 0 }

// Window returns the time over which Rate is averaged.
func (l Limit) Window() time.Duration {
	if l.Idle > 0 {
		return l.Idle
	}
	return DefaultWindow
}

// A Meter follows one transfer under a Limit. It is not safe for concurrent use.
type Meter struct {
	limit Limit
	still time.Duration // waited since the last byte
	owed  time.Duration // of the allowance, used up
}

// NewMeter returns the meter of a transfer that begins.
func NewMeter(l Limit) Meter { return Meter{limit: l} }

// Left returns how much longer the peer may be waited for without another byte: nothing if it is zero or less. Without a
// limit its value has no meaning.
func (m *Meter) Left() time.Duration {
	switch {
	case m.limit.Rate <= 0:
		return m.limit.Idle - m.still
	case m.limit.Idle <= 0:
		return m.limit.Window() - m.owed
	}
	return min(m.limit.Idle-m.still, m.limit.Window()-m.owed)
}

// Add notes that the peer was waited for, and that n bytes came or went in that time.
func (m *Meter) Add(waited time.Duration, n int64) {
	if n > 0 {
		m.still = 0
	} else {
		m.still += waited
	}
	if m.limit.Rate <= 0 {
		return
	}
	m.owed += waited
	// As a float64, for the time that n bytes are worth may overflow a Duration.
	if earned := float64(n) / float64(m.limit.Rate) * float64(time.Second); earned < float64(m.owed) {
		m.owed -= time.Duration(earned)
	} else {
		m.owed = 0
	}
}

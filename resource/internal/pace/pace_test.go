package pace

import (
	"math"
	"testing"
	"time"
)

func TestMeter(t *testing.T) {
	const s = time.Second
	type add struct {
		waited time.Duration
		n      int64
		want   time.Duration // that Left returns afterwards
	}
	for _, tt := range []struct {
		name  string
		limit Limit
		begin time.Duration
		adds  []add
	}{
		{"idle", Limit{Idle: 10 * s}, 10 * s, []add{
			{4 * s, 0, 6 * s}, {5 * s, 0, 1 * s}, {100 * s, 1, 10 * s}, {10 * s, 0, 0}, {1 * s, 0, -1 * s}}},
		{"rate", Limit{Rate: 10}, DefaultWindow, []add{
			{20 * s, 100, 50 * s}, {0, 50, 55 * s}, {0, 1000, 60 * s}, {30 * s, 0, 30 * s}, {40 * s, 100, 0}}},
		{"both", Limit{Idle: 10 * s, Rate: 100}, 10 * s, []add{
			{9 * s, 1, 1*s + s/100}, {0, 500, 6*s + s/100}, {0, 1 << 40, 10 * s}, {3 * s, 0, 7 * s}, {3 * s, 0, 4 * s},
			{0, 100, 5 * s}, {2 * s, 0, 3 * s}}},
		{"one byte a second", Limit{Idle: 4 * s, Rate: 2}, 4 * s, []add{
			{s, 1, 4*s - s/2}, {s, 1, 3 * s}, {s, 1, 3*s - s/2}, {s, 1, 2 * s}, {s, 1, 2*s - s/2}, {s, 1, s}, {s, 1, s / 2}, {s, 1, 0}}},
		{"large numbers", Limit{Idle: math.MaxInt64, Rate: math.MaxInt32}, math.MaxInt64, []add{
			{s, math.MaxInt64, math.MaxInt64}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if !tt.limit.Limits() {
				t.Error("sets no limit")
			}
			m := NewMeter(tt.limit)
			if got := m.Left(); got != tt.begin {
				t.Errorf("%v are left at the begin, want %v", got, tt.begin)
			}
			for i, a := range tt.adds {
				m.Add(a.waited, a.n)
				if got := m.Left(); got != a.want {
					t.Errorf("step %d: %v are left, want %v", i, got, a.want)
				}
			}
		})
	}
	if (Limit{}).Limits() {
		t.Error("the zero Limit sets a limit")
	}
}

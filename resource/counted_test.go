package resource

import (
	"context"
	"sync/atomic"

	"github.com/infill-http/infill/store"
)

// A countedStore knows how many transactions are open.
type countedStore struct {
	Store
	open atomic.Int64
}

func (s *countedStore) Begin(ctx context.Context, name string, o store.TxOptions) (Tx, error) {
	tx, err := s.Store.Begin(ctx, name, o)
	if err != nil {
		return nil, err
	}
	s.open.Add(1)
	return &countedTx{Tx: tx, s: s}, nil
}

// A countedTx ends once, with the first Commit or Rollback.
type countedTx struct {
	Tx
	s     *countedStore
	ended bool
}

func (tx *countedTx) Commit(ctx context.Context) (store.Result, error) {
	defer tx.end()
	return tx.Tx.Commit(ctx)
}

func (tx *countedTx) Rollback() {
	defer tx.end()
	tx.Tx.Rollback()
}

func (tx *countedTx) end() {
	if !tx.ended {
		tx.ended = true
		tx.s.open.Add(-1)
	}
}

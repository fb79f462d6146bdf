package resource

import (
	"context"
	"io"
	"iter"

	"github.com/infill-http/infill/ranges"
	"github.com/infill-http/infill/store"
)

// A Store holds the resources that a Handler serves. FromStore makes one of a *store.Store, whose methods say what each
// does; another implementation has to keep the same promises, above all that a commit which returned without error is
// durable, and that a condition is evaluated on the state that the commit replaces.
type Store interface {
	// Begin starts to write the resource with the given name.
	Begin(ctx context.Context, name string, o store.TxOptions) (Tx, error)
	// Stat returns the state of a resource.
	Stat(ctx context.Context, name string) (*store.Info, error)
	// Snapshot returns the representation of a resource at one moment.
	Snapshot(ctx context.Context, name string) (Snapshot, error)
	// Delete removes a resource.
	Delete(ctx context.Context, name string, cond store.Cond) error
	// Move gives a resource another name, in one step.
	Move(ctx context.Context, from, to string, cond, dest store.Cond) (store.Result, error)
	// Copy makes a resource of the same content with another name, in one step.
	Copy(ctx context.Context, from, to string, cond, dest store.Cond) (store.Result, error)
	// List yields what is directly in a collection.
	List(ctx context.Context, prefix, after string) iter.Seq2[store.Entry, error]
	// Secret returns random bytes that stay the same for the life of the store.
	Secret() []byte
}

// A Tx is one write: bytes are staged and then committed, see store.Tx. One goroutine uses it. WriteFrom has to tell a
// store.Summed of what it stages: digests are verified by that.
type Tx interface {
	Info() *store.Info
	WriteFrom(r io.Reader, off, n, length int64) (int64, error)
	ReadStaged(w io.Writer, r ranges.Range) error
	SetLength(n int64) error
	SetMetadata(m store.Metadata) error
	Declare(alg store.Algorithm, sum []byte) error
	Computed(alg store.Algorithm, sum []byte)
	Persist(ctx context.Context) (store.Result, error)
	Commit(ctx context.Context) (store.Result, error)
	Rollback()
}

// A Snapshot is a representation that does not change, see store.Snapshot.
type Snapshot interface {
	Info() *store.Info
	ReadAt(p []byte, off int64) (int, error)
	WriteRange(w io.Writer, r ranges.Range) (int64, error)
	Digest(ctx context.Context, alg store.Algorithm) ([]byte, error)
	Close() error
}

// FromStore returns s as the Store of a Handler. It does not take over closing s.
func FromStore(s *store.Store) Store { return adapter{s} }

type adapter struct{ *store.Store }

func (a adapter) Begin(ctx context.Context, name string, o store.TxOptions) (Tx, error) {
	tx, err := a.Store.Begin(ctx, name, o)
	if err != nil {
		return nil, err
	}
	return tx, nil
}

func (a adapter) Snapshot(ctx context.Context, name string) (Snapshot, error) {
	sn, err := a.Store.Snapshot(ctx, name)
	if err != nil {
		return nil, err
	}
	return sn, nil
}

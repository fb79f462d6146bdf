package store

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

func sum256(s string) []byte { b := sha256.Sum256([]byte(s)); return b[:] }
func sum512(s string) []byte { b := sha512.Sum512([]byte(s)); return b[:] }

// fillDeclared begins a fill of all of a resource that declares sum for it.
func fillDeclared(t testing.TB, s *Store, name, body string, sum []byte) *Tx {
	t.Helper()
	tx := begin(t, s, name, TxOptions{})
	if err := tx.Declare(SHA256, sum); err != nil {
		t.Fatal(err)
	}
	setLength(t, tx, int64(len(body)))
	write(t, tx, 0, body)
	return tx
}

// TestDeclaredEndsWithCompletion: the digests declared for a fill say nothing
// about what a complete resource is overwritten with.
func TestDeclaredEndsWithCompletion(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{})
	commit(t, fillDeclared(t, s, "/a", "hello", sum256("hello")))
	tx := begin(t, s, "/a", TxOptions{})
	write(t, tx, 0, "J")
	if err := tx.Declare(SHA256, sum256("Jello")); err != nil {
		t.Fatal(err)
	}
	if res := commit(t, tx); len(res.Info.Declared) > 0 {
		t.Errorf("a complete resource has declared digests: %v", res.Info.Declared)
	}
	tx = begin(t, s, "/a", TxOptions{})
	write(t, tx, 0, "C")
	if err := tx.Declare(SHA256, sum256("Jello")); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Commit(ctx); !errors.Is(err, ErrDigestMismatch) {
		t.Errorf("overwrite with the wrong digest: %v", err)
	}
	if got := read(t, s, "/a"); got != "Jello" {
		t.Errorf("got %q", got)
	}
	verifyStore(t, s)
	closeStore(t, s)
}

// TestDeclareVerifiesNoOp: a transaction that changes nothing still learns if
// the digest that it declares is wrong.
func TestDeclareVerifiesNoOp(t *testing.T) {
	s := openMem(t, vfs.NewMem(), Options{})
	put(t, s, "/a", "hello")
	for _, tt := range []struct {
		sum  []byte
		want error
	}{
		{sum256("other"), ErrDigestMismatch},
		{sum256("hello"), nil},
	} {
		tx := begin(t, s, "/a", TxOptions{})
		write(t, tx, 1, "ell")
		if err := tx.Declare(SHA256, tt.sum); err != nil {
			t.Fatal(err)
		}
		if res, err := tx.Commit(ctx); !errors.Is(err, tt.want) || res.Changed {
			t.Errorf("%+v, %v; want %v", res, err, tt.want)
		}
	}
	closeStore(t, s)
}

// TestCompletedOnce: of the commits that wait for the verdict together, one
// made the resource complete.
func TestCompletedOnce(t *testing.T) {
	fs, h := hooked(vfs.NewMem())
	s := openMem(t, fs, Options{})
	txs := []*Tx{fillDeclared(t, s, "/a", "hello", sum256("hello"))}
	for range 3 {
		txs = append(txs, begin(t, s, "/a", TxOptions{}))
	}
	b := newBarrier()
	h.on(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileReadAt {
			b.stop()
		}
		return nil
	})
	results := make(chan Result)
	waits := waitingContext{ctx, make(chan bool)}
	for i, tx := range txs {
		go func() {
			res, err := tx.Commit(waits)
			if err != nil {
				t.Error(err)
			}
			results <- res
		}()
		if i == 0 {
			<-b.reached // the first has covered the resource
		}
		<-waits.waiting
	}
	go func() {
		for range waits.waiting { // a verdict may be awaited more than once
		}
	}()
	close(b.lifted)
	completed := 0
	for range txs {
		res := <-results
		if !res.Info.Complete {
			t.Errorf("not complete: %+v", res.Info)
		}
		if res.Completed {
			completed++
		}
	}
	close(waits.waiting)
	if completed != 1 {
		t.Errorf("%d commits completed the resource", completed)
	}
	verifyStore(t, s)
	closeStore(t, s)
}

// A waitingContext tells when somebody waits for it to be done.
type waitingContext struct {
	context.Context
	waiting chan bool
}

func (c waitingContext) Done() <-chan struct{} {
	c.waiting <- true
	return c.Context.Done()
}

// TestDeclareDuringVerification: a digest that is declared while others are
// computed counts too.
func TestDeclareDuringVerification(t *testing.T) {
	fs, h := hooked(vfs.NewMem())
	s := openMem(t, fs, Options{})
	b := newBarrier()
	h.on(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileReadAt {
			b.stop()
		}
		return nil
	})
	first := fillDeclared(t, s, "/a", "hello", sum256("hello"))
	done := make(chan error, 2)
	go func() { _, err := first.Commit(ctx); done <- err }()
	<-b.reached
	second := begin(t, s, "/a", TxOptions{})
	if err := second.Declare(SHA512, sum512("other")); err != nil {
		t.Fatal(err)
	}
	if res, err := second.Persist(ctx); err != nil || !res.Info.Unverified {
		t.Fatalf("%+v, %v", res.Info, err)
	}
	close(b.lifted)
	if err := <-done; !errors.Is(err, ErrDigestMismatch) {
		t.Errorf("commit: %v", err)
	}
	second.Rollback()
	info, err := s.Stat(ctx, "/a")
	if err != nil || info.Complete || !info.Mismatched {
		t.Errorf("%+v, %v", info, err)
	}
	verifyStore(t, s)
	closeStore(t, s)
}

// TestDeleteDuringVerification: what the verification notes does not outlive
// the resource.
func TestDeleteDuringVerification(t *testing.T) {
	fs, h := hooked(vfs.NewMem())
	s := openMem(t, fs, Options{})
	b := newBarrier()
	h.on(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileReadAt {
			b.stop()
		}
		return nil
	})
	tx := fillDeclared(t, s, "/a", "hello", sum256("hello"))
	done := make(chan error)
	go func() { _, err := tx.Commit(ctx); done <- err }()
	<-b.reached
	if err := s.Delete(ctx, "/a", nil); err != nil {
		t.Fatal(err)
	}
	close(b.lifted)
	if err := <-done; !errors.Is(err, ErrReplaced) {
		t.Errorf("commit: %v", err)
	}
	verifyStore(t, s)
	closeStore(t, s)
}

// TestVerificationResumes: a store that was closed, or crashed, between the
// last commit and the verdict gives it after it is opened.
func TestVerificationResumes(t *testing.T) {
	mem := vfs.NewCrashableMem()
	fs, h := hooked(mem)
	s := openMem(t, fs, Options{})
	b := newBarrier()
	h.on(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileReadAt {
			b.stop()
		}
		return nil
	})
	body := strings.Repeat("0123456789", 1000)
	tx := fillDeclared(t, s, "/a", body, sum256(body))
	done := make(chan bool)
	go func() { tx.Commit(ctx); close(done) }()
	<-b.reached
	crashed := mem.CrashClone(vfs.CrashCloneCfg{})
	close(b.lifted)
	<-done
	closeStore(t, s)

	s = openMem(t, crashed, Options{})
	res := commit(t, begin(t, s, "/a", TxOptions{})) // waits
	if !res.Info.Complete || res.Changed {
		t.Errorf("%+v", res)
	}
	verifyStore(t, s)
	closeStore(t, s)
}

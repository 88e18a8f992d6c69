package inventory

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// row is what a table holds of one object.
type row interface {
	comparable
	key() client.ObjectKey
	// app is what the row is found and reconciled by.
	app() client.ObjectKey
	// size is about how many bytes are held.
	size() int
}

// table is what a reflector fills with the objects of one kind. It holds a row
// of each and no object: informers would hold whole metadata, a text for each
// key and a set for each value of an index, which is most of a leader's memory
// in a cluster of 20,000 apps.
type table[R row] struct {
	// read takes the row from an object; the zero row is for one that concerns
	// nobody here, of which nothing is held.
	read func(object runtime.Object) R
	// same says that nothing changed that anybody reads.
	same func(last, next R) bool
	// changed is called for each app whose rows changed.
	changed func(app client.ObjectKey)
	// held hears how much the table holds, when that changes.
	held func(objects, bytes int)

	mu   sync.RWMutex
	rows map[client.ObjectKey]R
	// first has one row of each app, and others the rest: most apps have one.
	first  map[client.ObjectKey]R
	others map[client.ObjectKey][]R
	bytes  int
	listed bool
	synced chan struct{}
	once   sync.Once
}

func newTable[R row](read func(runtime.Object) R, same func(last, next R) bool, changed func(client.ObjectKey), held func(objects, bytes int)) *table[R] {
	return &table[R]{
		read: read, same: same, changed: changed, held: held,
		rows: make(map[client.ObjectKey]R), first: make(map[client.ObjectKey]R), others: make(map[client.ObjectKey][]R),
		synced: make(chan struct{}),
	}
}

var _ toolscache.TransformingStore = &table[*Pod]{}

// Transformer has the reflector hold rows, too, while it lists.
func (t *table[R]) Transformer() toolscache.TransformFunc {
	return func(object any) (any, error) { return t.rowOf(object) }
}

func (t *table[R]) rowOf(object any) (R, error) {
	switch object := object.(type) {
	case R:
		return object, nil
	case runtime.Object:
		return t.read(object), nil
	}
	var none R
	return none, fmt.Errorf("cannot hold a %T", object)
}

// Add implements cache.ReflectorStore.
func (t *table[R]) Add(object any) error { return t.Update(object) }

// Update implements cache.ReflectorStore.
func (t *table[R]) Update(object any) error {
	next, err := t.rowOf(object)
	if err != nil {
		return err
	}
	var none R
	if next == none {
		return t.Delete(object)
	}
	tell(t.changed, t.put(next))
	return nil
}

// Delete implements cache.ReflectorStore.
func (t *table[R]) Delete(object any) error {
	meta, ok := object.(metav1.Object)
	if !ok {
		return fmt.Errorf("cannot tell the name of a %T", object)
	}
	tell(t.changed, t.drop(client.ObjectKey{Namespace: meta.GetNamespace(), Name: meta.GetName()}))
	return nil
}

// Replace implements cache.ReflectorStore.
func (t *table[R]) Replace(objects []any, _ string) error {
	var none R
	seen := make(map[client.ObjectKey]bool, len(objects))
	for _, object := range objects {
		next, err := t.rowOf(object)
		if err != nil {
			return err
		}
		if next != none {
			seen[next.key()] = true
			tell(t.changed, t.put(next))
		}
	}
	for _, key := range keysOf(t.all()) {
		if !seen[key] {
			tell(t.changed, t.drop(key))
		}
	}
	t.setListed(true)
	t.sync()
	return nil
}

// Resync implements cache.ReflectorStore. Nobody asks for it.
func (t *table[R]) Resync() error { return nil }

// sync says that all is there that there is.
func (t *table[R]) sync() { t.once.Do(func() { close(t.synced) }) }

func (t *table[R]) setListed(listed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.listed = listed
}

// isListed says that the kind is served, so that what is not held is not there.
func (t *table[R]) isListed() bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.listed
}

func (t *table[R]) wait(ctx context.Context) error {
	select {
	case <-t.synced:
		return nil
	case <-ctx.Done():
		return errors.New("cannot list all objects in time")
	}
}

// put holds a row, and returns the apps that this concerns.
func (t *table[R]) put(next R) []client.ObjectKey {
	t.mu.Lock()
	defer t.mu.Unlock()
	last, known := t.rows[next.key()]
	if known && t.same(last, next) {
		return nil
	}
	concerned := []client.ObjectKey{next.app()}
	if known {
		t.bytes -= last.size()
		t.forget(last)
		if last.app() != next.app() {
			concerned = append(concerned, last.app())
		}
	}
	t.rows[next.key()] = next
	t.bytes += next.size()
	t.held(len(t.rows), t.bytes)
	if _, more := t.first[next.app()]; more {
		t.others[next.app()] = append(t.others[next.app()], next)
	} else {
		t.first[next.app()] = next
	}
	return concerned
}

func (t *table[R]) drop(key client.ObjectKey) []client.ObjectKey {
	t.mu.Lock()
	defer t.mu.Unlock()
	last, known := t.rows[key]
	if !known {
		return nil
	}
	t.forget(last)
	delete(t.rows, key)
	t.bytes -= last.size()
	t.held(len(t.rows), t.bytes)
	return []client.ObjectKey{last.app()}
}

// forget takes a row from its app's.
func (t *table[R]) forget(last R) {
	app := last.app()
	rest := slices.DeleteFunc(t.rowsOf(app), func(other R) bool { return other == last })
	delete(t.first, app)
	delete(t.others, app)
	if len(rest) > 0 {
		t.first[app] = rest[0]
	}
	if len(rest) > 1 {
		t.others[app] = slices.Clone(rest[1:])
	}
}

// rowsOf returns the rows of an app, in a slice of its own.
func (t *table[R]) rowsOf(app client.ObjectKey) []R {
	first, ok := t.first[app]
	if !ok {
		return nil
	}
	return append([]R{first}, t.others[app]...)
}

func tell(changed func(client.ObjectKey), apps []client.ObjectKey) {
	for _, app := range apps {
		changed(app)
	}
}

// clear drops everything: the kind is no longer served.
func (t *table[R]) clear() {
	t.setListed(false)
	for _, key := range keysOf(t.all()) {
		tell(t.changed, t.drop(key))
	}
}

// all are the rows, in no order. The table waits for those who go through them.
func (t *table[R]) all() iter.Seq[R] {
	return func(yield func(R) bool) {
		t.mu.RLock()
		defer t.mu.RUnlock()
		for _, row := range t.rows {
			if !yield(row) {
				return
			}
		}
	}
}

// keysOf lists the keys of rows.
func keysOf[R row](rows iter.Seq[R]) []client.ObjectKey {
	var keys []client.ObjectKey
	for row := range rows {
		keys = append(keys, row.key())
	}
	return keys
}

// get returns the row of an object; the zero row where there is none.
func (t *table[R]) get(key client.ObjectKey) R {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.rows[key]
}

// of returns the rows of an app, in no order.
func (t *table[R]) of(app client.ObjectKey) []R {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.rowsOf(app)
}

// appsIn lists the apps of a namespace, with "" of all.
func (t *table[R]) appsIn(namespace string) []client.ObjectKey {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var apps []client.ObjectKey
	for app := range t.first {
		if namespace == "" || app.Namespace == namespace {
			apps = append(apps, app)
		}
	}
	return apps
}

package eso

import "sync"

// waiters wake those who wait for a change in a namespace.
type waiters struct {
	mu    sync.Mutex
	waits map[string]*waiting
}

// waiting are those who wait for a namespace's next change.
type waiting struct {
	changed chan struct{}
	count   int
}

// next is closed with the next change in the namespace. Whoever waits calls leave at
// the end: nothing may be kept of a namespace in which nothing ever changes.
func (n *waiters) next(namespace string) (changed <-chan struct{}, leave func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.waits == nil {
		n.waits = map[string]*waiting{}
	}
	w := n.waits[namespace]
	if w == nil {
		w = &waiting{changed: make(chan struct{})}
		n.waits[namespace] = w
	}
	w.count++
	return w.changed, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		if w.count--; w.count == 0 && n.waits[namespace] == w {
			delete(n.waits, namespace)
		}
	}
}

// wake says that there is a change.
func (n *waiters) wake(namespace string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if w := n.waits[namespace]; w != nil {
		close(w.changed)
		delete(n.waits, namespace)
	}
}

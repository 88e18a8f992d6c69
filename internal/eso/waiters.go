package eso

import "sync"

// waiters wake those who wait for a change in a namespace.
type waiters struct {
	mu    sync.Mutex
	waits map[string]chan struct{}
}

// next is closed with the next change in the namespace.
func (n *waiters) next(namespace string) <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.waits == nil {
		n.waits = map[string]chan struct{}{}
	}
	if n.waits[namespace] == nil {
		n.waits[namespace] = make(chan struct{})
	}
	return n.waits[namespace]
}

// wake says that there is a change.
func (n *waiters) wake(namespace string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if wait := n.waits[namespace]; wait != nil {
		close(wait)
		delete(n.waits, namespace)
	}
}

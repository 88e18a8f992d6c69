package eso

import "sync"

// news wakes those who wait for a change in a namespace.
type news struct {
	mu    sync.Mutex
	waits map[string]chan struct{}
}

// next is closed with the next change in the namespace.
func (n *news) next(namespace string) <-chan struct{} {
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

// tell says that there is a change.
func (n *news) tell(namespace string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if wait := n.waits[namespace]; wait != nil {
		close(wait)
		delete(n.waits, namespace)
	}
}

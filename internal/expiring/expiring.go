// Package expiring remembers things for a while: a bounded number of them, and none
// longer than it is asked to. What has expired is dropped, so that a replica that has
// seen 100,000 apps come and go holds no more than one that has not.
package expiring

import (
	"container/list"
	"maps"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// Cache remembers values by their keys, each for the same time. It is safe for
// concurrent use.
type Cache[K comparable, V any] struct {
	clock clock.PassiveClock
	ttl   time.Duration
	limit int

	mu sync.Mutex
	// items are the entries; order has them by the time of their addition, which is
	// that of their expiry, too.
	items map[K]*list.Element
	order *list.List
	// most is how many there were since the map was made: a map does not shrink.
	most int
}

type entry[K comparable, V any] struct {
	key     K
	value   V
	expires time.Time
}

// New returns an empty Cache. It remembers each value for ttl, and the last limit of
// them.
func New[K comparable, V any](c clock.PassiveClock, limit int, ttl time.Duration) *Cache[K, V] {
	return &Cache[K, V]{clock: c, ttl: ttl, limit: limit, items: map[K]*list.Element{}, order: list.New()}
}

// Add remembers a value from now on.
func (c *Cache[K, V]) Add(key K, value V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.clock.Now()
	if at, ok := c.items[key]; ok {
		c.drop(at)
	}
	c.expire(now)
	for len(c.items) >= c.limit {
		c.drop(c.order.Front())
	}
	c.items[key] = c.order.PushBack(entry[K, V]{key: key, value: value, expires: now.Add(c.ttl)})
	c.most = max(c.most, len(c.items))
}

// Get returns the value of a key that is remembered.
func (c *Cache[K, V]) Get(key K) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expire(c.clock.Now())
	at, ok := c.items[key]
	if !ok {
		return value, false
	}
	return entryOf[K, V](at).value, true
}

// Remove forgets a key.
func (c *Cache[K, V]) Remove(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, ok := c.items[key]; ok {
		c.drop(at)
	}
}

// Len is how many values are remembered.
func (c *Cache[K, V]) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expire(c.clock.Now())
	return len(c.items)
}

// expire drops what has expired.
func (c *Cache[K, V]) expire(now time.Time) {
	for first := c.order.Front(); first != nil && !entryOf[K, V](first).expires.After(now); first = c.order.Front() {
		c.drop(first)
	}
	const small = 64
	if c.most > small && len(c.items) < c.most/4 {
		kept := make(map[K]*list.Element, len(c.items))
		maps.Copy(kept, c.items)
		c.items, c.most = kept, len(kept)
	}
}

func (c *Cache[K, V]) drop(at *list.Element) {
	c.order.Remove(at)
	delete(c.items, entryOf[K, V](at).key)
}

func entryOf[K comparable, V any](at *list.Element) entry[K, V] {
	return at.Value.(entry[K, V]) //nolint:forcetypeassert // nothing else is put there
}

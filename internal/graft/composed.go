package graft

import (
	"bytes"
	"slices"
	"strings"

	"github.com/envgraft/envgraft/internal/envresolve"
	"github.com/envgraft/envgraft/internal/jsonscan"
)

// The rule: a literal that is made of its own key carries the higher tier
// already, as DB_URL: "$(DB_URL)?sslmode=require". It stays. So does one that
// refers to its key through other variables of the container. The kubelet
// expands $(NAME) to what the entry before gives NAME, else to what envFrom
// gives it, in which the highest tier comes last.

// maxReferences are followed in a container: each entry can refer to all before
// it. No container that runs comes near; beyond, a literal is bound as if it
// referred to nothing.
const (
	maxReferences     = 50_000
	maxReferenceDepth = 100
)

// composition knows which variables of a container are made of which.
type composition struct {
	tiers *tiers
	env   []envView
	keep  Names
	// entries are the indices of each name, ascending; nil until asked for.
	entries map[string][]int
	// seen has the question that an entry was last looked at for.
	seen     []int
	question int
	followed int
	// gone are the literals that gave way to their key.
	gone []bool
}

// newComposition returns nil for a container that refers to nothing.
func newComposition(t *tiers, c containerView, env []envView, keep Names) *composition {
	if !bytes.Contains(c.env, []byte("$(")) && !bytes.Contains(c.env, []byte(`\`)) {
		return nil
	}
	return &composition{tiers: t, env: env, keep: keep, gone: make([]bool, len(env))}
}

// bound notes that a literal gave way to its key.
func (c *composition) bound(i int) {
	if c != nil {
		c.gone[i] = true
	}
}

// ofItsKey says that the literal at an index is made of the key that it would
// be bound to, or of its own name where the keys are not known.
func (c *composition) ofItsKey(i int, name string, bindings []keyRef) bool {
	if c == nil {
		return false
	}
	key := keyRef{key: name}
	if len(bindings) > 0 {
		key = bindings[len(bindings)-1]
	}
	c.question++
	return c.madeOf(i, key, 0)
}

// madeOf says that the value of the literal at an index is made of a key.
func (c *composition) madeOf(i int, key keyRef, depth int) bool {
	if depth > 0 {
		c.followed += len(c.env[i].value) / 16 // it is read again for each question
	}
	if c.followed > maxReferences || depth > maxReferenceDepth {
		return false
	}
	for name := range envresolve.References(c.env[i].text()) {
		if c.followed++; c.followed > maxReferences {
			return false
		}
		if c.gives(name, i, key, depth) {
			return true
		}
	}
	return false
}

// gives says that a reference to a name, in the entry at an index, expands to
// a key or what is made of it.
func (c *composition) gives(name string, before int, key keyRef, depth int) bool {
	j, ok := c.last(name, before)
	if !ok {
		return name == key.key || key.tier == "" && c.tiers.fold && strings.EqualFold(name, key.key)
	}
	if c.seen[j] == c.question {
		return false // it was looked at, or is being
	}
	c.seen[j] = c.question
	e := c.env[j]
	var room [numberOfTiers]keyRef
	switch bindings := c.tiers.bindings(name, room[:]); {
	case !e.literal():
		return e.takes(key)
	case c.keep.Has(name) || len(bindings) == 0:
		return c.madeOf(j, key, depth+1)
	case c.gone[j]:
		return bindings[len(bindings)-1] == key
	}
	return c.madeOf(j, key, depth+1)
}

// last returns the last entry of a name before an index.
func (c *composition) last(name string, before int) (index int, ok bool) {
	if c.entries == nil {
		c.seen = make([]int, len(c.env))
		c.entries = make(map[string][]int, len(c.env))
		for i, e := range c.env {
			name := e.name()
			c.entries[name] = append(c.entries[name], i)
		}
	}
	n, _ := slices.BinarySearch(c.entries[name], before)
	if n == 0 {
		return 0, false
	}
	return c.entries[name][n-1], true
}

// text returns a literal's value.
func (e envView) text() string {
	if len(e.value) == 0 || e.value[0] != '"' || !bytes.ContainsAny(e.value, `$\`) {
		return ""
	}
	return jsonscan.New(e.value).Text()
}

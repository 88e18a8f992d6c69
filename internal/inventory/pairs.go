package inventory

import (
	"maps"
	"slices"
	"strings"
	"time"
	"unique"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/graft"
)

// Pairs are labels or annotations, sorted: key, value, key, value. A map of
// two takes a third of a KiB, and there are several for each pod and workload
// of a cluster.
type Pairs []string

// maxValue bounds what is held of a value, in bytes. Every value but a list is
// invalid long before: a parameter's name has 2,048 characters at most.
const maxValue = 4096

// pairsOf keeps the entries whose key is wanted. Anybody who may create an
// object writes 256 KiB of annotations: what nobody reads is not held.
func pairsOf(from map[string]string, wanted func(string) bool) Pairs {
	var kept Pairs
	for _, key := range slices.Sorted(maps.Keys(from)) {
		if wanted(key) {
			kept = append(kept, intern(key), bound(key, from[key]))
		}
	}
	return slices.Clip(kept)
}

// bound cuts a value to what is read of it. A list may be long, and of it only
// is read whether it is valid: its entries are the webhook's business, which
// reads the pod itself. What is cut of anything else is as invalid as the whole.
// The text is cloned, or the rest of the object would be held with it.
func bound(key, value string) string {
	if len(value) <= maxValue {
		return value
	}
	if key == api.AnnotationKeep || key == api.AnnotationContainers {
		return summary(value)
	}
	return strings.Clone(value[:maxValue])
}

// summary is a list that is as valid as the one that is too long to be held.
func summary(list string) string {
	entries, empty := 0, false
	for entry := range strings.SplitSeq(list, ",") {
		entries++
		empty = empty || strings.TrimSpace(entry) == ""
	}
	switch {
	case empty:
		return ","
	case entries > graft.MaxListEntries:
		return strings.Repeat("x,", graft.MaxListEntries) + "x"
	}
	return "x"
}

// Get returns the value of a key; "" where there is none.
func (p Pairs) Get(key string) string {
	for at := 0; at < len(p); at += 2 {
		if p[at] == key {
			return p[at+1]
		}
	}
	return ""
}

// Map returns the pairs as Kubernetes has them.
func (p Pairs) Map() map[string]string {
	m := make(map[string]string, len(p)/2)
	for at := 0; at < len(p); at += 2 {
		m[p[at]] = p[at+1]
	}
	return m
}

// size is about how many bytes are held. Keys are shared.
func (p Pairs) size() int {
	n := 0
	for at := 0; at < len(p); at += 2 {
		n += 2*stringHeader + len(p[at+1])
	}
	return n
}

// stringHeader is what a string takes besides its text.
const stringHeader = 16

// intern has texts that many rows share held once.
func intern(text string) string { return unique.Make(text).Value() }

// second is a time as API servers keep it, in a third of the space.
type second int64

func secondOf(t metav1.Time) second { return second(t.Unix()) }

func (s second) time() time.Time { return time.Unix(int64(s), 0) }

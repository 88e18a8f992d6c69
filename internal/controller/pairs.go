package controller

import (
	"maps"
	"slices"
	"strings"
	"time"
	"unique"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/envgraft/envgraft/internal/api"
)

// pairs are labels or annotations, sorted: key, value, key, value. A map of
// two takes a third of a KiB, and there are several for each pod and workload
// of a cluster.
type pairs []string

// pairsOf keeps the entries whose key is wanted.
func pairsOf(from map[string]string, wanted func(string) bool) pairs {
	var kept pairs
	for _, key := range slices.Sorted(maps.Keys(from)) {
		if wanted(key) {
			kept = append(kept, intern(key), from[key])
		}
	}
	return slices.Clip(kept)
}

func (p pairs) get(key string) string {
	for at := 0; at < len(p); at += 2 {
		if p[at] == key {
			return p[at+1]
		}
	}
	return ""
}

func (p pairs) toMap() map[string]string {
	m := make(map[string]string, len(p)/2)
	for at := 0; at < len(p); at += 2 {
		m[p[at]] = p[at+1]
	}
	return m
}

// intern has texts that many rows share held once.
func intern(text string) string { return unique.Make(text).Value() }

// identifies says that a label or annotation has a say in a pod's identity or
// settings, or was written by envgraft.
func identifies(key string) bool {
	return key == api.LabelName || key == api.LabelPartOf || strings.HasPrefix(key, api.Group+"/")
}

// second is a time as API servers keep it, in a third of the space.
type second int64

func secondOf(t metav1.Time) second { return second(t.Unix()) }

func (s second) time() time.Time { return time.Unix(int64(s), 0) }

package reconcile

import (
	"maps"
	"slices"
	"sync"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/eso"
	"github.com/envgraft/envgraft/internal/metrics"
)

// ledger remembers of each app how it fares, for the metrics, and which
// ExternalSecrets and Secrets it depends on, so that one that somebody else
// made finds the apps that use it.
type ledger struct {
	metrics *metrics.Metrics

	mu     sync.Mutex
	apps   map[client.ObjectKey]entry
	users  map[dependency][]client.ObjectKey
	counts map[metrics.ExternalSecretState]int
	// outdated are the apps that have stale pods.
	outdated map[client.ObjectKey]map[metrics.StaleReason]int
}

type entry struct {
	state metrics.ExternalSecretState
	uses  []dependency
}

// dependency is an object by kind ("ExternalSecret" or "Secret") and key.
type dependency struct {
	kind string
	key  client.ObjectKey
}

func newLedger(m *metrics.Metrics) *ledger {
	return &ledger{
		metrics: m,
		apps:    make(map[client.ObjectKey]entry),
		users:   make(map[dependency][]client.ObjectKey),
		counts:  make(map[metrics.ExternalSecretState]int),

		outdated: make(map[client.ObjectKey]map[metrics.StaleReason]int),
	}
}

// record replaces what is known of an app.
func (l *ledger) record(app client.ObjectKey, state metrics.ExternalSecretState, uses []dependency) {
	l.mu.Lock()
	defer l.mu.Unlock()
	last, known := l.apps[app]
	if known && last.state == state && slices.Equal(last.uses, uses) {
		return
	}
	l.remove(app)
	l.apps[app] = entry{state: state, uses: uses}
	l.counts[state]++
	for _, use := range uses {
		l.users[use] = append(l.users[use], app)
	}
	l.metrics.SetExternalSecrets(l.counts)
}

// forget drops an app that has no injected pods.
func (l *ledger) forget(app client.ObjectKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.apps[app]; !known {
		return
	}
	l.remove(app)
	l.metrics.SetExternalSecrets(l.counts)
}

func (l *ledger) remove(app client.ObjectKey) {
	last, known := l.apps[app]
	if !known {
		return
	}
	delete(l.apps, app)
	l.counts[last.state]--
	for _, use := range last.uses {
		rest := slices.DeleteFunc(l.users[use], func(user client.ObjectKey) bool { return user == app })
		if len(rest) == 0 {
			delete(l.users, use)
			continue
		}
		l.users[use] = rest
	}
}

// stale replaces how many of an app's pods are stale.
func (l *ledger) stale(app client.ObjectKey, pods map[metrics.StaleReason]int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if maps.Equal(l.outdated[app], pods) {
		return
	}
	delete(l.outdated, app)
	if len(pods) > 0 {
		l.outdated[app] = pods
	}
	sum := make(map[metrics.StaleReason]int)
	for _, counts := range l.outdated {
		for reason, n := range counts {
			sum[reason] += n
		}
	}
	l.metrics.SetStalePods(sum)
}

// appsUsing lists the apps that depend on an object.
func (l *ledger) appsUsing(kind, namespace, name string) []client.ObjectKey {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.users[dependency{kind, client.ObjectKey{Namespace: namespace, Name: name}}])
}

// concerned lists the apps that an ExternalSecret is made for, or that use it.
func (l *ledger) concerned(e *eso.ExternalSecret) []client.ObjectKey {
	var apps []client.ObjectKey
	if app := e.Labels[api.LabelApp]; app != "" {
		apps = append(apps, client.ObjectKey{Namespace: e.Namespace, Name: app})
	}
	apps = append(apps, l.appsUsing(eso.Kind, e.Namespace, e.Name)...)
	return append(apps, l.appsUsing(kindSecret, e.Namespace, e.SecretName())...)
}

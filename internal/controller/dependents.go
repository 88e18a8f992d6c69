package controller

import (
	"maps"
	"slices"
	"sync"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/staleness"
)

// dependents remembers the state of each app, for the metrics. Of those that have
// no ExternalSecret of their own, which says whose it is, it remembers the names
// of the ExternalSecrets and Secrets that they depend on, so that one that
// somebody else made finds them. It does not tell the two kinds apart: an app
// that is reconciled for a namesake finds nothing to do.
type dependents struct {
	metrics Recorder

	mu     sync.Mutex
	states map[client.ObjectKey]externalsecret.State
	uses   map[client.ObjectKey][]string
	users  map[client.ObjectKey][]string
	counts map[externalsecret.State]int
	// stalePods are the apps that have stale pods.
	stalePods map[client.ObjectKey]map[staleness.Reason]int
}

func newDependents(m Recorder) *dependents {
	return &dependents{
		metrics: m,
		states:  make(map[client.ObjectKey]externalsecret.State),
		uses:    make(map[client.ObjectKey][]string),
		users:   make(map[client.ObjectKey][]string),
		counts:  make(map[externalsecret.State]int),

		stalePods: make(map[client.ObjectKey]map[staleness.Reason]int),
	}
}

// record replaces what is known of an app.
func (l *dependents) record(app client.ObjectKey, state externalsecret.State, uses []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	last, known := l.states[app]
	if known && last == state && slices.Equal(l.uses[app], uses) {
		return
	}
	l.remove(app)
	l.states[app] = state
	l.counts[state]++
	if len(uses) > 0 {
		l.uses[app] = uses
	}
	for _, use := range uses {
		object := client.ObjectKey{Namespace: app.Namespace, Name: use}
		l.users[object] = append(l.users[object], app.Name)
	}
	l.metrics.SetExternalSecrets(l.counts)
}

// forget drops an app that has no injected pods.
func (l *dependents) forget(app client.ObjectKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.states[app]; !known {
		return
	}
	l.remove(app)
	l.metrics.SetExternalSecrets(l.counts)
}

func (l *dependents) remove(app client.ObjectKey) {
	last, known := l.states[app]
	if !known {
		return
	}
	delete(l.states, app)
	l.counts[last]--
	for _, use := range l.uses[app] {
		object := client.ObjectKey{Namespace: app.Namespace, Name: use}
		rest := slices.DeleteFunc(l.users[object], func(user string) bool { return user == app.Name })
		if len(rest) == 0 {
			delete(l.users, object)
			continue
		}
		l.users[object] = rest
	}
	delete(l.uses, app)
}

// stale replaces how many of an app's pods are stale.
func (l *dependents) stale(app client.ObjectKey, pods map[staleness.Reason]int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if maps.Equal(l.stalePods[app], pods) {
		return
	}
	delete(l.stalePods, app)
	if len(pods) > 0 {
		l.stalePods[app] = pods
	}
	sum := make(map[staleness.Reason]int)
	for _, counts := range l.stalePods {
		for reason, n := range counts {
			sum[reason] += n
		}
	}
	l.metrics.SetStalePods(sum)
}

// appsUsing lists the apps that depend on an object of one of the names.
func (l *dependents) appsUsing(namespace string, names ...string) []client.ObjectKey {
	l.mu.Lock()
	defer l.mu.Unlock()
	var apps []client.ObjectKey
	for _, name := range names {
		for _, app := range l.users[client.ObjectKey{Namespace: namespace, Name: name}] {
			apps = append(apps, client.ObjectKey{Namespace: namespace, Name: app})
		}
	}
	return apps
}

// concerned lists the apps that an ExternalSecret is made for, or that use it.
func (l *dependents) concerned(e *externalsecret.ExternalSecret) []client.ObjectKey {
	apps := l.appsUsing(e.Namespace, e.Name, e.SecretName())
	if e.App != "" {
		apps = append(apps, client.ObjectKey{Namespace: e.Namespace, Name: e.App})
	}
	return apps
}

package controller

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/controller"
	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
)

// KeyOf and Read tell the versions of the parameters.
func (p *parameters) KeyOf(q facts.Question) facts.Key { return facts.Key{Name: q.Parameter} }

func (p *parameters) Read(_ context.Context, keys []facts.Key) map[facts.Key]facts.Version {
	p.mu.Lock()
	defer p.mu.Unlock()
	versions := make(map[facts.Key]facts.Version)
	for _, key := range keys {
		if known, ok := p.known[key.Name]; ok {
			versions[key] = facts.Version{State: graft.ParameterFound, Number: known.Version, Modified: known.Modified}
		}
	}
	return versions
}

func recorded(version int64, keys string) func(*unstructured.Unstructured) error {
	return func(e *unstructured.Unstructured) error {
		text := e.GetAnnotations()[api.AnnotationKeys]
		if want := fmt.Sprintf(`"version":%d,`, version); !strings.Contains(text, want) || !strings.Contains(text, keys) {
			return fmt.Errorf("the record is %q, want %s and %s", text, want, keys)
		}
		return nil
	}
}

// TestRecord follows the keys of a parameter from one version to the next, and
// through a restart of all replicas while SSM does not answer.
func TestRecord(t *testing.T) {
	ready(t)
	r := start(t, controller.Options{VersionCheckInterval: 50 * time.Millisecond})
	ns := namespace(t, optedIn())
	path := "/" + ns + "/shop/stage/app"
	r.parameters.put(path, 1, time.Now().Add(-time.Hour), "OLD", "URL")
	waitSecond(t) // a pod of a later second than its Deployment's lookup would have another made
	_, p := deployment(t, ns, "web", "shop", marks{})
	// Replicas that do not lead know the keys by the record alone, and the first
	// pods do not wait for ESO.
	waitFor(t, ns, "shop-external", recorded(1, `"keys":["OLD","URL"]`))
	if writes := r.calls.to("/namespaces/" + ns + "/externalsecrets/shop-external"); len(writes) != 1 {
		t.Errorf("it was written by %q, want one write with the keys in it", writes)
	}
	esoSays(t, waitFor(t, ns, "shop-external", nil), "True", "SecretSynced", time.Now().Add(-time.Minute), "shop-secrets")
	waitFor(t, ns, "shop-external", recorded(1, `"keys":["OLD","URL"]`))
	r.knows(t, p, "OLD", "URL")

	// No pod is admitted, and ESO did not refresh: the version check sees it.
	r.parameters.put(path, 2, time.Now().Add(-2*time.Minute), "NEW", "URL")
	waitFor(t, ns, "shop-external", recorded(2, `"keys":["NEW","URL"]`))
	r.knows(t, p, "NEW", "URL")
	settle(t, ns)
	r.parameters.mu.Lock()
	asked := r.parameters.lookups[path]
	r.parameters.mu.Unlock()
	if asked != 2 {
		t.Errorf("SSM was asked %d times for two versions", asked)
	}

	fresh := start(t, controller.Options{}) // SSM does not have the parameter
	fresh.knows(t, p, "NEW", "URL")
}

// TestFollowersWaitForNoSecondRecord holds when a replica that does not lead waits
// for the leader's word: only while there is no record, which is written once. A
// Deployment's pods that come right after a refresh would all wait in vain else,
// and be admitted unchecked.
func TestFollowersWaitForNoSecondRecord(t *testing.T) {
	ready(t)
	leader := start(t, controller.Options{VersionCheckInterval: 50 * time.Millisecond}) // which finds the parameter when it comes
	lease, release := takenLease(t)
	defer release()
	follower := start(t, controller.Options{Lease: lease})
	ns := namespace(t, optedIn())
	path := "/" + ns + "/shop/stage/app"
	_, p := deployment(t, ns, "web", "shop", marks{})
	e := waitFor(t, ns, "shop-external", nil)
	d := follower.decision(t, p)
	eventually(t, "a follower to ask for itself once the leader recorded that there are no keys", func() error {
		return asksFor(follower.State(t.Context(), ns, d), path)
	})

	leader.parameters.put(path, 1, time.Now().Add(-time.Hour), "URL")
	esoSays(t, e, "True", "SecretMissing", time.Now(), "")
	waitFor(t, ns, "shop-external", recorded(1, `"keys":["URL"]`))
	esoSays(t, e, "True", "SecretSynced", time.Now(), "shop-secrets")
	follower.knows(t, p, "URL")

	esoSays(t, e, "True", "SecretSynced", time.Now().Add(time.Minute), "shop-secrets")
	eventually(t, "a follower to ask for itself after a refresh", func() error {
		return asksFor(follower.State(t.Context(), ns, d), path)
	})

	handMade(t, ns, "foreign", "other-secrets")
	handMade(t, ns, "third-external", "elsewhere")
	for app, want := range map[string]string{"other": "/" + ns + "/by-hand/stage/app", "third": "/" + ns + "/third/stage/app"} {
		_, pod := deployment(t, ns, app, app, marks{})
		eventually(t, "a follower to ask for what nobody records", func() error {
			state := follower.State(t.Context(), ns, follower.decision(t, pod))
			if !state.SecretMissing {
				return errors.New("the Secret is there")
			}
			return asksFor(state, want)
		})
	}
}

// TestHangingLookups has SSM answer nobody: apps get their ExternalSecrets all the same.
func TestHangingLookups(t *testing.T) {
	ready(t)
	r := startDefault(t)
	hang := make(chan struct{})
	r.parameters.mu.Lock()
	r.parameters.hang = hang
	r.parameters.mu.Unlock()
	defer close(hang)
	ns := namespace(t, optedIn())
	for n := range 12 { // more than there are workers
		app := fmt.Sprintf("app-%d", n)
		deployment(t, ns, app, app, marks{})
		waitFor(t, ns, app+"-external", nil)
	}
}

// TestThrottledLookups has SSM refuse all calls at once: apps get their
// ExternalSecrets all the same.
func TestThrottledLookups(t *testing.T) {
	ready(t)
	r := startDefault(t)
	r.parameters.mu.Lock()
	r.parameters.throttled = true
	r.parameters.mu.Unlock()
	ns := namespace(t, optedIn())
	deployment(t, ns, "web", "shop", marks{})
	waitFor(t, ns, "shop-external", nil)
}

func (r *replica) knows(t *testing.T, p client.Object, keys ...string) {
	t.Helper()
	d := r.decision(t, p)
	eventually(t, "what a replica knows of the keys", func() error {
		state := r.State(t.Context(), p.GetNamespace(), d)
		known, ok := state.Keys.(facts.Known)
		if !ok {
			return errors.New("it knows none")
		}
		if diff := cmp.Diff(keys, known.Keys); diff != "" {
			return errors.New(diff)
		}
		return nil
	})
}

// asksFor says that a replica is to ask for a parameter, and not to wait.
func asksFor(state facts.State, path string) error {
	if _, asks := state.Keys.(facts.Ask); !asks || question(state).Parameter != path {
		return fmt.Errorf("it has %+v, and is to ask for %q", state.Keys, path)
	}
	return nil
}

// question is what a replica is to ask; zero where it is to ask nothing.
func question(state facts.State) facts.Question {
	switch keys := state.Keys.(type) {
	case facts.Ask:
		return keys.Question
	case facts.Await:
		return keys.Question
	}
	return facts.Question{}
}

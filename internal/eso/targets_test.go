package eso

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/envgraft/envgraft/internal/externalsecret"
)

func TestTargets(t *testing.T) {
	filling := func(name, secret string) *externalsecret.ExternalSecret {
		return &externalsecret.ExternalSecret{
			ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: name},
			Spec:       externalsecret.Spec{Target: externalsecret.Target{Name: secret}},
		}
	}
	var all targets
	handler := all.handler(toolscache.ResourceEventHandlerFuncs{})
	holds := func(reason string, want map[string][]string) {
		t.Helper()
		got := make(map[string][]string)
		for secret, names := range all.names {
			got[secret.String()] = names
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", reason, diff)
		}
	}

	handler.OnAdd(filling("a", "shared"), true)
	handler.OnAdd(filling("b", "shared"), true)
	handler.OnAdd(filling("c", ""), false)
	before := all.filling("n", "shared")
	holds("without a target it is that of its name", map[string][]string{"n/shared": {"a", "b"}, "n/c": {"c"}})

	handler.OnUpdate(filling("a", "shared"), filling("a", "shared"))
	handler.OnUpdate(filling("b", "shared"), filling("b", "other"))
	holds("one that moved is found by its new target alone", map[string][]string{"n/shared": {"a"}, "n/other": {"b"}, "n/c": {"c"}})
	if diff := cmp.Diff([]string{"a", "b"}, before); diff != "" {
		t.Errorf("what was handed out changed (-want +got):\n%s", diff)
	}

	handler.OnDelete(filling("a", "shared"))
	handler.OnDelete(toolscache.DeletedFinalStateUnknown{Obj: filling("b", "other")})
	handler.OnDelete(filling("c", ""))
	holds("nothing is left of those that went", map[string][]string{})
}

// TestTargetsAreKnownFirst holds that a handler finds an ExternalSecret by
// its Secret: the controller would make ours beside a user's.
func TestTargetsAreKnownFirst(t *testing.T) {
	var all targets
	var got [][]string
	note := func() { got = append(got, all.filling("n", "s")) }
	handler := all.handler(toolscache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { note() }, UpdateFunc: func(any, any) { note() }, DeleteFunc: func(any) { note() },
	})
	e := &externalsecret.ExternalSecret{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "e"}}
	filling := &externalsecret.ExternalSecret{ObjectMeta: e.ObjectMeta, Spec: externalsecret.Spec{Target: externalsecret.Target{Name: "s"}}}
	handler.OnAdd(e, true)
	handler.OnUpdate(e, filling)
	handler.OnUpdate(filling, filling)
	handler.OnDelete(toolscache.DeletedFinalStateUnknown{Obj: filling})
	if diff := cmp.Diff([][]string{nil, {"e"}, {"e"}, nil}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

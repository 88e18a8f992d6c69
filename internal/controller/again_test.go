package controller

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/rollout"
	"github.com/envgraft/envgraft/internal/workload"
)

// TestOlderThan finds the pods that had a Secret before it was removed.
func TestOlderThan(t *testing.T) {
	removed := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	pod := func(name, revision string, after time.Duration) ofWorkload {
		return ofWorkload{pod: types.UID(name), workload: "web", revision: revision, created: removed.Add(after)}
	}
	going, other := pod("old", "1", -time.Hour), pod("old", "1", -time.Hour)
	going.deleting, other.workload = true, "worker"
	for _, test := range []struct {
		reason string
		pods   []ofWorkload
		want   []types.UID
	}{
		{"a pod from before", []ofWorkload{pod("old", "1", -time.Hour)}, []types.UID{"old"}},
		{"pods from after had the new one", []ofWorkload{pod("new", "1", time.Minute)}, nil},
		{"one of two was replaced", []ofWorkload{pod("new", "1", time.Minute), pod("old", "1", -time.Hour)}, []types.UID{"old"}},
		{"a former revision is being replaced", []ofWorkload{pod("new", "2", time.Minute), pod("old", "1", -time.Hour)}, nil},
		{"revisions of other workloads are not ours", []ofWorkload{pod("new", "2", time.Minute), other}, []types.UID{"old"}},
		{"one that goes needs no restart", []ofWorkload{going}, nil},
	} {
		var got []types.UID
		for _, older := range olderThan(removed, test.pods) {
			got = append(got, older.pod)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.reason, diff)
		}
	}
}

// TestRemovedAt takes a Secret for made again only when ESO filled it since.
func TestRemovedAt(t *testing.T) {
	removed := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		reason string
		change func(*externalsecret.ExternalSecret)
		again  bool
	}{
		{"it is there again", func(*externalsecret.ExternalSecret) {}, true},
		{"nothing was removed", func(e *externalsecret.ExternalSecret) { delete(e.Annotations, api.AnnotationSecretRemoved) }, false},
		{"it is not there yet", func(e *externalsecret.ExternalSecret) { e.Status.Conditions[0].Reason = "SecretDeleted" }, false},
		{"ESO's account is from before", func(e *externalsecret.ExternalSecret) { e.Status.RefreshTime = metav1.NewTime(removed.Add(-time.Hour)) }, false},
		{"a note that nobody can read", func(e *externalsecret.ExternalSecret) { e.Annotations[api.AnnotationSecretRemoved] = "yesterday" }, false},
	} {
		e := stored(t, want(), func(e *externalsecret.ExternalSecret) {
			e.Annotations = map[string]string{api.AnnotationSecretRemoved: removed.Format(time.RFC3339)}
			e.Status = synced("shop-secrets")
			e.Status.RefreshTime = metav1.NewTime(removed.Add(time.Hour))
			test.change(e)
		})
		if got := removedAt(e); got.Equal(removed) != test.again {
			t.Errorf("%s: got %s", test.reason, got)
		}
	}
}

// TestMadeAgain has one restart serve a version, whichever rule asks for it.
func TestMadeAgain(t *testing.T) {
	c := claim{Workload: workload.Ref{APIVersion: "apps/v1", Kind: workload.Deployment, Name: "web", UID: "web"}, Wants: want().Wants}
	again := madeAgain(c, outlived{"old", "2026-01-01T12:00:00Z"}, "/popapps/shop/stage/app@4")
	if !strings.Contains(again.done.note, "removed at 2026-01-01T12:00:00Z") || !strings.Contains(again.left.note, "@4") {
		t.Errorf("the Events say %+v and %+v", again.done, again.left)
	}
	if !again.served(rollout.Past{Causes: []string{again.version}}) || !appeared(c, again.version).served(rollout.Past{Causes: []string{again.version}}) {
		t.Error("the workload is restarted twice for one version")
	}
	if again.served(rollout.Past{Causes: []string{"/popapps/shop/stage/app@3"}}) {
		t.Error("a restart for the version before counts")
	}
}

package plan

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

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

// TestMadeAgain has one restart serve a version, whichever rule asks for it.
func TestMadeAgain(t *testing.T) {
	c := claim{
		Workload: workload.Ref{APIVersion: "apps/v1", Kind: workload.Deployment, Name: "web", UID: "web"},
		Wants:    externalsecret.Wants{Parameter: "/popapps/shop/stage/app", Secret: "shop-secrets"},
	}
	since := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	after := rollout.Past{Causes: []string{"/popapps/shop/stage/app@4"}, Last: since.Add(time.Minute)}
	again := causeAgain(again{c, outlived{"old", "2026-01-01T12:00:00Z"}}, "/popapps/shop/stage/app@4", since)
	if !strings.Contains(again.Done.note, "removed at 2026-01-01T12:00:00Z") || !strings.Contains(again.Left.note, "@4") {
		t.Errorf("the Events say %+v and %+v", again.Done, again.Left)
	}
	if !again.served(after) || !appeared(c, again.Version, since).served(after) {
		t.Error("the workload is restarted twice for one version")
	}
	if again.served(rollout.Past{Causes: []string{"/popapps/shop/stage/app@3"}, Last: since.Add(time.Minute)}) {
		t.Error("a restart for the version before counts")
	}
	before := rollout.Past{Causes: after.Causes, Last: since.Add(-time.Minute)}
	if again.served(before) || appeared(c, again.Version, since).served(before) {
		t.Error("a restart for a version of that number counts that was before the parameter was created again, or the Secret made again")
	}
}

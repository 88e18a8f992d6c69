package externalsecret

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/graft"
)

// TestRemovedAt takes a Secret for made again only when ESO filled it since.
func TestRemovedAt(t *testing.T) {
	removed := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		reason string
		change func(*ExternalSecret)
		again  bool
	}{
		{"it is there again", func(*ExternalSecret) {}, true},
		{"nothing was removed", func(e *ExternalSecret) { delete(e.Annotations, api.AnnotationSecretRemoved) }, false},
		{"it is not there yet", func(e *ExternalSecret) { e.Status.Conditions[0].Reason = "SecretDeleted" }, false},
		{"ESO's account is from before", func(e *ExternalSecret) { e.Status.RefreshTime = metav1.NewTime(removed.Add(-time.Hour)) }, false},
		{"a note that nobody can read", func(e *ExternalSecret) { e.Annotations[api.AnnotationSecretRemoved] = "yesterday" }, false},
	} {
		e := stored(t, want(), func(e *ExternalSecret) {
			e.Annotations = map[string]string{api.AnnotationSecretRemoved: removed.Format(time.RFC3339)}
			e.Status = syncedInto("shop-secrets")
			e.Status.RefreshTime = metav1.NewTime(removed.Add(time.Hour))
			test.change(e)
		})
		if got := e.MadeAgain(); got.Equal(removed) != test.again {
			t.Errorf("%s: got %s", test.reason, got)
		}
	}
}

// TestMadeBy compares what is wanted with what stands on an ExternalSecret.
func TestMadeBy(t *testing.T) {
	for _, test := range []struct {
		reason string
		change func(*Wants)
		same   bool
	}{
		{"what it was made by", func(*Wants) {}, true},
		{"a deletion policy follows later", func(w *Wants) { w.DeletionPolicy = graft.DeletionPolicyRetain }, true},
		{"another parameter", func(w *Wants) { w.Parameter = "/other" }, false},
		{"another interval", func(w *Wants) { w.RefreshInterval = time.Hour }, false},
		{"another store", func(w *Wants) { w.Store.Name = "other" }, false},
	} {
		w := want().Wants
		test.change(&w)
		if got := stored(t, want(), nil).MadeBy(w) == w; got != test.same {
			t.Errorf("%s: same is %t", test.reason, got)
		}
	}
}

// TestRemoved notes when ESO removed the Secret, keeps that, and forgets it with the
// Secret's name.
func TestRemoved(t *testing.T) {
	at := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	now := at.Format(time.RFC3339)
	gone := func(e *ExternalSecret) {
		e.Status = syncedInto("shop-secrets")
		e.Status.Conditions[0].Reason = "SecretDeleted"
	}
	noted := func(e *ExternalSecret) {
		e.Annotations = map[string]string{api.AnnotationSecretRemoved: "2025-01-01T00:00:00Z"}
	}
	for _, test := range []struct {
		reason string
		change func(*ExternalSecret)
		secret string
		want   string
	}{
		{"a Secret that is there", func(e *ExternalSecret) { e.Status = syncedInto("shop-secrets") }, "shop-secrets", ""},
		{"ESO removed it", gone, "shop-secrets", now},
		{"it was removed before", noted, "shop-secrets", "2025-01-01T00:00:00Z"},
		{"another Secret is wanted", noted, "other", ""},
	} {
		e := stored(t, want(), nil)
		test.change(e)
		if got := e.NextRemoved(test.secret, at); got != test.want {
			t.Errorf("%s: got %q, want %q", test.reason, got, test.want)
		}
	}
	if got := (*ExternalSecret)(nil).NextRemoved("shop-secrets", at); got != "" {
		t.Errorf("a new one: %q", got)
	}
	// What was noted stands on what is applied, so that the next leader knows it.
	d := want()
	d.Removed = now
	if e := stored(t, d, nil); e.Annotations[api.AnnotationSecretRemoved] != now || !d.Matches(e) {
		t.Errorf("annotations are %v", e.Annotations)
	}
	if want := want(); want.Matches(stored(t, d, nil)) {
		t.Error("a note that is reverted is not written")
	}
}

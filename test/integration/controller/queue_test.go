package controller

import (
	"errors"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/controller"
	"github.com/envgraft/envgraft/internal/restarts"
)

const waitingGauge = "envgraft_pending_restarts"

// TestRestartsAreHeld restarts one of two workloads of a parameter, whose new
// pods never get ready here, and the other only by a person's word.
func TestRestartsAreHeld(t *testing.T) {
	ready(t)
	r := start(t, controller.Options{Queue: restarts.Options{ReadyTimeout: 200 * time.Millisecond, Poll: 50 * time.Millisecond}})
	ns := namespace(t, optedIn())
	first, _ := deployment(t, ns, "one", "shop", annotated(api.AnnotationAwaitsSecret, "true"))
	held, _ := deployment(t, ns, "two", "shop", annotated(api.AnnotationAwaitsSecret, "true"))
	e := waitFor(t, ns, "shop-external", nil)
	r.parameters.put("/"+ns+"/shop/stage/app", 2, time.Now().Add(-time.Minute), "KEY")
	esoSays(t, e, "True", "SecretSynced", time.Now().Add(time.Minute), "shop-secrets")
	version := ""
	eventually(t, "the first restart", func() error {
		version, _, _ = strings.Cut(restartOf(t, first), " at ")
		if version == "" {
			first, held = held, first
			return errors.New("there was none")
		}
		return nil
	})
	note := waitForEvent(t, held, "RestartsBlocked")
	command := "kubectl annotate -n " + ns + " deployment/" + first.Name + " " + api.AnnotationReleaseRestarts + "='" + version + "' --overwrite"
	if !strings.Contains(note, command) {
		t.Errorf("the Event says %q, and not %q", note, command)
	}
	waitForEvent(t, first, "RestartsBlocked")
	r.waitForGauge(t, waitingGauge, "held", 1)
	if got := restartOf(t, held); got != "" {
		t.Errorf("it was restarted for %q", got)
	}

	patch := `{"metadata":{"annotations":{"` + api.AnnotationReleaseRestarts + `":"` + version + `"}}}`
	if err := kube.Patch(t.Context(), first, client.RawPatch("application/merge-patch+json", []byte(patch))); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the second restart", func() error {
		if !strings.HasPrefix(restartOf(t, held), version+" at ") {
			return errors.New("there was none")
		}
		return nil
	})
	r.waitForGauge(t, waitingGauge, "held", 0)
}

// TestRestartsWaitForTheirWindow restarts nothing on a day that is not listed.
func TestRestartsWaitForTheirWindow(t *testing.T) {
	ready(t)
	later, err := restarts.ParseSpan(time.Now().UTC().AddDate(0, 0, 3).Format("Mon") + " 00:00-23:59")
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, controller.Options{Queue: restarts.Options{Windows: []restarts.Span{later}}})
	ns := namespace(t, optedIn())
	d, _ := deployment(t, ns, "web", "shop", annotated(api.AnnotationAwaitsSecret, "true", api.AnnotationReleaseRestarts, "*"))
	e := waitFor(t, ns, "shop-external", nil)
	r.parameters.put("/"+ns+"/shop/stage/app", 2, time.Now().Add(-time.Minute), "KEY")
	esoSays(t, e, "True", "SecretSynced", time.Now().Add(time.Minute), "shop-secrets")
	waitForEvent(t, d, "RestartWaitsForWindow")
	r.waitForGauge(t, waitingGauge, "window", 1)
	settle(t, ns)
	if got := restartOf(t, d); got != "" {
		t.Errorf("it was restarted for %q", got)
	}
}

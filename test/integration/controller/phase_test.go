package controller

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/controller"
	"github.com/envgraft/envgraft/internal/facts"
)

// say has ESO give its account of the app's ExternalSecret as it is now.
func say(t *testing.T, ns, status, reason, message, bound string) {
	t.Helper()
	eventually(t, "status of shop-external", func() error {
		e, err := getExternalSecret(t, ns, "shop-external")
		if err != nil {
			return err
		}
		account := esoStatus(e, status, reason, time.Now(), bound)
		account["conditions"].([]any)[0].(map[string]any)["message"] = message
		e.Object["status"] = account
		return kube.Status().Update(t.Context(), e)
	})
}

// TestProbe walks an ExternalSecret through its life.
func TestProbe(t *testing.T) {
	ready(t)
	r := startDefault(t)
	ns := namespace(t, optedIn())
	d, p := deployment(t, ns, "web", "shop", marks{})
	probes := func(e *unstructured.Unstructured) error {
		if template, _, _ := unstructured.NestedMap(e.Object, "spec", "target", "template"); template == nil || field(e, "spec.target.creationPolicy") != "Merge" {
			return fmt.Errorf("ESO may write the Secret: target is %v", e.Object["spec"].(map[string]any)["target"])
		}
		return nil
	}
	owns := func(e *unstructured.Unstructured) error {
		target := e.Object["spec"].(map[string]any)["target"].(map[string]any)
		if _, found := target["template"]; found || target["creationPolicy"] != "Owner" {
			return fmt.Errorf("target is %v", target)
		}
		return nil
	}
	waitFor(t, ns, "shop-external", probes)

	// There is a Secret, which somebody made by hand.
	say(t, ns, "False", "SecretSyncedError", "could not update secret", "shop-secrets")
	note := waitForEvent(t, d, "SecretExists")
	for _, part := range []string{"shop-secrets", "kubectl delete secret -n " + ns + " shop-secrets", "envgraft.dev/secrets=disabled"} {
		if !strings.Contains(note, part) {
			t.Errorf("the Event lacks %q: %s", part, note)
		}
	}
	settle(t, ns)
	waitFor(t, ns, "shop-external", probes)
	state := r.State(t.Context(), ns, r.decision(t, p))
	if _, refused := state.Keys.(facts.NotChecked); !refused {
		t.Errorf("literals would be bound to keys that the Secret need not have: %+v", state)
	}

	// It is deleted, and ESO is there at once.
	say(t, ns, "True", "SecretMissing", "", "")
	waitFor(t, ns, "shop-external", owns)
	say(t, ns, "True", "SecretSynced", "", "shop-secrets")
	waitFor(t, ns, "shop-external", fieldIs("spec.target.deletionPolicy", "Delete"))

	// The parameter goes, and the Secret with it: what comes now is a person's.
	say(t, ns, "True", "SecretDeleted", "", "shop-secrets")
	e := waitFor(t, ns, "shop-external", probes)
	if got := field(e, "spec.target.deletionPolicy"); got != "Retain" {
		t.Errorf("deletionPolicy is %s", got)
	}
	say(t, ns, "True", "SecretMissing", "", "")
	waitFor(t, ns, "shop-external", owns)
}

// TestSecretNames holds a name that a pod's author chose to being a reference.
func TestSecretNames(t *testing.T) {
	ready(t)
	r := startDefault(t)
	ns := namespace(t, optedIn())
	d, p := deployment(t, ns, "web", "shop", annotated(api.AnnotationSecretName, "ingress-tls"))
	note := waitForEvent(t, d, "SecretReferencedOnly")
	if !strings.Contains(note, "ingress-tls") || !strings.Contains(note, api.AnnotationAllowedSecretNames) {
		t.Errorf("the Event says %q", note)
	}
	settle(t, ns)
	if _, err := getExternalSecret(t, ns, "shop-external"); !apierrors.IsNotFound(err) {
		t.Errorf("there is one: %v", err)
	}
	state := r.State(t.Context(), ns, r.decision(t, p))
	if not, refused := state.Keys.(facts.NotChecked); !refused || !strings.Contains(not.Cause, "only referred to") {
		t.Errorf("the keys of the parameter are taken for the Secret's: %+v", state)
	}
	patch(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}}, `{"metadata":{"annotations":{"`+api.AnnotationAllowedSecretNames+`":"ingress-tls"}}}`)
	waitFor(t, ns, "shop-external", fieldIs("spec.target.name", "ingress-tls"))
}

// TestRevoked has a Namespace lose an environment, and get it back.
func TestRevoked(t *testing.T) {
	ready(t)
	startDefault(t)
	ns := namespace(t, optedIn())
	object := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}}
	patch(t, object, `{"metadata":{"annotations":{"`+api.AnnotationAllowedEnvironments+`":"prod"}}}`)
	d, _ := deployment(t, ns, "web", "shop", marks{labels: map[string]string{api.LabelEnvironment: "prod"}})
	_, _ = deployment(t, ns, "young", "young", marks{labels: map[string]string{api.LabelEnvironment: "prod"}})
	filled := waitFor(t, ns, "shop-external", nil)
	waitFor(t, ns, "young-external", nil)
	esoSays(t, filled, "True", "SecretSynced", time.Now(), "shop-secrets")
	waitFor(t, ns, "shop-external", fieldIs("spec.target.creationPolicy", "Owner"))

	patch(t, object, `{"metadata":{"annotations":{"`+api.AnnotationAllowedEnvironments+`":null}}}`)
	e := waitFor(t, ns, "shop-external", fieldIs("spec.refreshPolicy", "CreatedOnce"))
	if creation, deletion := field(e, "spec.target.creationPolicy"), field(e, "spec.target.deletionPolicy"); creation != "Orphan" || deletion != "Retain" {
		t.Errorf("ESO would touch the Secret: %s, %s", creation, deletion)
	}
	if why := e.GetAnnotations()[api.AnnotationRevoked]; !strings.Contains(why, "/"+ns+"/shop/prod/app") {
		t.Errorf("the reason is %q", why)
	}
	if note := waitForEvent(t, d, "ParameterRevoked"); !strings.Contains(note, "refreshed no more") {
		t.Errorf("the Event says %q", note)
	}
	young := waitFor(t, ns, "young-external", fieldIs("spec.refreshPolicy", "CreatedOnce"))
	if got := field(young, "spec.target.creationPolicy"); got != "Merge" {
		t.Errorf("one that was never filled is %s: ESO would fill it once", got)
	}

	patch(t, object, `{"metadata":{"annotations":{"`+api.AnnotationAllowedEnvironments+`":"prod"}}}`)
	e = waitFor(t, ns, "shop-external", fieldIs("spec.target.creationPolicy", "Owner"))
	if field(e, "spec.refreshPolicy") != "" || e.GetAnnotations()[api.AnnotationRevoked] != "" {
		t.Errorf("something of the revocation is left: %v %v", e.Object["spec"], e.GetAnnotations())
	}
	waitFor(t, ns, "young-external", fieldIs("spec.refreshPolicy", ""))
}

// TestMaxPerNamespace has a namespace ask for more than it may.
func TestMaxPerNamespace(t *testing.T) {
	ready(t)
	r := start(t, controller.Options{MaxPerNamespace: 2})
	ns := namespace(t, optedIn())
	for _, app := range []string{"one", "two"} {
		deployment(t, ns, app, app, marks{})
		waitFor(t, ns, app+"-external", nil)
	}
	d, p := deployment(t, ns, "three", "three", marks{})
	if note := waitForEvent(t, d, "TooManyExternalSecrets"); !strings.Contains(note, "maxPerNamespace") {
		t.Errorf("the Event says %q", note)
	}
	if _, err := getExternalSecret(t, ns, "three-external"); !apierrors.IsNotFound(err) {
		t.Errorf("there is one: %v", err)
	}
	r.waitForWarning(t, p, "maxPerNamespace")

	lease, release := takenLease(t)
	defer release()
	follower := start(t, controller.Options{MaxPerNamespace: 2, Lease: lease})
	eventually(t, "a follower to ask for what nobody records", func() error {
		if state := follower.State(t.Context(), ns, follower.decision(t, p)); state.Problem == "" || asksFor(state, "/"+ns+"/three/stage/app") != nil {
			return fmt.Errorf("its problem is %q, and it has %+v", state.Problem, state.Keys)
		}
		return nil
	})
}

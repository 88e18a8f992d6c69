package controller

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/graft"
)

// without says that a pod of an app would start without its Secret, and be marked
// so. ssm is what the webhook has of the parameter, which may be of a moment ago.
func (r *replica) without(t *testing.T, ns, app string, ssm graft.Parameter) bool {
	t.Helper()
	namespaced, err := namespaces{}.Namespace(t.Context(), ns)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := template(app, marks{})
	raw, err := json.Marshal(&corev1.Pod{ObjectMeta: tmpl.ObjectMeta, Spec: tmpl.Spec})
	if err != nil {
		t.Fatal(err)
	}
	subject := r.engine.Inspect(namespaced, raw)
	state := r.State(t.Context(), ns, subject.Decision)
	result := subject.Graft(graft.Facts{
		Parameter: ssm, ConfigMap: graft.ConfigMap{State: graft.ConfigMapNotFound},
		SecretMissing: state.SecretMissing, NeverSeen: state.NeverSeen,
	})
	optional, marked := false, false
	for _, op := range result.Operations {
		text := op.Json()
		optional = optional || strings.Contains(text, `"secretRef":{"name":"`+app+`-secrets","optional":true}`)
		marked = marked || strings.Contains(text, api.AnnotationAwaitsSecret)
	}
	if optional != marked {
		t.Errorf("the Secret is optional: %t, the pod is marked: %t; one without the other is never restarted", optional, marked)
	}
	return optional
}

// TestParameterComesWithItsApp is the race of missingParameter: auto. The webhook
// asked SSM before the parameter was made; whoever started without it is restarted
// once. From the moment on at which anything in the cluster knows of the parameter,
// pods wait, though the webhook's own answer is still the old one.
func TestParameterComesWithItsApp(t *testing.T) {
	ready(t)
	r := startDefault(t)
	ns := namespace(t, optedIn())
	path, before := "/"+ns+"/shop/stage/app", graft.Parameter{State: graft.ParameterNotFound}

	eventually(t, "a pod of the first ReplicaSet to start without", func() error {
		if !r.without(t, ns, "shop", before) {
			return errors.New("it waits")
		}
		return nil
	})
	d, _ := deployment(t, ns, "web", "shop", annotated(api.AnnotationAwaitsSecret, "true"))
	e := waitFor(t, ns, "shop-external", nil)
	esoSays(t, e, "False", "SecretSyncedError", time.Time{}, "")
	if !r.without(t, ns, "shop", before) {
		t.Error("envgraft's own ExternalSecret, which never got anything, has the next pod wait")
	}

	// The parameter is made, and ESO tries again.
	r.parameters.put(path, 1, time.Now().Add(-time.Minute), "URL")
	esoSays(t, e, "True", "SecretSynced", time.Now().Add(time.Minute), "shop-secrets")
	eventually(t, "the next pods to wait", func() error {
		if r.without(t, ns, "shop", before) {
			return errors.New("it starts without")
		}
		return nil
	})
	waitFor(t, ns, "shop-external", recorded(1, `"keys":["URL"]`))

	now := &appsv1.Deployment{}
	eventually(t, "a restart", func() error {
		if err := kube.Get(t.Context(), client.ObjectKeyFromObject(d), now); err != nil {
			return err
		}
		if got := now.Spec.Template.Annotations[api.AnnotationRestartedFor]; !strings.HasPrefix(got, path+"@1") {
			return fmt.Errorf("it was restarted for %q", got)
		}
		return nil
	})
	restarted := now.Generation
	waitSecond(t)
	replica1(t, d, "shop", marks{})
	settle(t, ns)
	if err := kube.Get(t.Context(), client.ObjectKeyFromObject(d), now); err != nil {
		t.Fatal(err)
	}
	if now.Generation != restarted {
		t.Errorf("it was changed again: %v", now.Spec.Template.Annotations)
	}
}

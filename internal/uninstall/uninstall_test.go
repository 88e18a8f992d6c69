package uninstall

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/envgraft/envgraft/internal/api"
)

// TestRemove leaves for good: without --yes nothing changes, and with it
// nothing stays that envgraft wrote.
func TestRemove(t *testing.T) {
	optedIn := map[string]string{api.LabelInject: api.Enabled}
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{
		Namespace: "shop", Name: "web", Labels: optedIn,
		Annotations: map[string]string{
			api.ReloaderSecret: `own,web-secrets`, "team": "shop",
			api.AnnotationWritten: `{"appended":{"secret.reloader.stakater.com/reload":"web-secrets"},"inject":"enabled"}`,
		},
	}}
	deployment.Spec.Template.Labels = map[string]string{"app": "web", api.LabelInject: api.Enabled}
	webhooks := &admissionv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "envgraft"}, Webhooks: []admissionv1.MutatingWebhook{{Name: "namespace.pods.envgraft.dev"}}}
	c := fake.NewClientBuilder().WithObjects(deployment, webhooks).Build()
	for _, yes := range []bool{false, true} {
		var out bytes.Buffer
		if err := (Remover{Client: c, Out: &out, Webhooks: "envgraft", Yes: yes}).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if want := "roll out, Deployment shop/web"; !strings.Contains(out.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, &out)
		}
		got := &appsv1.Deployment{}
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(deployment), got); err != nil {
			t.Fatal(err)
		}
		err := c.Get(t.Context(), client.ObjectKeyFromObject(webhooks), &admissionv1.MutatingWebhookConfiguration{})
		if apierrors.IsNotFound(err) != yes {
			t.Errorf("with yes=%t the webhooks: %v", yes, err)
		}
		annotations, labels := deployment.Annotations, deployment.Spec.Template.Labels
		if yes {
			annotations, labels = map[string]string{api.ReloaderSecret: "own", "team": "shop"}, map[string]string{"app": "web"}
		}
		if diff := cmp.Diff(annotations, got.Annotations) + cmp.Diff(labels, got.Spec.Template.Labels) + cmp.Diff(optedIn, got.Labels); diff != "" {
			t.Errorf("with yes=%t: -want, +got:\n%s", yes, diff)
		}
	}
}

// TestRemoveWhileRollingOut has the Deployment change between reading and
// writing, as its status does in a rollout, or be refused for good.
func TestRemoveWhileRollingOut(t *testing.T) {
	for name, tc := range map[string]struct {
		changes, refusals int
		want              string
	}{
		"changes twice":  {2, 0, ""},
		"always changes": {1000, 0, "it keeps changing"},
		"is refused":     {0, 1000, "the server rejected our request"},
	} {
		t.Run(name, func(t *testing.T) {
			deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{
				Namespace: "shop", Name: "web", Annotations: map[string]string{
					api.ReloaderSecret: "web-secrets", api.AnnotationWritten: `{"appended":{"secret.reloader.stakater.com/reload":"web-secrets"}}`,
				},
			}}
			patches := 0
			c := fake.NewClientBuilder().WithObjects(deployment).WithInterceptorFuncs(interceptor.Funcs{
				Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
					patches++
					if patches <= tc.changes {
						current := &appsv1.Deployment{}
						if err := c.Get(ctx, client.ObjectKeyFromObject(object), current); err != nil {
							return err
						}
						current.Labels = map[string]string{"seen": strconv.Itoa(patches)}
						if err := c.Update(ctx, current); err != nil {
							return err
						}
					}
					if patches > tc.refusals && c.Patch(ctx, object, patch, options...) == nil {
						return nil
					}
					// What an API server says of a test that fails, which the fake words otherwise.
					return apierrors.NewGenericServerResponse(http.StatusUnprocessableEntity, "patch", schema.GroupResource{}, "web", "", 0, false)
				},
			}).Build()
			err := (Remover{Client: c, Out: &bytes.Buffer{}, Webhooks: "envgraft", Yes: true}).Run(t.Context())
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v after %d patches, want %q", err, patches, tc.want)
			}
			got := &appsv1.Deployment{}
			if err := c.Get(t.Context(), client.ObjectKeyFromObject(deployment), got); err != nil {
				t.Fatal(err)
			}
			if _, stands := got.Annotations[api.AnnotationWritten]; stands == (tc.want == "") {
				t.Errorf("its annotations are %v", got.Annotations)
			}
		})
	}
}

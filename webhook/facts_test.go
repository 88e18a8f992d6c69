package webhook

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/metrics"
)

// TestFactsAreAskedAtOnce has SSM and the API server each take 200 of the 300 ms
// that an admission waits at most: it gets both answers.
func TestFactsAreAskedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		pods := w.handler(&strings.Builder{})
		pods.Parameters = slowParameter{}
		pods.ConfigMaps = facts.NewConfigMaps(slowReader{}, metrics.New(prometheus.NewRegistry()), 0)
		pods.FactsTimeout = 300 * time.Millisecond
		request := podReview(nil)
		subject, err := pods.inspect(t.Context(), request.Namespace, graft.ParsePod(request.Object.Raw))
		if err != nil {
			t.Fatal(err)
		}
		known := pods.facts(t.Context(), request, subject)
		if known.Parameter.State != graft.ParameterFound || known.ConfigMap.State != graft.ConfigMapFound {
			t.Errorf("the parameter is %q, the ConfigMap %q, want both found", known.Parameter.State, known.ConfigMap.State)
		}
	})
}

const slowness = 200 * time.Millisecond

type slowParameter struct{}

func (slowParameter) Parameter(ctx context.Context, _ facts.Question) facts.Parameter {
	select {
	case <-time.After(slowness):
		return facts.Parameter{Parameter: graft.Parameter{State: graft.ParameterFound}}
	case <-ctx.Done():
		return facts.Parameter{Parameter: graft.Parameter{State: graft.ParameterUnreachable}}
	}
}

type slowReader struct{ client.Reader }

func (slowReader) Get(ctx context.Context, _ client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	select {
	case <-time.After(slowness):
		object.(*corev1.ConfigMap).Data = map[string]string{"URL": "x"}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

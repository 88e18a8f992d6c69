//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/test/ssmfake"
)

const (
	// rollout is how many pods of one app are made at once.
	rollout = 1000
	// handful bounds the calls of SSM that they lead to, over both replicas:
	// a failure is remembered for 10 s, and the SDK tries some of them twice.
	handful = 12
)

// testSSMFaults rolls out an app that nobody knows yet while SSM is ill.
func (b *bench) testSSMFaults(t *testing.T) {
	b.tellsNothing(t)
	const namespace = "ill"
	b.install(t, nil)
	b.optedIn(t, namespace)
	admin := "http://" + b.forward(t, ssmNamespace, "service/ssmfake", 4567)
	s := b.newStream(t, namespace)
	for _, tc := range []struct {
		name  string
		fault ssmfake.Fault
	}{
		{"slow", ssmfake.Fault{Kind: ssmfake.Hang, Delay: 200 * time.Millisecond}},
		{"silent", ssmfake.Fault{Kind: ssmfake.Hang}},
		{"throttling", ssmfake.Fault{Kind: ssmfake.Throttle}},
		{"failing", ssmfake.Fault{Kind: ssmfake.Fail}},
		{"denying", ssmfake.Fault{Kind: ssmfake.Deny}},
		{"rejecting credentials", ssmfake.Fault{Kind: ssmfake.Reject}},
		{"unreachable", ssmfake.Fault{Kind: ssmfake.Drop}},
		{"garbled", ssmfake.Fault{Kind: ssmfake.Malformed}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			app := "app-" + strings.ReplaceAll(tc.name, " ", "-")
			path := "/" + namespace + "/" + app + "/stage/app"
			b.ssm.putJSON(t, path, parameterTier())
			tc.fault.Path = path
			command(t, http.MethodPost, admin+"/faults", tc.fault, nil)
			defer command(t, http.MethodDelete, admin+"/faults", nil, nil)

			began := time.Now()
			failed := s.rollout(t, app)
			var calls map[string]map[string]int
			command(t, http.MethodGet, admin+"/calls", nil, &calls)
			total := 0
			for operation, byPath := range calls {
				if operation != "PutParameter" {
					total += byPath[path]
				}
			}
			t.Logf("SSM is %s: %d pods in %.1f s, %d failed, %d calls of SSM", tc.name, rollout, time.Since(began).Seconds(), failed, total)
			if failed > 0 {
				t.Errorf("%d of %d pods were not created", failed, rollout)
			}
			if total == 0 || total > handful {
				t.Errorf("%d calls of SSM, want 1 to %d", total, handful)
			}
		})
	}
}

// rollout creates the pods of an app and returns how many could not be.
func (s *stream) rollout(t *testing.T, app string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var mu sync.Mutex
	var running sync.WaitGroup
	failed := 0
	places := make(chan struct{}, 50)
	for range rollout {
		places <- struct{}{}
		running.Go(func() {
			defer func() { <-places }()
			_, err := s.client.CoreV1().Pods(s.namespace).Create(ctx, &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{GenerateName: app + "-", Labels: map[string]string{api.LabelName: app}},
				Spec: corev1.PodSpec{Containers: []corev1.Container{{
					Name: "app", Image: "example/app", Env: []corev1.EnvVar{{Name: "DEBUG", Value: "from-the-pod"}},
				}}},
			}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
			if err != nil {
				mu.Lock()
				defer mu.Unlock()
				if failed++; failed == 1 {
					t.Log("the first that failed:", err)
				}
			}
		})
	}
	running.Wait()
	return failed
}

// command sends the fake an order, or asks it something.
func command(t *testing.T, method, url string, body, into any) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	if response.StatusCode >= http.StatusBadRequest {
		t.Fatal(fmt.Errorf("%s %s: %s", method, url, response.Status))
	}
	if into == nil {
		return
	}
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		t.Fatal(err)
	}
}

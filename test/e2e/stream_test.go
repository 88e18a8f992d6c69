//go:build e2e

package e2e

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/envgraft/envgraft/internal/api"
)

const (
	// streamInterval is between two creations, each of which may take as long
	// as streamTimeout: more than an API server waits for the webhook.
	streamInterval = 50 * time.Millisecond
	streamTimeout  = 15 * time.Second
	// calm is how long no creation fails before, and after, something is done.
	calm = 3 * time.Second
	// aftermath is how long the stream goes on once what was done has taken effect,
	// and minCreations how many creations a row must have seen to prove anything.
	aftermath    = 10 * time.Second
	minCreations = 100
)

// creation is one pod that the stream asked for.
type creation struct {
	began, ended time.Time
	// webhook is a failure that the webhook is to blame for; away is one of the
	// way to the API server itself. A bare pod was created, and not injected.
	webhook, away string
	bare          bool
}

// stream creates pods all the time, by server-side dry run: the API server
// calls the webhook as for any creation, and no node has to run what is made.
type stream struct {
	client    kubernetes.Interface
	namespace string

	mu sync.Mutex
	// mayBeBare is for what takes the webhook away on purpose.
	mayBeBare bool
	done      []creation
	rows      []row
}

// row is what is told of one thing that was done.
type row struct {
	what               string
	took               time.Duration
	creations          int
	failed, away, bare int
	gap                time.Duration // the longest time in which no creation came back well
	lastFailedLate     time.Duration // how long after the end of it the last failing one began
	example            string
}

// newStream is a stream that stands still.
func (b *bench) newStream(t *testing.T, namespace string) *stream {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", b.kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	config.QPS = -1
	config.WarningHandler = rest.NoWarnings{}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return &stream{client: client, namespace: namespace}
}

// start creates pods until the test ends.
func (s *stream) start(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { s.run(ctx) })
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
}

func (s *stream) run(ctx context.Context) {
	ticker := time.NewTicker(streamInterval)
	defer ticker.Stop()
	var under sync.WaitGroup
	defer under.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			under.Go(func() { s.create(ctx) })
		}
	}
}

func (s *stream) create(ctx context.Context) {
	c := creation{began: time.Now()}
	ctx, cancel := context.WithTimeout(ctx, streamTimeout)
	defer cancel()
	pod, err := s.client.CoreV1().Pods(s.namespace).Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "stream-", Labels: map[string]string{api.LabelName: "shop"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "example/app"}}},
	}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	c.ended = time.Now()
	switch {
	case err != nil && strings.Contains(err.Error(), "webhook"):
		c.webhook = err.Error()
	case err != nil:
		c.away = err.Error()
	default:
		c.bare = pod.Annotations[api.AnnotationInjected] == ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.bare && !s.mayBeBare {
		c.webhook = "the pod was admitted without being injected"
	}
	s.done = append(s.done, c)
}

// setMayBeBare says whether pods may come back without being injected from now on.
func (s *stream) setMayBeBare(may bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mayBeBare = may
}

// between returns the creations that began from one time to another.
func (s *stream) between(from, to time.Time) []creation {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []creation
	for _, c := range s.done {
		if !c.began.Before(from) && c.began.Before(to) {
			found = append(found, c)
		}
	}
	slices.SortFunc(found, func(a, b creation) int { return a.began.Compare(b.began) })
	return found
}

// quiet waits until creations have succeeded, and none failed, for a while.
func (s *stream) quiet(t *testing.T) {
	t.Helper()
	eventually(t, 2*time.Minute, "pods to be created without a failure", func() (bool, string) {
		now := time.Now()
		last := s.between(now.Add(-calm-time.Second), now.Add(-time.Second))
		if len(last) == 0 {
			return false, "no creation came back"
		}
		for _, c := range last {
			if failure := cmp.Or(c.webhook, c.away); failure != "" {
				return false, failure
			}
		}
		return true, ""
	})
}

// during does something under the stream, which returns when it has taken effect,
// and tells what became of the creations until a while after.
func (s *stream) during(t *testing.T, what string, do func(t *testing.T)) row {
	t.Helper()
	s.quiet(t)
	began := time.Now()
	do(t)
	over := time.Now()
	time.Sleep(aftermath) //nolint:forbidigo // the stream goes on meanwhile
	s.quiet(t)

	r := row{what: what, took: over.Sub(began)}
	// What is under way now is not counted, and neither is its absence.
	counted := s.between(began, time.Now().Add(-time.Second))
	var well []time.Time
	for _, c := range counted {
		r.creations++
		switch {
		case c.webhook != "":
			r.failed++
			r.example = cmp.Or(r.example, c.webhook)
			r.lastFailedLate = c.began.Sub(over)
		case c.away != "":
			r.away++
		default:
			well = append(well, c.ended)
			if c.bare {
				r.bare++
			}
		}
	}
	if r.creations < minCreations {
		t.Errorf("%s: %d creations prove nothing, want %d", what, r.creations, minCreations)
	}
	slices.SortFunc(well, time.Time.Compare)
	last := began
	for _, ended := range well {
		r.gap = max(r.gap, ended.Sub(last))
		last = ended
	}
	s.rows = append(s.rows, r)
	return r
}

// table prints the rows as docs/operations.md has them.
func (s *stream) table() string {
	var text strings.Builder
	text.WriteString("| what was done | it took | creations | failed at the webhook | API server away | not injected | longest gap | the last failing one began |\n|---|---|---|---|---|---|---|---|\n")
	for _, r := range s.rows {
		late := "–"
		if r.failed > 0 {
			late = fmt.Sprintf("%+.1f s of its end", r.lastFailedLate.Seconds())
		}
		fmt.Fprintf(&text, "| %s | %.0f s | %d | %d | %d | %d | %.1f s | %s |\n",
			r.what, r.took.Seconds(), r.creations, r.failed, r.away, r.bare, r.gap.Seconds(), late)
	}
	return text.String()
}

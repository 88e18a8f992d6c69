package inventory

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/metadata"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/api"
)

// The rule: pods that the webhook did not see, because it was away, or because
// they are older than the opt-in, are looked for now and then, and in nobody's
// namespace but those that opted in. To watch them would be to watch most of
// the pods of a cluster.

const (
	// scanPage is how many pods are asked for at a time: their metadata is a few KiB each.
	scanPage = 500
	// scanPause is the least time between two namespaces of a scan, so that a
	// leader that begins has its calls for what cannot wait.
	scanPause = 100 * time.Millisecond
	// scanTimeout bounds the look at one.
	scanTimeout = time.Minute
)

// scan fills the table of pods without envgraft's label.
type scan struct {
	*Inventory

	pods       metadata.Interface
	namespaces client.Reader
	// found are the pods by namespace; most have none.
	found map[string][]any
}

// Scan looks every interval, until ctx is done, for pods that the webhook did not
// see, in the namespaces that opted in.
func (i *Inventory) Scan(ctx context.Context, namespaces client.Reader, interval time.Duration) error {
	pods, err := metadata.NewForConfigAndClient(i.connection.Config, i.connection.HTTP)
	if err != nil {
		return fmt.Errorf("cannot make a client of pods: %w", err)
	}
	(&scan{Inventory: i, pods: pods, namespaces: namespaces, found: make(map[string][]any)}).run(ctx, interval)
	return nil
}

// LookFor has a namespace whose opt-in changed scanned.
func (i *Inventory) LookFor(namespace string) {
	select {
	case i.asked <- namespace:
	default: // the next scan sees it
	}
}

// run scans every interval until ctx is done.
func (s *scan) run(ctx context.Context, interval time.Duration) {
	if err := s.workloads.wait(ctx); err != nil {
		return // the term ends before it began
	}
	for goes := true; goes; {
		goes = s.all(ctx) && s.pause(ctx, interval)
	}
}

// all looks at all namespaces that opted in; false says that ctx is done.
func (s *scan) all(ctx context.Context) bool {
	namespaces, err := s.optedIn(ctx)
	if err != nil {
		s.connection.Log.Error(err, "Cannot look for pods that were not injected")
		return true
	}
	for ns := range s.found {
		if !slices.Contains(namespaces, ns) {
			s.hold(ns, nil)
		}
	}
	for _, ns := range namespaces {
		s.look(ctx, ns)
		if !s.pause(ctx, scanPause) {
			return false
		}
	}
	return true
}

// pause lets time pass, in which it looks at Namespaces whose opt-in changed, no
// faster than a scan does: all of them may be labelled at once.
func (s *scan) pause(ctx context.Context, d time.Duration) bool {
	over := time.NewTimer(d)
	defer over.Stop()
	for {
		select {
		case ns := <-s.asked:
			if namespaces, err := s.optedIn(ctx); err == nil && slices.Contains(namespaces, ns) {
				s.look(ctx, ns)
			}
			select {
			case <-time.After(scanPause):
			case <-ctx.Done():
				return false
			}
		case <-over.C:
			return true
		case <-ctx.Done():
			return false
		}
	}
}

// look replaces what is known of a namespace; where it fails, that stays.
func (s *scan) look(ctx context.Context, namespace string) {
	ctx, cancel := context.WithTimeout(ctx, scanTimeout)
	defer cancel()
	rows, err := s.uninjectedIn(ctx, namespace)
	if err != nil {
		s.connection.Log.Error(err, "Cannot look for pods that were not injected")
		return
	}
	s.hold(namespace, rows)
}

func (s *scan) hold(namespace string, rows []any) {
	if len(rows) == 0 && len(s.found[namespace]) == 0 {
		return
	}
	delete(s.found, namespace)
	if len(rows) > 0 {
		s.found[namespace] = rows
	}
	if err := s.uninjected.Replace(slices.Concat(slices.Collect(maps.Values(s.found))...), ""); err != nil {
		s.connection.Log.Error(err, "Cannot hold the pods that were not injected")
	}
}

// optedIn are the namespaces of which a label says so, or a workload's.
func (s *scan) optedIn(ctx context.Context) ([]string, error) {
	list := &metav1.PartialObjectMetadataList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "NamespaceList"}}
	if err := s.namespaces.List(ctx, list); err != nil {
		return nil, fmt.Errorf("cannot list namespaces: %w", err)
	}
	names := s.workloads.optedIn()
	for _, ns := range list.Items {
		if ns.Labels[api.LabelInject] == api.Enabled && ns.DeletionTimestamp == nil {
			names[ns.Name] = true
		}
	}
	return slices.Sorted(maps.Keys(names)), nil
}

// uninjectedIn lists the pods of a namespace that run, name an app and were not
// labelled.
func (s *scan) uninjectedIn(ctx context.Context, namespace string) ([]any, error) {
	pods := s.pods.Resource(corev1.SchemeGroupVersion.WithResource("pods")).Namespace(namespace)
	options := metav1.ListOptions{
		LabelSelector: "!" + api.LabelApp + "," + api.LabelName,
		FieldSelector: "status.phase!=Succeeded,status.phase!=Failed",
		Limit:         scanPage,
	}
	var rows []any
	for {
		page, err := pods.List(ctx, options)
		if err != nil {
			return nil, fmt.Errorf("cannot list the pods of namespace %q: %w", namespace, err)
		}
		for n := range page.Items {
			if row := PodOf(&page.Items[n]); row != nil {
				rows = append(rows, row)
			}
		}
		if page.Continue == "" {
			return rows, nil
		}
		options.Continue = page.Continue
	}
}

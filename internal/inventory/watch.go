package inventory

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/workload"
)

// Connection is how the inventory is filled.
type Connection struct {
	// Name is what the calls of the API server are logged by.
	Name   string
	Config *rest.Config
	HTTP   *http.Client
	Log    logr.Logger
	// Interval is how often a kind that is not served is asked for.
	Interval time.Duration
}

// podMetadata lists and watches the pods that the webhook labelled, and no
// other pod of the cluster.
func (c Connection) podMetadata() (*toolscache.ListWatch, error) {
	return c.metadataWatch(corev1.SchemeGroupVersion.WithResource("pods"), api.LabelApp)
}

// workloadWatch lists and watches the workloads of a kind, decoding of each
// the little that workloadObject has.
func (c Connection) workloadWatch(k workload.Kind) (*toolscache.ListWatch, error) {
	s := runtime.NewScheme()
	s.AddKnownTypeWithName(k.GroupVersion().WithKind(k.Kind), &workloadObject{})
	s.AddKnownTypeWithName(k.GroupVersion().WithKind(k.Kind+"List"), &workloadObjectList{})
	metav1.AddToGroupVersion(s, k.GroupVersion())

	config := rest.CopyConfig(c.Config)
	gv := k.GroupVersion()
	config.GroupVersion, config.APIPath = &gv, "/apis"
	config.ContentType, config.AcceptContentTypes = runtime.ContentTypeJSON, runtime.ContentTypeJSON
	config.NegotiatedSerializer = serializer.NewCodecFactory(s).WithoutConversion()
	restClient, err := rest.RESTClientForConfigAndClient(config, c.HTTP)
	if err != nil {
		return nil, fmt.Errorf("cannot make a client of %s: %w", k.Resource, err)
	}
	return toolscache.NewListWatchFromClient(restClient, k.Resource, metav1.NamespaceAll, fields.Everything()), nil
}

// metadataWatch lists and watches the metadata of objects with a label.
func (c Connection) metadataWatch(gvr schema.GroupVersionResource, selector string) (*toolscache.ListWatch, error) {
	all, err := metadata.NewForConfigAndClient(c.Config, c.HTTP)
	if err != nil {
		return nil, fmt.Errorf("cannot make a client of %s: %w", gvr.Resource, err)
	}
	objects := all.Resource(gvr)
	return &toolscache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			options.LabelSelector = selector
			return objects.List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			options.LabelSelector = selector
			return objects.Watch(ctx, options)
		},
	}, nil
}

// watchInto fills a table until ctx is done.
func watchInto[R row](ctx context.Context, name string, lw *toolscache.ListWatch, expected runtime.Object, t *table[R]) {
	options := toolscache.ReflectorOptions{Name: name}
	toolscache.NewReflectorWithOptions(lw, expected, t, options).RunWithContext(ctx)
}

// watchServed fills a table whenever the API server serves the kind: its CRD
// may come late, and go. The table of a kind that is not served is in sync: it
// is empty.
func watchServed[R row](ctx context.Context, c Connection, name string, lw *toolscache.ListWatch, expected runtime.Object, t *table[R]) {
	wait.UntilWithContext(ctx, func(ctx context.Context) {
		_, err := lw.ListWithContext(ctx, metav1.ListOptions{Limit: 1})
		switch {
		case err == nil:
			ctx, stop := context.WithCancel(ctx)
			defer stop()
			watchInto(ctx, c.Name+"/"+name, whileServed(lw, stop), expected, t)
		case apierrors.IsNotFound(err):
			t.clear()
			t.sync()
		default:
			c.Log.Error(err, "Cannot tell whether a kind is served", "resource", name)
			if apierrors.IsForbidden(err) {
				t.sync() // a cluster that grants less than the chart asks for goes without
			}
		}
	}, c.Interval)
}

// whileServed calls stop when the kind is not served any more: a reflector by
// itself would ask without end, and keep what it has.
func whileServed(lw *toolscache.ListWatch, stop func()) *toolscache.ListWatch {
	check := func(err error) {
		if apierrors.IsNotFound(err) {
			stop()
		}
	}
	return &toolscache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			list, err := lw.ListWithContext(ctx, options)
			check(err)
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			w, err := lw.WatchWithContext(ctx, options)
			check(err)
			return w, err
		},
	}
}

package eso

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/graft"
)

// discoveryTimeout bounds the questions of what is served: the next discovery
// asks again. A client that was made of another's connections has no timeout.
const discoveryTimeout = 10 * time.Second

// syncTimeout bounds the wait for informers. The next discovery tries again.
const syncTimeout = 30 * time.Second

// Installation is ESO as one discovery found it: the version that is served,
// and informers of its objects. One whose version is empty is ESO's absence.
type Installation struct {
	Version string
	// stores are the kinds of stores whose presence can be told.
	stores  map[string]bool
	cache   cache.Cache
	targets targets
	stop    context.CancelFunc
}

// ServedVersion is the version of ExternalSecrets that is served; empty where none is.
func (i *Installation) ServedVersion() string { return i.Version }

// Installed says that the cluster serves ExternalSecrets.
func (i *Installation) Installed() bool { return i.Version != "" }

// served is what discovery says of ESO.
type served struct {
	version string
	stores  map[string]bool
}

// discover asks which version of ExternalSecrets is served, the newest first.
// Only "not found" means that there is none: a cluster whose API server fails
// to answer has not lost its ExternalSecrets.
func discover(ctx context.Context, client discoverer) (served, error) {
	ctx, cancel := context.WithTimeout(ctx, discoveryTimeout)
	defer cancel()
	for _, version := range []string{"v1", "v1beta1"} {
		list, err := client.ServerResourcesForGroupVersionWithContext(ctx, externalsecret.Group+"/"+version)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return served{}, fmt.Errorf("cannot discover %q: %w", externalsecret.Group+"/"+version, err)
		}
		found := served{version: version, stores: make(map[string]bool)}
		var externalSecrets bool
		for _, resource := range list.APIResources {
			switch resource.Kind {
			case externalsecret.Kind:
				externalSecrets = true
			case graft.KindClusterSecretStore, graft.KindSecretStore:
				found.stores[resource.Kind] = true
			}
		}
		if externalSecrets {
			return found, nil
		}
	}
	return served{}, nil
}

// newInstallation starts the informers of a version, and returns when they
// hold what is there. handler is called for every ExternalSecret, changed for stores.
func newInstallation(ctx context.Context, config *rest.Config, options cache.Options, found served, handlers eventHandlers) (*Installation, error) {
	gv := schema.GroupVersion{Group: externalsecret.Group, Version: found.version}
	options.Scheme = scheme(gv)
	options.ByObject = map[client.Object]cache.ByObject{
		&externalsecret.ExternalSecret{}: {Transform: externalsecret.Compact},
	}
	for kind := range found.stores {
		options.ByObject[storeOf(kind)] = cache.ByObject{Transform: compactStore}
	}
	objects, err := cache.New(config, options)
	if err != nil {
		return nil, fmt.Errorf("cannot make the cache of ExternalSecrets: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	i := &Installation{Version: found.version, stores: found.stores, cache: objects, stop: cancel}
	if err := i.start(ctx, handlers); err != nil {
		cancel()
		return nil, err
	}
	return i, nil
}

// eventHandlers are told what changed.
type eventHandlers struct {
	externalSecret toolscache.ResourceEventHandler
	store          toolscache.ResourceEventHandler
	held           *held
}

func (i *Installation) start(ctx context.Context, handlers eventHandlers) error {
	indexed, err := i.handle(ctx, &externalsecret.ExternalSecret{}, handlers.held.handler(i.targets.handler(handlers.externalSecret)))
	if err != nil {
		return err
	}
	for kind := range i.stores {
		if _, err := i.handle(ctx, storeOf(kind), handlers.held.handler(handlers.store)); err != nil {
			return err
		}
	}
	go i.cache.Start(ctx) //nolint:errcheck // it returns an error only if started twice
	waiting, cancel := context.WithTimeout(ctx, syncTimeout)
	defer cancel()
	if !i.cache.WaitForCacheSync(waiting) || !toolscache.WaitForCacheSync(waiting.Done(), indexed.HasSynced) {
		return fmt.Errorf("cannot list the objects of %q in time", externalsecret.Group+"/"+i.Version)
	}
	return nil
}

func (i *Installation) handle(
	ctx context.Context, object client.Object, handler toolscache.ResourceEventHandler,
) (toolscache.ResourceEventHandlerRegistration, error) {
	informer, err := i.cache.GetInformer(ctx, object, cache.BlockUntilSynced(false))
	if err != nil {
		return nil, fmt.Errorf("cannot watch %T of %q: %w", object, externalsecret.Group+"/"+i.Version, err)
	}
	registration, err := informer.AddEventHandler(handler)
	if err != nil {
		return nil, fmt.Errorf("cannot watch %T of %q: %w", object, externalsecret.Group+"/"+i.Version, err)
	}
	return registration, nil
}

// Get returns an ExternalSecret; nil where there is none.
func (i *Installation) Get(ctx context.Context, namespace, name string) (*externalsecret.ExternalSecret, error) {
	e := &externalsecret.ExternalSecret{}
	err := i.cache.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, e)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot get ExternalSecret %q: %w", name, err)
	}
	return e, nil
}

// Filling returns the ExternalSecret, other than the one of that name, that
// fills a Secret; nil where there is none. The oldest is the one that ESO lets
// own the Secret.
func (i *Installation) Filling(ctx context.Context, namespace, secret, except string) (*externalsecret.ExternalSecret, error) {
	var oldest *externalsecret.ExternalSecret
	for _, name := range i.targets.filling(namespace, secret) {
		if name == except {
			continue
		}
		e, err := i.Get(ctx, namespace, name)
		if err != nil {
			return nil, err
		}
		if e == nil || e.DeletionTimestamp != nil || e.SecretName() != secret {
			continue
		}
		if oldest == nil || e.CreationTimestamp.Before(&oldest.CreationTimestamp) {
			oldest = e
		}
	}
	return oldest, nil
}

// Lacks says that a store is surely not there.
func (i *Installation) Lacks(ctx context.Context, namespace string, ref externalsecret.StoreRef) bool {
	_, found, sure := i.store(ctx, namespace, ref)
	return sure && !found
}

// Made lists the ExternalSecrets in a namespace that envgraft made for an
// app, with "" for all apps. They are the cache's, to be read only.
func (i *Installation) Made(ctx context.Context, namespace, app string) ([]*externalsecret.ExternalSecret, error) {
	if !i.Installed() {
		return nil, nil
	}
	list := &externalsecret.ExternalSecretList{}
	if err := i.cache.List(ctx, list, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("cannot list ExternalSecrets of app %q: %w", app, err)
	}
	var ours []*externalsecret.ExternalSecret
	for n := range list.Items {
		e := &list.Items[n]
		if e.Applied.Any && e.DeletionTimestamp == nil && (app == "" || e.App == app) {
			ours = append(ours, e)
		}
	}
	return ours, nil
}

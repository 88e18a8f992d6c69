package controller

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	utilcache "k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/fair"
	"github.com/envgraft/envgraft/internal/plan"
	"github.com/envgraft/envgraft/internal/staleness"
)

// The rule: the controller gets an app's ConfigMap when it looks at the app, and
// rarely: it has no right to list or watch ConfigMaps.

const (
	// configMapsPerSecond and configMapBurst bound the reads of all apps: those of
	// 20,000 apps take half an hour.
	configMapsPerSecond = 10
	configMapBurst      = 40
	// rememberedConfigMaps bounds the memory for them. Of more than these, a deletion is
	// not reported.
	rememberedConfigMaps = 8192
)

// configMaps reads ConfigMaps, and remembers their times and never a value.
type configMaps struct {
	client client.Reader // not cached
	clock  clock.PassiveClock
	known  *utilcache.LRUExpireCache
	budget *fair.Budget
}

func newConfigMaps(reader client.Reader, c clock.PassiveClock) *configMaps {
	return &configMaps{
		client: reader, clock: c, known: utilcache.NewLRUExpireCacheWithClock(rememberedConfigMaps, c),
		budget: fair.New(c, configMapsPerSecond, configMapBurst),
	}
}

// seen is a ConfigMap, and when it was read.
type seen struct {
	plan.ConfigMap

	at time.Time
}

// get reads a ConfigMap, or remembers it.
func (c *configMaps) get(ctx context.Context, key client.ObjectKey) (plan.ConfigMap, error) {
	var last seen
	if value, ok := c.known.Get(key); ok {
		last = value.(seen) //nolint:forcetypeassert // nothing else is put there
		if rest := plan.ConfigMapInterval - c.clock.Since(last.at); rest > 0 {
			last.Wait = rest
			return last.ConfigMap, nil
		}
	}
	unknown := plan.ConfigMap{Name: key.Name, Wait: plan.ConfigMapInterval}
	if c.budget.Take(key.Namespace) != fair.Granted {
		return unknown, nil
	}
	object, err := c.read(ctx, key)
	if err != nil {
		return unknown, err
	}
	next := unknown
	next.Known = true
	switch {
	case object != nil:
		next.Found, next.Created, next.Changed = true, object.CreationTimestamp.Time, staleness.DataChanged(object.ObjectMeta)
	case last.Deleted:
		next.Deleted, next.Changed = true, last.Changed
	case last.Found:
		next.Deleted, next.Changed = true, last.at // at the earliest: pods that started since may not have it
	}
	c.known.Add(key, seen{next, c.clock.Now()}, 3*plan.ConfigMapInterval)
	return next, nil
}

// read returns a ConfigMap; nil where there is none.
func (c *configMaps) read(ctx context.Context, key client.ObjectKey) (*corev1.ConfigMap, error) {
	object := &corev1.ConfigMap{}
	err := c.client.Get(ctx, key, object)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read ConfigMap %q: %w", key.Name, err)
	}
	return object, nil
}

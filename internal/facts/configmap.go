package facts

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/graft"
)

const (
	configMapTTL     = 5 * time.Second
	configMapTimeout = 5 * time.Second
	// configMapFaultTTL is short: the API server that does not answer is the
	// one whose admission is waiting.
	configMapFaultTTL = time.Second
	configMapSize     = 50_000
)

// ConfigMaps reads the keys of ConfigMaps and remembers them for a moment: a
// rollout asks for the same one once a pod. An informer would hold the values
// of all ConfigMaps of the cluster to know the keys of a few.
type ConfigMaps struct {
	metrics Recorder
	memory  memory[types.NamespacedName, graft.ConfigMap]
}

// NewConfigMaps returns a reader that asks the API server; a ttl of 0 is the
// default of 5 s. The reader must not be a cache.
func NewConfigMaps(api client.Reader, m Recorder, ttl time.Duration) *ConfigMaps {
	if ttl == 0 {
		ttl = configMapTTL
	}
	return &ConfigMaps{metrics: m, memory: memory[types.NamespacedName, graft.ConfigMap]{
		fetch: func(ctx context.Context, key types.NamespacedName, _ time.Time) graft.ConfigMap {
			return readConfigMap(ctx, api, key)
		},
		timeout: configMapTimeout,
		life: func(c graft.ConfigMap) shelfLife {
			if c.State == graft.ConfigMapUnknown {
				return shelfLife{fresh: configMapFaultTTL, fault: true}
			}
			return shelfLife{fresh: ttl}
		},
		late: func(asker, refusal) graft.ConfigMap {
			return graft.ConfigMap{State: graft.ConfigMapUnknown, Cause: "the API server did not answer within this admission's time"}
		},
		size: configMapSize,
		idle: time.Minute,
	}}
}

// Prefetch has a ConfigMap read, where it is not known, for whoever asks for it.
func (c *ConfigMaps) Prefetch(ctx context.Context, namespace, name string) {
	c.memory.prefetch(ctx, asker{namespace: namespace}, types.NamespacedName{Namespace: namespace, Name: name})
}

// ConfigMap returns what is known of a ConfigMap, waiting for it until ctx is
// done at most. Callers share Keys and must not change them.
func (c *ConfigMaps) ConfigMap(ctx context.Context, namespace, name string) graft.ConfigMap {
	found, _ := c.memory.get(ctx, asker{namespace: namespace}, types.NamespacedName{Namespace: namespace, Name: name}, time.Time{})
	c.metrics.ConfigMapLookup(found.State)
	return found
}

func readConfigMap(ctx context.Context, api client.Reader, key types.NamespacedName) graft.ConfigMap {
	var object corev1.ConfigMap
	// Resource version 0 lets the API server answer from its own cache.
	err := api.Get(ctx, key, &object, &client.GetOptions{Raw: &metav1.GetOptions{ResourceVersion: "0"}})
	if apierrors.IsNotFound(err) {
		return graft.ConfigMap{State: graft.ConfigMapNotFound}
	}
	if err != nil {
		return graft.ConfigMap{State: graft.ConfigMapUnknown, Cause: apiServerCause(err)}
	}
	return graft.ConfigMap{State: graft.ConfigMapFound, Keys: slices.Sorted(maps.Keys(object.Data))}
}

// apiServerCause words an error of the API server.
func apiServerCause(err error) string {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return oneLine(status.Status().Message)
	}
	return networkCause(err)
}

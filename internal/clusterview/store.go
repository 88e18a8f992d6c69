package clusterview

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/identity"
)

// Store is a SecretStore or ClusterSecretStore.
type Store struct {
	Spec struct {
		Conditions externalsecret.StoreConditions `json:"conditions"`
		Provider   struct {
			AWS *AWSProvider `json:"aws"`
		} `json:"provider"`
	} `json:"spec"`
	Status struct {
		Conditions []metav1.Condition `json:"conditions"`
	} `json:"status"`
}

// AWSProvider is how a store reaches AWS.
type AWSProvider struct {
	Service string `json:"service"`
	Region  string `json:"region"`
	Role    string `json:"role"`
	Prefix  string `json:"prefix"`
}

// Store reads one. ESO's version is that of its ExternalSecrets.
func (r Installation) Store(ctx context.Context, namespace, version string, ref StoreRef) Seen[Store] {
	k := Kind{Kind: ref.KindOrDefault(), Group: esoGroup, Version: version, Resource: "secretstores"}
	if k.Kind == "ClusterSecretStore" {
		k.Resource, k.cluster = "clustersecretstores", true
	}
	return get[Store](ctx, r.Reader, k, namespace, ref.Name, whole)
}

// NotReady returns ESO's words about a store that is not; "" for one that is,
// or of which ESO has said nothing.
func (s Store) NotReady() string {
	for _, c := range s.Status.Conditions {
		if c.Type == "Ready" && c.Status != metav1.ConditionTrue {
			return c.Reason + ": " + c.Message
		}
	}
	return ""
}

// Opens says that the store is open to a namespace.
func (s Store) Opens(ns identity.Namespace) bool { return s.Spec.Conditions.Open(ns) }

package certs

import (
	"context"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/envgraft/envgraft/internal/api"
)

// ensureSecret makes sure of a Secret with usable certificates and returns
// them. Replicas that start at once all try to create it: one succeeds, and
// the rest read what it wrote. No replica uses what it could not store.
func (m *Managed) ensureSecret(ctx context.Context) (*state, error) {
	var agreed *state
	err := retry.OnError(retry.DefaultBackoff, lostRace, func() error {
		secret, exists, err := m.getSecret(ctx)
		if err != nil {
			return err
		}
		next, reason, err := m.policy.next(secret.Data, m.served, m.published, m.clock.Now())
		if err != nil {
			return err
		}
		if reason != "" {
			if err := fill(secret, next); err != nil {
				return err
			}
			if err := m.writeSecret(ctx, secret, exists, reason); err != nil {
				return err
			}
		}
		agreed = next
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("cannot ensure Secret %q: %w", m.target.Namespace+"/"+m.target.Secret, err)
	}
	return agreed, nil
}

// getSecret returns an empty one to fill if there is none.
func (m *Managed) getSecret(ctx context.Context) (secret *corev1.Secret, exists bool, err error) {
	secret, err = m.client.CoreV1().Secrets(m.target.Namespace).Get(ctx, m.target.Secret, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: m.target.Namespace, Name: m.target.Secret},
			Type:       corev1.SecretTypeTLS,
		}, false, nil
	}
	return secret, true, err
}

// fill puts s into the Secret, and leaves alone what else is in there.
func fill(secret *corev1.Secret, s *state) error {
	data, err := s.data()
	if err != nil {
		return err
	}
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	maps.Copy(secret.Data, data)
	return nil
}

// writeSecret fails if what the API server has is no longer what was read: the
// Secret carries the resourceVersion of that.
func (m *Managed) writeSecret(ctx context.Context, secret *corev1.Secret, exists bool, reason string) error {
	if err := m.allowWrite(); err != nil {
		return err
	}
	secrets := m.client.CoreV1().Secrets(m.target.Namespace)
	logger := log.FromContext(ctx).WithValues("namespace", secret.Namespace, "secret", secret.Name)
	if !exists {
		if _, err := secrets.Create(ctx, secret, metav1.CreateOptions{FieldManager: api.FieldManager}); err != nil {
			return err
		}
		logger.Info("created the serving certificate")
		return nil
	}
	if _, err := secrets.Update(ctx, secret, metav1.UpdateOptions{FieldManager: api.FieldManager}); err != nil {
		return err
	}
	logger.Info("replaced the serving certificate", "reason", reason)
	return nil
}

// lostRace is true where another replica wrote first.
func lostRace(err error) bool {
	return apierrors.IsAlreadyExists(err) || apierrors.IsConflict(err)
}

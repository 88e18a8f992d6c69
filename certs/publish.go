package certs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/envgraft/envgraft/internal/api"
)

// publish puts the bundle into every webhook configuration. One that fails
// does not keep the others from getting it.
func (m *Managed) publish(ctx context.Context, bundle []byte) error {
	var errs []error
	patched := false
	for _, name := range m.target.WebhookConfigurations {
		changed, err := m.publishTo(ctx, name, bundle)
		if err != nil {
			errs = append(errs, fmt.Errorf("cannot publish the CA in MutatingWebhookConfiguration %q: %w", name, err))
		}
		patched = patched || changed
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	// The settle time starts over when a configuration had lost its bundle.
	if patched || !bytes.Equal(m.published.bundle, bundle) {
		m.published = publication{bundle: bundle, since: m.clock.Now()}
	}
	m.setUnpublished(nil)
	return nil
}

// publishTo says whether the configuration had to be changed.
func (m *Managed) publishTo(ctx context.Context, name string, bundle []byte) (changed bool, err error) {
	err = retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		configuration, err := m.client.AdmissionregistrationV1().MutatingWebhookConfigurations().Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			m.setUnpublished(fmt.Errorf("there is no MutatingWebhookConfiguration %q", name))
		}
		if err != nil {
			return err
		}
		if carries(configuration, bundle) {
			return nil
		}
		m.setUnpublished(fmt.Errorf("the CA is not in MutatingWebhookConfiguration %q", name))
		changed = true
		return m.patchBundle(ctx, configuration, bundle)
	})
	return changed, err
}

func carries(configuration *admissionv1.MutatingWebhookConfiguration, bundle []byte) bool {
	for _, webhook := range configuration.Webhooks {
		if !bytes.Equal(webhook.ClientConfig.CABundle, bundle) {
			return false
		}
	}
	return true
}

// bundlePatch is a strategic merge patch: webhooks are merged by name, so it
// touches nothing but the bundles. The resourceVersion makes it fail if a
// webhook was taken out since, which the patch would else put back in part.
type bundlePatch struct {
	Metadata struct {
		ResourceVersion string `json:"resourceVersion"`
	} `json:"metadata"`
	Webhooks []webhookBundle `json:"webhooks"`
}

type webhookBundle struct {
	Name         string `json:"name"`
	ClientConfig struct {
		CABundle []byte `json:"caBundle"`
	} `json:"clientConfig"`
}

// patchBundle sets the bundle of all webhooks in one patch, so that no API
// server ever sees a configuration half done.
func (m *Managed) patchBundle(ctx context.Context, configuration *admissionv1.MutatingWebhookConfiguration, bundle []byte) error {
	if err := m.allowWrite(); err != nil {
		return err
	}
	var patch bundlePatch
	patch.Metadata.ResourceVersion = configuration.ResourceVersion
	for _, webhook := range configuration.Webhooks {
		entry := webhookBundle{Name: webhook.Name}
		entry.ClientConfig.CABundle = bundle
		patch.Webhooks = append(patch.Webhooks, entry)
	}
	body, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	_, err = m.client.AdmissionregistrationV1().MutatingWebhookConfigurations().Patch(ctx, configuration.Name,
		types.StrategicMergePatchType, body, metav1.PatchOptions{FieldManager: api.FieldManager})
	if err != nil {
		return err
	}
	log.FromContext(ctx).Info("published the CA", "mutatingWebhookConfiguration", configuration.Name)
	return nil
}

package certs

import (
	"context"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	admissioninformers "k8s.io/client-go/informers/admissionregistration/v1"
	coreinformers "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// watch sends to changed whenever the Secret or a webhook configuration does.
// The informers only wake the loop, which reads for itself: a wake-up can be
// merged with another or be false, and nothing is decided on a cached object.
func (m *Managed) watch(ctx context.Context, running *sync.WaitGroup, changed chan<- struct{}) {
	informers := []cache.SharedIndexInformer{
		coreinformers.NewFilteredSecretInformer(m.client, m.target.Namespace, 0, cache.Indexers{}, byName(m.target.Secret)),
	}
	for _, name := range m.target.WebhookConfigurations {
		informers = append(informers,
			admissioninformers.NewFilteredMutatingWebhookConfigurationInformer(m.client, 0, cache.Indexers{}, byName(name)))
	}
	wake := func() {
		select {
		case changed <- struct{}{}:
		default: // One is pending, and will see this change too.
		}
	}
	for _, informer := range informers {
		_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    func(any) { wake() },
			UpdateFunc: func(any, any) { wake() },
			DeleteFunc: func(any) { wake() },
		})
		if err != nil {
			// It only fails on one that was stopped. The resync covers for it.
			log.FromContext(ctx).Error(err, "cannot watch for changes of certificates")
			continue
		}
		running.Go(func() { informer.RunWithContext(ctx) })
	}
}

// byName selects a single object, which is also what rights limited by
// resourceNames ask of a list or watch.
func byName(name string) func(*metav1.ListOptions) {
	return func(options *metav1.ListOptions) {
		options.FieldSelector = fields.OneTermEqualSelector(metav1.ObjectNameField, name).String()
	}
}

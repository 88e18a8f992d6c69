package certs

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"k8s.io/utils/clock"
)

// Target is the webhook that certificates are managed for.
type Target struct {
	// Namespace is the webhook's own: that of its Service and of the Secret.
	Namespace string
	// Service is the name that the API server calls the webhook by.
	Service string
	// Secret is the name of the Secret that keeps the certificates.
	Secret string
	// WebhookConfigurations names the MutatingWebhookConfigurations that get
	// the CA.
	WebhookConfigurations []string
}

func (t Target) validate() error {
	var errs []error
	for _, field := range []struct{ name, value string }{
		{"namespace", t.Namespace}, {"service", t.Service}, {"secret", t.Secret},
	} {
		if field.value == "" {
			errs = append(errs, fmt.Errorf("cannot manage certificates: the %s's name is empty", field.name))
		}
	}
	return errors.Join(errs...)
}

// hosts are the names of the Service. The API server uses the first; the rest
// are for people with curl.
func (t Target) hosts() []string {
	name := t.Service + "." + t.Namespace
	return []string{name + ".svc", name + ".svc.cluster.local", name}
}

// Options are settings of Managed that rarely need to change.
type Options struct {
	// CALifetime is how long a CA is valid; 10 years by default. It is
	// replaced when a third of that is left.
	CALifetime time.Duration
	// ServingLifetime is how long a serving certificate is valid; 90 days by
	// default. It is renewed when a third of that is left.
	ServingLifetime time.Duration
	// Settle is how long a new CA stands in the webhook configurations before
	// a certificate that it signed is served; 1 minute by default. It is for
	// API servers that learn of it late.
	Settle time.Duration
	// Resync is how often the Secret and the configurations are looked at
	// even if no watch says that they changed; 10 minutes by default.
	Resync time.Duration
	// Clock is the system's by default.
	Clock clock.Clock
	// Jitter, at least 0 and below 1, puts the renewals of replicas apart;
	// random by default.
	Jitter *float64
}

// minLifetime keeps a certificate from being due the moment it is issued:
// its life counts from a backdated start.
const minLifetime = 12 * backdate

func (o Options) withDefaults() Options {
	if o.CALifetime == 0 {
		o.CALifetime = 10 * 365 * 24 * time.Hour
	}
	if o.ServingLifetime == 0 {
		o.ServingLifetime = 90 * 24 * time.Hour
	}
	if o.Settle == 0 {
		o.Settle = time.Minute
	}
	if o.Resync == 0 {
		o.Resync = 10 * time.Minute
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Jitter == nil {
		o.Jitter = new(rand.Float64()) //nolint:gosec // nobody gains from guessing when a replica renews
	}
	return o
}

func (o Options) validate() error {
	if o.CALifetime < minLifetime || o.ServingLifetime < minLifetime {
		return fmt.Errorf("cannot issue certificates for %s (CA) and %s (serving): the least is %s",
			o.CALifetime, o.ServingLifetime, minLifetime)
	}
	return nil
}

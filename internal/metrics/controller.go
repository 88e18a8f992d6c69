package metrics

import "github.com/prometheus/client_golang/prometheus/promauto"

// ExternalSecretState is how an app's ExternalSecret fares.
type ExternalSecretState string

// The states.
const (
	// ExternalSecretReady is synced by ESO.
	ExternalSecretReady ExternalSecretState = "Ready"
	// ExternalSecretPending is one that ESO said nothing about yet.
	ExternalSecretPending ExternalSecretState = "Pending"
	// ExternalSecretFailing is one that ESO cannot sync.
	ExternalSecretFailing ExternalSecretState = "Failing"
	// ExternalSecretNoStore names a store that is not there.
	ExternalSecretNoStore ExternalSecretState = "NoStore"
	// ExternalSecretNotInstalled could not be made: the cluster has no ESO.
	ExternalSecretNotInstalled ExternalSecretState = "NotInstalled"
	// ExternalSecretForeign was made by someone else, and is left alone.
	ExternalSecretForeign ExternalSecretState = "Foreign"
)

// ExternalSecretStates lists all states.
func ExternalSecretStates() []ExternalSecretState {
	return []ExternalSecretState{
		ExternalSecretReady, ExternalSecretPending, ExternalSecretFailing,
		ExternalSecretNoStore, ExternalSecretNotInstalled, ExternalSecretForeign,
	}
}

func (m *Metrics) registerController(factory promauto.Factory) {
	m.externalSecrets = factory.NewGaugeVec(gauge("external_secrets",
		"Apps by the state of their ExternalSecret: Ready, Pending (ESO has not answered yet), Failing (ESO cannot sync it), NoStore (its store is not there), "+
			"NotInstalled (the cluster has no ESO), Foreign (made by someone else, left alone). Only the leader sets it."),
		[]string{"state"})
	m.esoInstalled = factory.NewGauge(gauge("eso_installed",
		"1 if the cluster serves the External Secrets Operator's ExternalSecret, 0 if not."))
	m.forceSyncs = factory.NewCounter(counter("force_syncs_total",
		"Refreshes that were asked of ESO because SSM had a newer version of the parameter."))
	m.restarts = factory.NewCounter(counter("restarts_total",
		"Workloads that were restarted because their Secret appeared after their pods had started without it."))
	m.SetExternalSecrets(nil)
}

// SetExternalSecrets sets how many apps are in each state; a state that is not
// in counts has none.
func (m *Metrics) SetExternalSecrets(counts map[ExternalSecretState]int) {
	for _, state := range ExternalSecretStates() {
		m.externalSecrets.WithLabelValues(string(state)).Set(float64(counts[state]))
	}
}

// SetESOInstalled says whether the cluster serves ExternalSecrets.
func (m *Metrics) SetESOInstalled(installed bool) {
	value := 0.0
	if installed {
		value = 1
	}
	m.esoInstalled.Set(value)
}

// ForceSync counts one refresh that was asked of ESO.
func (m *Metrics) ForceSync() { m.forceSyncs.Inc() }

// Restart counts one workload that was restarted.
func (m *Metrics) Restart() { m.restarts.Inc() }

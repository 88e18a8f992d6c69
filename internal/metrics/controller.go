package metrics

import (
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/restarts"
	"github.com/envgraft/envgraft/internal/staleness"
)

// ExternalSecretState is the state of an app's ExternalSecret.
type ExternalSecretState = externalsecret.State

// The states.
const (
	ExternalSecretReady        = externalsecret.StateReady
	ExternalSecretPending      = externalsecret.StatePending
	ExternalSecretFailing      = externalsecret.StateFailing
	ExternalSecretNoStore      = externalsecret.StateNoStore
	ExternalSecretNotInstalled = externalsecret.StateNotInstalled
	ExternalSecretForeign      = externalsecret.StateForeign
)

// StaleReason is why a pod has another environment than the next one would get.
type StaleReason = staleness.Reason

// The reasons.
const (
	StaleNotInjected   = staleness.NotInjected
	StaleOtherIdentity = staleness.OtherIdentity
	StaleHiddenKey     = staleness.HiddenKey
	StaleOlderVersion  = staleness.OlderVersion
	StaleOlderObject   = staleness.OlderObject
)

// StaleReasons lists all reasons.
func StaleReasons() []StaleReason { return staleness.Reasons() }

func (m *Metrics) registerController(factory promauto.Factory) {
	m.externalSecrets = factory.NewGaugeVec(gauge("external_secrets",
		"Apps by the state of their ExternalSecret: Ready, Pending (ESO has not answered yet), Failing (ESO cannot sync it), "+
			"Unanswered (ESO was asked in vain to refresh it, so its Secret lacks what SSM has), Deleting (it is being deleted), NoStore (its store is not there), "+
			"NotInstalled (the cluster has no ESO), Foreign (made by someone else, left alone). Only the leader sets it."),
		[]string{"state"})
	m.esoInstalled = factory.NewGauge(gauge("eso_installed",
		"1 if the cluster serves the External Secrets Operator's ExternalSecret, 0 if not."))
	m.forceSyncs = factory.NewCounter(counter("force_syncs_total",
		"Refreshes that were asked of ESO because SSM had a newer version of the parameter."))
	m.restarts = factory.NewCounter(counter("restarts_total",
		"Workloads that the controller restarted: their Secret appeared after their pods had started without it, or their pods were stale."))
	m.stalePods = factory.NewGaugeVec(gauge("stale_pods",
		"Pods that have another environment than the next one of their workload would get, by reason: NotInjected (created without the webhook), "+
			"OtherIdentity (given the objects of another app, system or environment), HiddenKey (admitted while the keys were not known, and hides some), "+
			"OlderVersion (admitted by an older version of the parameter, and not restarted since), "+
			"OlderObject (started before its Secret or ConfigMap changed). Only the leader sets it."),
		[]string{"reason"})
	m.restartsWaiting = factory.NewGaugeVec(gauge("pending_restarts",
		"Restarts that wait, by reason: window (none of restarts.windows is open), turn (restarts.maxConcurrent are under way, or the first of a parameter), "+
			"held (new pods of another workload of the parameter do not get ready). Only the leader sets it."),
		[]string{"reason"})
	m.SetExternalSecrets(nil)
	m.SetStalePods(nil)
	m.SetRestartsWaiting(nil)
}

// SetExternalSecrets sets how many apps are in each state; a state that is not
// in counts has none.
func (m *Metrics) SetExternalSecrets(counts map[ExternalSecretState]int) {
	for _, state := range externalsecret.States() {
		m.externalSecrets.WithLabelValues(string(state)).Set(float64(counts[state]))
	}
}

// SetStalePods sets how many pods are stale; a reason that is not in counts has
// none.
func (m *Metrics) SetStalePods(counts map[StaleReason]int) {
	for _, reason := range StaleReasons() {
		m.stalePods.WithLabelValues(string(reason)).Set(float64(counts[reason]))
	}
}

// SetRestartsWaiting sets how many restarts wait; a reason that is not in counts
// has none.
func (m *Metrics) SetRestartsWaiting(counts map[restarts.Reason]int) {
	for _, reason := range restarts.Reasons() {
		m.restartsWaiting.WithLabelValues(string(reason)).Set(float64(counts[reason]))
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

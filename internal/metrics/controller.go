package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/restarts"
	"github.com/envgraft/envgraft/internal/staleness"
)

// Controller shows the work of the controller.
type Controller struct {
	externalSecrets *prometheus.GaugeVec
	esoInstalled    prometheus.Gauge
	forceSyncs      prometheus.Counter
	restarts        prometheus.Counter
	stalePods       *prometheus.GaugeVec
	restartsWaiting *prometheus.GaugeVec
}

func (m *Controller) register(factory promauto.Factory) {
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
			"OtherIdentity (given the objects of another app, system or environment), ShadowedKey (admitted while the keys were not known, and shadows some), "+
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
func (m *Controller) SetExternalSecrets(counts map[externalsecret.State]int) {
	for _, state := range externalsecret.States() {
		m.externalSecrets.WithLabelValues(string(state)).Set(float64(counts[state]))
	}
}

// SetStalePods sets how many pods are stale; a reason that is not in counts has
// none.
func (m *Controller) SetStalePods(counts map[staleness.Reason]int) {
	for _, reason := range staleness.Reasons() {
		m.stalePods.WithLabelValues(string(reason)).Set(float64(counts[reason]))
	}
}

// SetRestartsWaiting sets how many restarts wait; a reason that is not in counts
// has none.
func (m *Controller) SetRestartsWaiting(counts map[restarts.Reason]int) {
	for _, reason := range restarts.Reasons() {
		m.restartsWaiting.WithLabelValues(string(reason)).Set(float64(counts[reason]))
	}
}

// SetESOInstalled says whether the cluster serves ExternalSecrets.
func (m *Controller) SetESOInstalled(installed bool) {
	value := 0.0
	if installed {
		value = 1
	}
	m.esoInstalled.Set(value)
}

// ForceSync counts one refresh that was asked of ESO.
func (m *Controller) ForceSync() { m.forceSyncs.Inc() }

// Restart counts one workload that was restarted.
func (m *Controller) Restart() { m.restarts.Inc() }

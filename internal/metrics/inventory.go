package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Inventory shows what the leader holds in memory.
type Inventory struct {
	inventoryObjects *prometheus.GaugeVec
	inventoryBytes   *prometheus.GaugeVec
}

func (m *Inventory) register(factory promauto.Factory) {
	m.inventoryObjects = factory.NewGaugeVec(gauge("inventory_objects",
		"Workloads and pods that the leader holds, by resource; uninjected_pods are those that the webhook did not see. Only the leader sets it."),
		[]string{"resource"})
	m.inventoryBytes = factory.NewGaugeVec(gauge("inventory_bytes",
		"About how much memory the leader holds for workloads and pods, by resource. Only the leader sets it."),
		[]string{"resource"})
}

// SetHeld sets how many objects of a resource are held, and in about how many bytes.
func (m *Inventory) SetHeld(resource string, objects, bytes int) {
	m.inventoryObjects.WithLabelValues(resource).Set(float64(objects))
	m.inventoryBytes.WithLabelValues(resource).Set(float64(bytes))
}

// ResetHeld says that nothing is held any more.
func (m *Inventory) ResetHeld() {
	m.inventoryObjects.Reset()
	m.inventoryBytes.Reset()
}

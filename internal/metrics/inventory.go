package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Held is what the informers of ESO's resources hold.
type Held string

// What is held.
const (
	HeldExternalSecrets        Held = "externalsecrets"
	HeldForeignExternalSecrets Held = "foreign_externalsecrets"
	HeldStores                 Held = "stores"
)

// Inventory shows what a replica holds in memory.
type Inventory struct {
	inventoryObjects, inventoryBytes *prometheus.GaugeVec
	esoObjects, esoBytes             *prometheus.GaugeVec
}

func (m *Inventory) register(factory promauto.Factory) {
	m.inventoryObjects = factory.NewGaugeVec(gauge("inventory_objects",
		"Workloads and pods that the leader holds, by resource; uninjected_pods are those that the webhook did not see. Only the leader sets it."),
		[]string{"resource"})
	m.inventoryBytes = factory.NewGaugeVec(gauge("inventory_bytes",
		"About how much memory the leader holds for workloads and pods, by resource. Only the leader sets it."),
		[]string{"resource"})
	m.esoObjects = factory.NewGaugeVec(gauge("eso_objects",
		"ExternalSecrets and stores that a replica holds, by resource; foreign_externalsecrets are those that envgraft did not make."),
		[]string{"resource"})
	m.esoBytes = factory.NewGaugeVec(gauge("eso_bytes",
		"About how much memory a replica holds for ExternalSecrets and stores, by resource."),
		[]string{"resource"})
	m.ResetESOHeld()
}

// SetESOHeld sets how many of ESO's objects are held, and in about how many bytes.
func (m *Inventory) SetESOHeld(resource Held, objects, bytes int) {
	m.esoObjects.WithLabelValues(string(resource)).Set(float64(objects))
	m.esoBytes.WithLabelValues(string(resource)).Set(float64(bytes))
}

// ResetESOHeld says that none of ESO's objects is held.
func (m *Inventory) ResetESOHeld() {
	for _, resource := range []Held{HeldExternalSecrets, HeldForeignExternalSecrets, HeldStores} {
		m.SetESOHeld(resource, 0, 0)
	}
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

package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// ParameterEvents counts events of parameters.
type ParameterEvents struct {
	events       *prometheus.CounterVec
	eventLag     prometheus.Histogram
	eventQueueUp *prometheus.GaugeVec
}

func (m *ParameterEvents) register(factory promauto.Factory) {
	m.events = factory.NewCounterVec(counter("events_total",
		"Messages of the queues in events.queues, by result: checked (SSM was asked for the parameter), foreign (no app has the parameter), "+
			"duplicate (delivered before), deleted (the parameter was deleted: its Secret stays as it is), undecodable (left to the queue's redrive policy), "+
			"failed (SSM did not answer, or the new version was not recorded in time: the message is received again). Only the leader receives them."),
		[]string{"result"})
	m.eventLag = factory.NewHistogram(histogram("event_lag_seconds",
		"Seconds from a change of a parameter, by its event's time, until its new version is recorded and ESO is asked for a refresh. Event times are whole seconds.",
		[]float64{1, 2, 5, 10, 30, 60, 300, 1800}))
	m.eventQueueUp = factory.NewGaugeVec(gauge("event_queue_up",
		"1 if all queues in events.queues answer, 0 if one failed three polls in a row. Not set without queues. Only the leader sets it."), nil)
}

// SSMEvent counts a message of a queue.
func (m *ParameterEvents) SSMEvent(result string) { m.events.WithLabelValues(result).Inc() }

// SSMEventLag records the time from a change of a parameter to its record.
func (m *ParameterEvents) SSMEventLag(d time.Duration) { m.eventLag.Observe(max(0, d).Seconds()) }

// SetEventQueueUp records whether all queues answer.
func (m *ParameterEvents) SetEventQueueUp(up bool) {
	value := 0.0
	if up {
		value = 1
	}
	m.eventQueueUp.WithLabelValues().Set(value)
}

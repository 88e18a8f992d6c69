package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// NoticeOutcome is what became of something that an admission found and that an
// Event is to tell.
type NoticeOutcome string

// The outcomes.
const (
	NoticeWritten NoticeOutcome = "written"
	// NoticeRepeated was told a short while ago.
	NoticeRepeated NoticeOutcome = "repeated"
	// NoticeLimited is of a namespace that has too many.
	NoticeLimited NoticeOutcome = "limited"
	// NoticeDropped found the queue full.
	NoticeDropped NoticeOutcome = "dropped"
	// NoticeOrphaned is of a pod whose owner is not there, or makes no pods.
	NoticeOrphaned NoticeOutcome = "orphaned"
	NoticeFailed   NoticeOutcome = "failed"
)

// Findings counts findings of admissions.
type Findings struct {
	notices *prometheus.CounterVec
}

func (m *Findings) register(factory promauto.Factory) {
	m.notices = factory.NewCounterVec(counter("admission_events_total",
		"What became of findings of admissions that Events on workloads are to tell: written, repeated (told within the last hour), "+
			"limited (its namespace has too many), dropped (the queue was full), orphaned (the pod's owner is not there), failed (the API server did not answer)."),
		[]string{"outcome"})
	for _, outcome := range []NoticeOutcome{NoticeWritten, NoticeRepeated, NoticeLimited, NoticeDropped, NoticeOrphaned, NoticeFailed} {
		m.notices.WithLabelValues(string(outcome))
	}
}

// Notice counts one finding.
func (m *Findings) Notice(outcome NoticeOutcome) {
	m.notices.WithLabelValues(string(outcome)).Inc()
}

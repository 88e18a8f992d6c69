package metrics

import (
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Server shows version and certificate.
type Server struct {
	certificateExpiry prometheus.Gauge
	buildInfo         *prometheus.GaugeVec
}

func (m *Server) register(factory promauto.Factory) {
	m.certificateExpiry = factory.NewGauge(gauge("serving_certificate_expiry_timestamp_seconds",
		"When the certificate that this replica serves expires, in seconds since 1970; 0 until it has one. "+
			"API servers call a webhook with an expired certificate no more."))
	m.buildInfo = factory.NewGaugeVec(gauge("build_info",
		"Always 1; its labels say which version runs, and by which Go it was built."),
		[]string{"version", "goversion"})
}

// SetCertificateExpiry says until when the serving certificate is valid.
func (m *Server) SetCertificateExpiry(notAfter time.Time) {
	m.certificateExpiry.Set(float64(notAfter.Unix()))
}

// SetBuildInfo says which version runs.
func (m *Server) SetBuildInfo(version string) {
	m.buildInfo.WithLabelValues(version, runtime.Version()).Set(1)
}

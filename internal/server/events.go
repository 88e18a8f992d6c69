package server

import (
	"fmt"

	"github.com/envgraft/envgraft/internal/admissionevents"
	"github.com/envgraft/envgraft/internal/bounded"
	"github.com/envgraft/envgraft/internal/controller"
	"github.com/envgraft/envgraft/webhook"
)

// addNotices tells of admissions by Events. Where there is no controller there
// are no rights to read owners by, and nobody is told.
func (s *cluster) addNotices() (webhook.Notifier, error) {
	if !s.config.ExternalSecrets.Enabled {
		return nil, nil
	}
	n := admissionevents.New(s.manager.GetAPIReader(), bounded.Recorder(s.manager.GetEventRecorder(controller.Name)), s.metrics, s.log.WithName("notices"))
	if err := s.manager.Add(n); err != nil {
		return nil, fmt.Errorf("cannot add to the manager: %w", err)
	}
	return n, nil
}

package controller

import (
	"github.com/envgraft/envgraft/internal/eso"
	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/inventory"
	"github.com/envgraft/envgraft/internal/restarts"
	"github.com/envgraft/envgraft/internal/ssmevents"
	"github.com/envgraft/envgraft/internal/staleness"
)

// Recorder is told what the metrics of the controller count.
type Recorder interface {
	inventory.Recorder
	eso.Recorder
	ssmevents.Recorder
	// ResetHeld forgets what inventory.Recorder was told.
	ResetHeld()
	SetExternalSecrets(apps map[externalsecret.State]int)
	SetStalePods(pods map[staleness.Reason]int)
	SetRestartsWaiting(workloads map[restarts.Reason]int)
	SetEventQueueUp(up bool)
	ForceSync()
	Restart()
}

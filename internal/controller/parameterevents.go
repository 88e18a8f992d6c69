package controller

import (
	"context"
	"slices"

	"github.com/envgraft/envgraft/internal/lookup"
	"github.com/envgraft/envgraft/internal/ssmevents"
)

// EventQueue is a queue of parameter events.
type EventQueue struct {
	URL    string
	Client ssmevents.Queue
}

// receive receives events until ctx is done, and has the version check go by its
// fallback interval while all queues answer.
func (c *runner) receive(ctx context.Context, check *lookup.VersionCheck) {
	if len(c.options.EventQueues) == 0 || c.needs.Versions == nil {
		return
	}
	checks := ssmevents.NewChecks(lookup.NewEvents(check, c.options.Region), c.needs.Metrics)
	go checks.Run(ctx)
	var pollers []*ssmevents.Poller
	for _, queue := range c.options.EventQueues {
		poller := ssmevents.NewPoller(queue.URL, queue.Client, checks, c.needs.Metrics, c.connection.Log)
		pollers = append(pollers, poller)
		go poller.Run(ctx)
	}
	check.Fallback = c.options.EventFallback
	check.EventsUp = func() bool {
		up := !slices.ContainsFunc(pollers, func(p *ssmevents.Poller) bool { return !p.Up() })
		c.needs.Metrics.SetEventQueueUp(up)
		return up
	}
}

package plan

import (
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/envgraft/envgraft/internal/memory"
	"github.com/envgraft/envgraft/internal/rollout"
	"github.com/envgraft/envgraft/internal/workload"
	"github.com/envgraft/envgraft/internal/workloadevents"
)

// Reasons of Events about restarts.
const (
	eventRestarted    = "RestartedForSecret"
	eventNotRestarted = "SecretAppearedWithoutRestart"
)

// Cause is why a workload is to be restarted.
type Cause struct {
	Workload workload.Ref
	// Parameter is what holds it together with other workloads.
	Parameter string
	// About is settled when there is no more to think of.
	About any
	// Version is what the workload is said to be restarted for.
	Version string
	// served says that a restart for this was, and that there is no other.
	served func(rollout.Past) bool
	// Done and Left are the Events: that it was restarted, and that somebody
	// else has to.
	Done, Left event
}

// event is one on a workload.
type event struct{ reason, note string }

// Settle has the pods not considered again for a while.
func (c Cause) Settle(m *memory.Memory) { m.Settle(c.About, memory.SettledTTL) }

// Restarted is the Event that the workload was restarted.
func (c Cause) Restarted() Notice {
	return Notice{Workload: c.Workload, Event: workloadevents.Inform(c.Done.reason, "Restart", c.Done.note)}
}

// underWayPoll is when to look again at a workload whose new pods do not exist yet.
const underWayPoll = time.Minute

// RefusedRetry is when a restart that failed is tried again.
const RefusedRetry = time.Minute

// Refused reports a restart that failed. A policy or a quota that refuses it must not
// keep the app from its ExternalSecret. It is false where the workload is gone, or
// another has its name: its row brings us back.
func (c Cause) Refused(err error) (Notice, bool) {
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return Notice{}, false
	}
	return Notice{Workload: c.Workload, Event: workloadevents.Warn(
		c.Left.reason, "Restart", fmt.Sprintf("%s (envgraft cannot restart it: %s)", c.Left.note, err))}, true
}

// appeared is the cause of a restart of a workload whose pods started before
// their Secret existed: Reloader acts on changes of a Secret, not on its
// creation. There is one for a version that is as it is since a time: a parameter that
// is created again begins at version 1, and a Secret may be made again.
func appeared(c claim, version string, since time.Time) Cause {
	how := "delete the pods so that they start again"
	if c.Workload.Restartable() {
		how = rollout.Command(c.Workload)
	}
	return Cause{
		Workload: c.Workload, Parameter: c.Wants.Parameter, About: c.Awaiting, Version: version,
		served: func(past rollout.Past) bool { return past.Version() == version && !past.Last.Before(since) },
		Done: event{eventRestarted, fmt.Sprintf(
			"restarted: its pods had started before Secret %q existed, which now holds %q", c.Wants.Secret, version)},
		Left: event{eventNotRestarted, fmt.Sprintf(
			"pods started before Secret %q existed and run without it: %s", c.Wants.Secret, how)},
	}
}

// restart has a workload restarted, at most once in restarts.minInterval whatever
// the cause: the workload itself remembers, for leaders to come.
func (p *planner) restart(c Cause) error {
	w := c.Workload
	if w.GroupKind().Group == workload.GroupBatch {
		p.remember(c.Settle) // runs to its end, and the next run has its Secret
		return nil
	}
	if !w.Restartable() {
		leave(p, c)
		return nil
	}
	object, err := ask[*unstructured.Unstructured](p, ObjectOf{w})
	if err != nil {
		return refused(p, c, err)
	}
	if object == nil {
		p.remember(c.Settle)
		return nil
	}
	if slices.Contains(p.restarted, w.UID) {
		p.waitAtMost(p.MinRestartInterval) // the restart that is planned may serve this cause, too
		return nil
	}
	was := rollout.PastOf(object)
	if c.served(was) {
		p.remember(c.Settle)
		return nil
	}
	if rest := was.Rest(p.Now, p.MinRestartInterval); rest > 0 {
		p.waitAtMost(rest)
		return nil
	}
	if rollout.UnderWay(object, p.Now) {
		p.waitAtMost(underWayPoll)
		return nil
	}
	if p.NoRestarts || rollout.OptedOut(object) {
		leave(p, c)
		return nil
	}
	p.restarted = append(p.restarted, w.UID)
	p.do(Restart{Cause: c, Past: was, Object: object})
	return nil
}

// refused reports a workload that cannot be read on it, and has it tried again.
func refused(p *planner, c Cause, err error) error {
	if errors.Is(err, errAsked) {
		return err
	}
	if n, told := c.Refused(err); told {
		p.plan.Notices = append(p.plan.Notices, n)
		p.waitAtMost(RefusedRetry)
	}
	return nil
}

// leave leaves it to people.
func leave(p *planner, c Cause) {
	p.say(c.Workload, workloadevents.Warn(c.Left.reason, "Restart", c.Left.note))
	p.remember(c.Settle)
}

package controller

import (
	"context"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	utilcache "k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/lookup"
	"github.com/envgraft/envgraft/internal/memory"
	"github.com/envgraft/envgraft/internal/metrics"
	"github.com/envgraft/envgraft/internal/plan"
	"github.com/envgraft/envgraft/internal/restarts"
	"github.com/envgraft/envgraft/internal/staleness"
	"github.com/envgraft/envgraft/internal/workloadevents"
)

// TestModel plays random sequences of events against a cluster in memory. When all is up
// again, every pod has what the next one would get, or its workload is told that it has
// not; no workload was restarted for nothing, or twice for one cause; and in the end
// nothing is written any more. ENVGRAFT_MODEL sets how many sequences, and
// ENVGRAFT_MODEL_SEED the first; one alone is printed with -v.
func TestModel(t *testing.T) {
	sequences, err := strconv.ParseUint(os.Getenv("ENVGRAFT_MODEL"), 10, 64)
	if err != nil {
		sequences = 150
	}
	first, err := strconv.ParseUint(os.Getenv("ENVGRAFT_MODEL_SEED"), 10, 64)
	if err != nil {
		first = 0
	}
	failed := 0
	for seed := first; seed < first+sequences && failed < 5; seed++ {
		if faults := play(t, seed, testing.Verbose() && sequences == 1); len(faults) > 0 {
			failed++
			t.Errorf("seed %d: %s", seed, strings.Join(faults, "; "))
		}
	}
}

// play plays the sequence of a seed, and returns what went wrong.
func play(t *testing.T, seed uint64, verbose bool) []string {
	t.Helper()
	var w *world
	synctest.Test(t, func(t *testing.T) {
		w = newWorld(seed)
		m := &model{world: w, events: 5 + w.random.IntN(15)}
		m.lead(t)
		defer func() { m.stop() }()
		if w.random.IntN(3) > 0 {
			w.put("URL")
		}
		for range m.events {
			m.run(t, time.Duration(w.random.IntN(100))*time.Duration(1+w.random.IntN(6))*time.Second)
			m.event(t)
		}
		m.end(t)
	})
	if verbose {
		t.Log(strings.Join(w.log, "\n"))
	}
	return w.faults
}

// model is a sequence that is played.
type model struct {
	*world

	leader *reconciler
	stop   func()
	events int
}

type recorder1 struct{}

func (recorder1) SetHeld(string, int, int)                        {}
func (recorder1) SetESOInstalled(bool)                            {}
func (recorder1) SSMEvent(string)                                 {}
func (recorder1) SSMEventLag(time.Duration)                       {}
func (recorder1) ResetHeld()                                      {}
func (recorder1) ResetESOHeld()                                   {}
func (recorder1) SetESOHeld(metrics.Held, int, int)               {}
func (recorder1) SetExternalSecrets(map[externalsecret.State]int) {}
func (recorder1) SetStalePods(map[staleness.Reason]int)           {}
func (recorder1) SetRestartsWaiting(map[restarts.Reason]int)      {}
func (recorder1) SetEventQueueUp(bool)                            {}
func (recorder1) ForceSync()                                      {}
func (recorder1) Restart()                                        {}

// lead makes a new leader, which remembers nothing.
func (m *model) lead(t *testing.T) {
	t.Helper()
	if m.stop != nil {
		m.stop()
	}
	ctx, stop := context.WithCancel(t.Context())
	m.led = time.Now()
	now, remembers := clock.RealClock{}, memory.New(clock.RealClock{})
	again := func(app client.ObjectKey) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if ctx.Err() == nil {
			m.changed(app)
		}
	}
	lookups := lookup.New(m.world, now, 5, again)
	calls := cluster1{world: m.world}
	m.leader = &reconciler{
		gatherer: &gatherer{
			namespaces: namespaces1{m.world}, external: external2{m.world}, inventory: m.world, owners: m.world, client: calls, lookups: lookups,
			configMaps: newConfigMaps(calls, now), memory: remembers, clock: now, decider: m.engine,
			shadows: utilcache.NewLRUExpireCacheWithClock(100, now),
		},
		rules: plan.Rules{
			Decider: m.engine, Settings: m.config.ExternalSecretFor, Repair: m.random.IntN(2) == 0, MinRestartInterval: 10 * time.Minute, KeepUnused: 24 * time.Hour,
		},
		actor: &actor{
			client: calls, events: workloadevents.New(&events.FakeRecorder{}, now), queue: restarts.New(restarts.Options{}), lookups: lookups,
			memory: remembers, metrics: recorder1{}, clock: now,
		},
		dependents: newDependents(recorder1{}),
	}
	check := &lookup.VersionCheck{Versions: m.world, External: checked{m.world}, Lookups: lookups, Log: logr.Discard()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		check.Run(ctx, time.Minute)
	}()
	m.stop = func() {
		stop()
		<-done
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.changed(modelApp())
}

// run lets time pass.
func (m *model) run(t *testing.T, d time.Duration) {
	t.Helper()
	for end := time.Now().Add(d); ; {
		synctest.Wait()
		m.mu.Lock()
		m.syncESO()
		m.syncPods()
		next := end
		for app, at := range m.due {
			if at.After(time.Now()) {
				if at.Before(next) {
					next = at
				}
				continue
			}
			delete(m.due, app)
			m.mu.Unlock()
			result, err := m.leader.Reconcile(log.IntoContext(t.Context(), logr.Discard()), reconcile.Request{NamespacedName: app})
			m.mu.Lock()
			if err != nil {
				m.faultf("cannot reconcile: %v", err)
			}
			if at := time.Now().Add(result.RequeueAfter); result.RequeueAfter > 0 && (m.due[app].IsZero() || at.Before(m.due[app])) {
				m.due[app] = at
			}
			next = time.Now().Add(time.Second)
		}
		for _, e := range m.external {
			if e.next.After(time.Now()) && e.next.Before(next) {
				next = e.next
			}
		}
		m.mu.Unlock()
		if !time.Now().Before(end) {
			return
		}
		// A pod's start and ESO's refresh take a second.
		time.Sleep(max(time.Second, min(time.Until(next), time.Minute)))
	}
}

// event has something happen.
func (m *model) event(t *testing.T) {
	t.Helper()
	events := []struct {
		name string
		do   func()
	}{
		{"put", func() { m.put("URL") }},
		{"put", func() { m.put("MODE", "URL") }},
		{"put {}", func() { m.put() }},
		{"delete parameter", func() { delete(m.params, m.path()) }},
		{"delete and put", func() { delete(m.params, m.path()); m.put("URL") }},
		{"ESO", func() { m.esoUp = !m.esoUp }},
		{"SSM", func() { m.ssmUp = !m.ssmUp }},
		{"Reloader", func() { m.reloaderUp = !m.reloaderUp }},
		{"webhook", func() { m.webhookUp = !m.webhookUp }},
		{"kubelet", func() { m.kubeUp = !m.kubeUp }},
		{"delete Secret", func() { m.secret = nil }},
		{"ConfigMap", m.changeConfigMap},
		{"delete ConfigMap", m.deleteConfigMap},
		{"relabel", m.relabel},
		{"rollout", func() {
			d := m.deployments[m.random.IntN(len(m.deployments))]
			d.generation++
			d.changed(m.world)
		}},
		{"leader", func() { m.lead(t) }},
	}
	e := events[m.random.IntN(len(events))]
	synctest.Wait()
	if e.name == "leader" {
		m.logf("EVENT leader")
		e.do()
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.logf("EVENT %s", e.name)
	e.do()
}

func (m *model) changeConfigMap() {
	m.states++
	now := time.Now()
	if m.configMap == nil {
		m.configMap = &configMap1{state: m.states, created: now, changed: now}
		return
	}
	m.configMap.state, m.configMap.changed = m.states, now
	m.reload("ConfigMap")
}

func (m *model) deleteConfigMap() {
	if m.configMap != nil {
		m.configMap, m.deleted = nil, time.Now()
	}
}

func (m *model) relabel() {
	if m.system == "shops" {
		m.system = "bank"
	} else {
		m.system = "shops"
	}
	for _, d := range m.deployments {
		d.changed(m.world)
	}
}

// end has all up again, waits until all has settled, and looks at what came of it.
func (m *model) end(t *testing.T) {
	t.Helper()
	synctest.Wait()
	m.mu.Lock()
	m.logf("END")
	m.esoUp, m.ssmUp, m.reloaderUp, m.webhookUp, m.kubeUp = true, true, true, true, true
	if p := m.params[m.path()]; p == nil || len(p.keys) == 0 {
		m.put("URL")
	}
	m.mu.Unlock()
	m.run(t, 2*time.Hour)
	m.mu.Lock()
	m.logf("QUIET")
	writes, generations := m.writes, m.generations()
	m.mu.Unlock()
	m.run(t, 30*time.Minute)
	synctest.Wait()
	m.mu.Lock()
	if m.writes != writes || m.generations() != generations {
		m.faultf("%d writes and %d restarts when nothing changes", m.writes-writes, m.generations()-generations)
	}
	if limit := 12 * (m.events + 2); m.writes > limit {
		m.faultf("%d writes for %d events", m.writes, m.events)
	}
	m.mu.Unlock()
	m.judge(t)
}

func (m *model) generations() int {
	sum := 0
	for _, d := range m.deployments {
		sum += d.generation
	}
	return sum
}

// startedEarly says that a pod waited for the Secret, which ESO made before the leader
// had asked for the version: nobody sees that it has this one.
func (m *model) startedEarly(p *pod1) bool {
	known := m.params[m.path()]
	return p.admitted != known.state && !p.running.Before(known.modified) && p.running.Sub(known.modified) < 2*time.Minute
}

// judgeDeleted is for a pod whose ConfigMap was deleted. A leader knows of that where it
// saw the ConfigMap before, and of pods that ran then.
func (m *model) judgeDeleted(pod *pod1, told []string) {
	seen := m.led.Add(plan.ConfigMapInterval).Before(m.deleted) && pod.running.Add(plan.ConfigMapInterval).Before(m.deleted)
	if seen && len(told) == 0 {
		m.faultf("pod %s: its ConfigMap was deleted, and nobody says so", pod.name)
	}
}

// judge compares each pod with what the next one would get, and with what is said.
func (m *model) judge(t *testing.T) {
	t.Helper()
	g := m.leader.gatherer
	g.memory = memory.New(clock.RealClock{}) // all is said again
	m.leader.gatherer.memory = g.memory
	s, err := g.snapshot(t.Context(), installation1{m.world}, modelApp())
	if err != nil {
		m.faultf("no snapshot: %v", err)
		return
	}
	p := m.leader.plan(t.Context(), reading{g, installation1{m.world}, s})
	told := map[string][]string{}
	for _, n := range p.Notices {
		if n.Event.Warning {
			told[n.Workload.Name] = append(told[n.Workload.Name], n.Event.Reason)
		}
	}
	if p.Err != nil {
		m.faultf("no plan: %v", p.Err)
	}
	for _, d := range m.deployments {
		for _, pod := range m.newest(d) {
			if pod.running.IsZero() {
				if len(told[d.name]) == 0 {
					m.faultf("pod %s never starts, and nobody says so", pod.name)
				}
				continue
			}
			why := m.wrong(pod)
			if m.configMap == nil && pod.configMap != 0 && why == "" {
				m.judgeDeleted(pod, told[d.name])
				continue
			}
			if why != "" && len(told[d.name]) == 0 {
				m.faultf("pod %s: %s, and nobody says so (%v)", pod.name, why, told)
			} else if why == "" && len(told[d.name]) > 0 && !m.startedEarly(pod) {
				m.faultf("pod %s is as it should be, and %v is said", pod.name, told[d.name])
			}
		}
	}
}

package plan

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/memory"
	"github.com/envgraft/envgraft/internal/staleness"
	"github.com/envgraft/envgraft/internal/workload"
)

func found(version int64, modified time.Time) Found {
	return Found{Known: true, Parameter: facts.Parameter{Parameter: graft.Parameter{
		State: graft.ParameterFound, Version: version, Modified: modified, Keys: []string{"URL"},
	}}}
}

// TestWrites is when an ExternalSecret is written, and what its workload is told.
func TestWrites(t *testing.T) {
	for _, test := range []struct {
		reason string
		set    func(s *scenario)
		writes int
		event  string
		state  externalsecret.State
	}{
		{"a workload has none yet", func(*scenario) {}, 1, "", externalsecret.StatePending},
		{"its keys are about to be known", func(s *scenario) { s.found.Soon = time.Second }, 0, "", externalsecret.StatePending},
		{"ESO is not installed", func(s *scenario) { s.ESOVersion = "" }, 0, "web ExternalSecretsOperatorMissing", externalsecret.StateNotInstalled},
		{"its store does not exist", func(s *scenario) { s.lacks, s.quota = true, "full" }, 0, "web TooManyExternalSecrets full", externalsecret.StateNoStore},
		{"it is as it should be", func(s *scenario) {
			s.record = recordOf(1, at(10), "URL")
			s.keep(at(20))
		}, 0, "", externalsecret.StateReady},
		{"somebody changed it", func(s *scenario) {
			s.record = recordOf(1, at(10), "URL")
			s.keep(at(20), func(e *externalsecret.ExternalSecret) { e.Spec.Target.DeletionPolicy = "Merge" })
		}, 1, "", externalsecret.StatePending},
		{"it was written a second ago, and the informer does not have it", func(s *scenario) {
			s.Memory.SetApplied(key(&externalsecret.ExternalSecret{ObjectMeta: metav1.ObjectMeta{Namespace: "shops", Name: "shop-external"}}), memory.Applied{At: noon()})
		}, 0, "", externalsecret.StatePending},
		{"its changes are too frequent", func(s *scenario) {
			e := s.keep(at(20), func(e *externalsecret.ExternalSecret) { e.Spec.DataFrom[0].Extract.Key = "/other" })
			for range 10 {
				s.Memory.Changed(key(e))
			}
		}, 0, "", externalsecret.StateReady},
		{"it is being deleted", func(s *scenario) {
			s.keep(at(20), func(e *externalsecret.ExternalSecret) { e.DeletionTimestamp = new(metav1.NewTime(at(30))) })
		}, 0, "web ExternalSecretBeingDeleted", externalsecret.StateDeleting},
		{"somebody else fills the Secret", func(s *scenario) {
			s.keep(at(20), func(e *externalsecret.ExternalSecret) {
				e.Name, e.Labels, e.ManagedFields = "by-hand", nil, nil
			})
		}, 0, "", externalsecret.StateForeign},
		{"a new owner exists", func(s *scenario) {
			s.keep(at(20))
			s.addWorkload(workload.StatefulSet, "db", nil)
		}, 1, "", externalsecret.StatePending},
		{"a new owner is gone", func(s *scenario) {
			s.keep(at(20))
			s.addWorkload(workload.StatefulSet, "db", nil)
			s.gone = true
		}, 0, "", externalsecret.StateReady},
		{"two workloads want different things", func(s *scenario) {
			s.keep(at(20))
			s.addWorkload(workload.StatefulSet, "db", map[string]string{api.AnnotationRefreshInterval: "1h"})
		}, 1, "web ExternalSecretConflict", externalsecret.StatePending},
		{"a Secret of another name is only referred to", func(s *scenario) {
			s.Workloads = nil
			s.addWorkload(workload.Deployment, "web", map[string]string{api.AnnotationSecretName: "tls"})
		}, 0, "web SecretReferencedOnly", ""},
	} {
		t.Run(test.reason, func(t *testing.T) {
			s := newScenario(t)
			test.set(s)
			p := s.make(t)
			if n := len(actionsOf[Apply](p)); n != test.writes {
				t.Errorf("there are %d writes, want %d", n, test.writes)
			}
			if p.State != test.state || p.Err != nil {
				t.Errorf("the state is %q, error %v, want %q", p.State, p.Err, test.state)
			}
			p.says(t, test.event)
		})
	}
}

// TestStepsFailAlone has the API server refuse one answer after the other: every other
// step is decided.
func TestStepsFailAlone(t *testing.T) {
	build := func(t *testing.T) *scenario {
		t.Helper()
		s := newScenario(t)
		s.record = recordOf(2, at(10), "URL")
		s.keep(at(20))
		s.found = found(2, at(9))
		s.configMap = ConfigMap{Known: true, Found: true, Created: at(-100), Changed: at(-100)}
		s.addPod("web-1", at(5), api.AnnotationAwaitsSecret, "true")
		return s
	}
	whole := build(t)
	all := whole.make(t)
	if len(actionsOf[Restart](all)) != 1 || len(all.Steps) < 8 {
		t.Fatalf("the scenario has too little: %+v", all)
	}
	for _, refused := range whole.asked {
		switch refused.(type) {
		case TopOf: // whose a pod is fails all: see ADR 23
			continue
		case ObjectOf, ParameterOf: // a restart has an Event of its own, and lookups do not fail
			continue
		}
		s := build(t)
		s.failing = func(q any) error {
			if reflect.TypeOf(q) == reflect.TypeOf(refused) {
				return errRefused
			}
			return nil
		}
		p := s.make(t)
		failed := 0
		for _, step := range p.Steps {
			if step.Err != nil {
				failed++
			}
		}
		if p.Err != nil || failed == 0 || len(p.Steps) < 3 {
			t.Errorf("%T is refused: %d of %d steps fail, error %v", refused, failed, len(p.Steps), p.Err)
		}
	}

	s := build(t)
	s.failing = func(q any) error {
		if _, top := q.(TopOf); top {
			return errRefused
		}
		return nil
	}
	if p := s.make(t); p.Err == nil {
		t.Error("whose a pod is, is not known, and nothing fails")
	}
}

// TestRefusedWriteHoldsNothingUp has a write refused before: the workload whose pods
// wait for the Secret is restarted all the same.
func TestRefusedWriteHoldsNothingUp(t *testing.T) {
	s := newScenario(t)
	s.record = recordOf(2, at(10), "URL")
	s.keep(at(20), func(e *externalsecret.ExternalSecret) { e.Spec.Data = []externalsecret.Data{{SecretKey: "X"}} })
	s.found = found(2, at(9))
	s.addPod("web-1", at(5), api.AnnotationAwaitsSecret, "true")
	if p := s.make(t); len(actionsOf[Apply](p)) != 1 || len(actionsOf[Restart](p)) != 0 {
		t.Errorf("first it is written: %+v", p.actions())
	}
	s.Memory.Fail(memory.Step{App: s.App, What: `write ExternalSecret "shop-external"`, Reason: eventNotWritten})
	p := s.make(t)
	if len(actionsOf[Apply](p)) != 0 || len(actionsOf[Restart](p)) != 1 || p.Wait <= 0 {
		// The step rests: only what does not depend on it is done.
		t.Errorf("while it rests: %+v, again in %s", p.actions(), p.Wait)
	}
	s.clock.Step(time.Minute)
	s.Now = s.clock.Now()
	if p := s.make(t); len(actionsOf[Apply](p)) != 1 || len(actionsOf[Restart](p)) != 1 {
		t.Errorf("when it is tried again: %+v", p.actions())
	}
}

// TestRestarts is when the workload of pods that lack a Secret is restarted.
func TestRestarts(t *testing.T) {
	const version = parameter + "@2"
	restartedFor := func(s *scenario, cause string, last time.Time) {
		s.object.Object["spec"] = map[string]any{"template": map[string]any{"metadata": map[string]any{"annotations": map[string]any{
			api.AnnotationRestartedFor: cause, api.AnnotationRestartedAt: last.Format(time.RFC3339),
		}}}}
	}
	for _, test := range []struct {
		reason   string
		set      func(s *scenario)
		restarts int
		event    string
		wait     bool
	}{
		{"its pods started without the Secret", func(*scenario) {}, 1, "", false},
		{"it was restarted for this version", func(s *scenario) { restartedFor(s, version, at(30)) }, 0, "", false},
		{"a parameter of that version was deleted since, and created again", func(s *scenario) { restartedFor(s, version, at(1)) }, 1, "", false},
		{"it was restarted a moment ago", func(s *scenario) { restartedFor(s, "/other@1", at(60)) }, 0, "", true},
		{"a person wants no restarts", func(s *scenario) {
			s.object.SetAnnotations(map[string]string{api.AnnotationReload: "disabled"})
		}, 0, "web SecretAppearedWithoutRestart pods started before Secret", false},
		{"the configuration wants none", func(s *scenario) { s.rules.NoRestarts = true }, 0, "web SecretAppearedWithoutRestart", false},
		{"it is gone", func(s *scenario) { s.object = nil }, 0, "", false},
		{"it cannot be read", func(s *scenario) {
			s.failing = func(q any) error {
				if _, ok := q.(ObjectOf); ok {
					return errRefused
				}
				return nil
			}
		}, 0, "web SecretAppearedWithoutRestart pods started before", true},
		{"the pod is a Job's", func(s *scenario) {
			s.top = workload.Ref{APIVersion: "batch/v1", Kind: "Job", Namespace: "shops", Name: "web", UID: "job"}
		}, 0, "", false},
		{"the Secret lacks what SSM has", func(s *scenario) { s.found = found(3, at(50)) }, 0, "", false},
		{"SSM does not answer", func(s *scenario) { s.found = Found{Wait: time.Minute} }, 0, "", true},
	} {
		t.Run(test.reason, func(t *testing.T) {
			s := newScenario(t)
			s.record = recordOf(2, at(10), "URL")
			s.keep(at(20), func(e *externalsecret.ExternalSecret) {
				e.Annotations[api.AnnotationForcedVersion] = parameter + "@3"
			})
			s.found = found(2, at(9))
			pod := s.addPod("web-1", at(5), api.AnnotationAwaitsSecret, "true")
			test.set(s)
			p := s.make(t)
			if n := len(actionsOf[Restart](p)); n != test.restarts {
				t.Errorf("there are %d restarts, want %d: %+v %s", n, test.restarts, p.Steps, p.State)
			}
			if (p.Wait > 0) != test.wait {
				t.Errorf("it is looked at again in %s", p.Wait)
			}
			p.says(t, test.event)
			if settled := s.remembers(p, pod.UID); settled != (test.restarts == 0 && !test.wait && !strings.Contains(test.reason, "lacks") && !strings.Contains(test.reason, "Job's")) {
				t.Errorf("settled is %t", settled)
			}
		})
	}
}

// TestOneRestart has two causes for one workload: one restart serves both.
func TestOneRestart(t *testing.T) {
	s := newScenario(t)
	s.rules.Repair = true
	s.record = recordOf(2, at(10), "URL")
	s.keep(at(20))
	s.found = found(2, at(9))
	s.addPod("web-1", at(5), api.AnnotationAwaitsSecret, "true", api.AnnotationParameterVersion, "1", api.AnnotationInjected, "ConfigMap/other")
	p := s.make(t)
	if restarts := actionsOf[Restart](p); len(restarts) != 1 || p.Wait != s.rules.MinRestartInterval {
		t.Errorf("there are %d restarts, and another look in %s", len(restarts), p.Wait)
	}
}

// TestRefresh has ESO refreshed where the newest pod may have got older keys.
func TestRefresh(t *testing.T) {
	s := newScenario(t)
	s.record = recordOf(2, at(10), "URL")
	e := s.keep(at(20))
	s.found = found(3, at(54))
	s.addPod("web-1", at(58), api.AnnotationParameterVersion, "3")
	p := s.make(t)
	refreshes := actionsOf[Refresh](p)
	if len(refreshes) != 1 || refreshes[0].Version != parameter+"@3" || refreshes[0].Record == nil {
		t.Fatalf("the refreshes are %+v", refreshes)
	}
	s.remembers(p, nil)
	if !s.Memory.Checked(key(e)).Equal(at(58)) {
		t.Error("each pod is looked up again")
	}
}

// TestStale is what is reported of pods, and when their workload is restarted.
func TestStale(t *testing.T) {
	for _, test := range []struct {
		reason string
		set    func(s *scenario)
		event  string
		stale  staleness.Reason
	}{
		{"it has what the next would get", func(s *scenario) { s.addPod("web-1", at(50), api.AnnotationParameterVersion, "2") }, "", ""},
		{"the webhook did not see it", func(s *scenario) {
			s.addPod("web-1", at(50), api.AnnotationInjected, "", api.AnnotationParameter, "")
		}, "web PodsNotInjected", staleness.NotInjected},
		{"it has another app's", func(s *scenario) {
			s.addPod("web-1", at(50), api.AnnotationInjected, "ConfigMap/x", api.AnnotationParameterVersion, "2")
		}, "web StaleIdentity", staleness.OtherIdentity},
		{"its literals shadow keys", func(s *scenario) {
			s.shadows = true
			s.addPod("web-1", at(50))
		}, "web ShadowedKeys", staleness.ShadowedKey},
		{"its keys were not known, and none is shadowed", func(s *scenario) { s.addPod("web-1", at(50)) }, "", ""},
		{"it has an older version", func(s *scenario) { s.addPod("web-1", at(0), api.AnnotationParameterVersion, "1") }, "web StaleVersion", staleness.OlderVersion},
		{"it was admitted by an older version, and started with this one", func(s *scenario) {
			s.pod = runningSince("web-1", at(30))
			s.addPod("web-1", at(0), api.AnnotationParameterVersion, "1")
		}, "", ""},
		{"it has this one, and its literals shadow a key that came with it", func(s *scenario) {
			s.pod = runningSince("web-1", at(30))
			s.pod.Labels = map[string]string{api.LabelName: "shop"}
			s.pod.Spec.Containers = []corev1.Container{{Name: "web", Env: []corev1.EnvVar{{Name: "URL", Value: "literal"}}}}
			s.addPod("web-1", at(0), api.AnnotationParameterVersion, "1")
		}, "web ShadowedKeys", staleness.ShadowedKey},
		{"its keys were not known, and the parameter changed since", func(s *scenario) { s.addPod("web-1", at(0)) }, "web StaleVersion", staleness.OlderVersion},
		{"it was replaced meanwhile", func(s *scenario) {
			s.pod = runningSince("web-2", at(30))
			s.addPod("web-1", at(0), api.AnnotationParameterVersion, "1")
		}, "", ""},
		{"it opted out", func(s *scenario) {
			s.addPod("web-1", at(0), api.AnnotationInjected, "")
			s.AllPods[0].Labels = append(s.AllPods[0].Labels, api.LabelInject, api.Disabled)
		}, "", ""},
		{"its Namespace bypasses the webhook", func(s *scenario) {
			s.Namespace.Labels[api.LabelBypass] = "true"
			s.addPod("web-1", at(0), api.AnnotationInjected, "")
		}, "", ""},
		{"it is of a former revision", func(s *scenario) {
			s.addPod("web-2", at(50), api.AnnotationParameterVersion, "2")
			s.addPod("web-1", at(0), api.AnnotationParameterVersion, "1")
			s.AllPods[1].Revision = "0"
		}, "", ""},
	} {
		for _, repair := range []bool{false, true} {
			s := newScenario(t)
			s.rules.Repair = repair
			s.record = recordOf(2, at(10), "URL")
			s.keep(at(20))
			s.found = found(2, at(9))
			test.set(s)
			p := s.make(t)
			p.says(t, test.event)
			if p.Stale[test.stale] != 1 && test.stale != "" || test.stale == "" && len(p.Stale) > 0 {
				t.Errorf("%s: counted are %v", test.reason, p.Stale)
			}
			if n := len(actionsOf[Restart](p)); (n == 1) != (repair && test.stale != "") {
				t.Errorf("%s: repair is %t, and there are %d restarts", test.reason, repair, n)
			}
		}
	}
}

// TestRevoke revokes what the Namespace may no longer have.
func TestRevoke(t *testing.T) {
	s := newScenario(t)
	s.keep(at(20), func(e *externalsecret.ExternalSecret) {
		e.Name, e.Spec.DataFrom[0].Extract.Key = "former-external", "/bank/shop/stage/app"
	})
	p := s.make(t)
	applied := actionsOf[Apply](p)
	at := slices.IndexFunc(applied, func(a Apply) bool { return a.Object.GetName() == "former-external" })
	if at < 0 || !strings.Contains(applied[at].Object.GetAnnotations()[api.AnnotationRevoked], `may no longer have parameter "/bank/shop/stage/app"`) {
		t.Fatalf("the writes are %+v", applied)
	}
	if len(applied[at].Done) != 1 || applied[at].Done[0].Event.Reason != externalsecret.ReasonRevoked {
		t.Errorf("its owners are told %+v", applied[at].Done)
	}
}

// TestUnused deletes an ExternalSecret that nothing uses after a while, and not before.
func TestUnused(t *testing.T) {
	s := newScenario(t)
	s.Workloads = nil
	e := s.keep(at(20), func(e *externalsecret.ExternalSecret) { e.OwnerReferences = nil })
	first := s.make(t)
	if !first.Unused || len(first.actions()) > 0 || first.Wait != time.Hour {
		t.Errorf("at first: %+v, again in %s", first.actions(), first.Wait)
	}
	s.remembers(first, nil)
	later := func(d time.Duration) Plan {
		s.clock.Step(d)
		s.Now = s.clock.Now()
		return s.make(t)
	}
	if marks := actionsOf[MarkUnused](later(90 * time.Minute)); len(marks) != 1 || marks[0].Since != "2026-01-01T12:00:00Z" {
		t.Errorf("after a while: %+v", marks)
	}
	e.Annotations = map[string]string{api.AnnotationUnusedSince: "2026-01-01T12:00:00Z"}
	if p := later(time.Hour); len(p.actions()) > 0 || p.Wait <= 0 {
		t.Errorf("marked: %+v, again in %s", p.actions(), p.Wait)
	}
	if deleted := actionsOf[Delete](later(23 * time.Hour)); len(deleted) != 1 || deleted[0].ExternalSecret.Name != "shop-external" {
		t.Errorf("at the end: %+v", deleted)
	}

	// A workload uses it again.
	s.addWorkload(workload.Deployment, "web", nil)
	if marks := actionsOf[MarkUnused](s.make(t)); len(marks) != 1 || marks[0].Since != "" {
		t.Errorf("in use: %+v", marks)
	}
}

// TestGone has a Namespace that does not exist, and an app without anything.
func TestGone(t *testing.T) {
	s := newScenario(t)
	s.Namespace = nil
	if p := s.make(t); !p.Unused || len(p.actions()) > 0 || p.Err != nil {
		t.Errorf("without Namespace: %+v", p)
	}
	s = newScenario(t)
	s.Workloads = nil
	if p := s.make(t); !p.Unused || len(p.actions()) > 0 || len(s.asked) > 0 {
		t.Errorf("without workloads: %+v", p)
	}
}

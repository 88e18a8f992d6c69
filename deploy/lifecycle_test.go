package deploy_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/yaml"
)

// The day of a test: all is well, a fault begins, lasts and ends, all is well.
const (
	faultBegins = 90 * time.Minute
	faultEnds   = faultBegins + 3*time.Hour
	dayEnds     = faultEnds + 90*time.Minute
)

// lifecycle is what an alert must make of a fault that lasts for hours.
type lifecycle struct {
	reason string
	// series returns what is scraped on that day.
	series func(d day) []inputSeries
	// fires is how long after its beginning the fault may go unnoticed, and ends
	// how long the alert may outlast it.
	fires, ends time.Duration
}

type inputSeries struct {
	Series string `json:"series"`
	Values string `json:"values"`
}

// day makes series; another seed has other replicas asked at other moments.
type day struct {
	scrape time.Duration
	random *rand.Rand
}

// samples returns a series whose value at a time is what value says; where that
// is negative there is no sample.
func (d day) samples(series string, value func(at time.Duration) float64) inputSeries {
	var values []string
	for at := time.Duration(0); at <= dayEnds; at += d.scrape {
		v := value(at)
		if v < 0 {
			values = append(values, "_")
			continue
		}
		values = append(values, fmt.Sprintf("%g", v))
	}
	return inputSeries{Series: series, Values: strings.Join(values, " ")}
}

func during(at time.Duration, value float64) float64 {
	if at >= faultBegins && at < faultEnds {
		return value
	}
	return 0
}

// gauge has the value while the fault lasts, and 0 in the two minutes in which a
// new leader has not counted yet.
func (d day) gauge(series string, value float64) inputSeries {
	return d.samples(series, func(at time.Duration) float64 {
		const handover = faultBegins + 100*time.Minute
		if at >= handover && at < handover+2*time.Minute {
			return 0
		}
		return during(at, value)
	})
}

// attempts are those of one ReplicaSet (or StatefulSet, DaemonSet, Job) that
// fails each time: its controller's own rate limiter, as
// k8s.io/kubernetes/pkg/controller/replicaset uses it, says when the next is.
func (d day) attempts() []time.Duration {
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[string](5*time.Millisecond, 1000*time.Second)
	at := faultBegins + time.Duration(d.random.Int64N(int64(d.scrape)))
	var all []time.Duration
	for at < faultEnds {
		all = append(all, at)
		at += limiter.When("replicaset") + 50*time.Millisecond // the sync itself takes some time
	}
	return all
}

// counted spreads attempts over servers, whose counters count those that they got.
// With born, a server's series begins with its first attempt, as API servers' do.
func (d day) counted(attempts []time.Duration, born bool, series ...string) []inputSeries {
	got := make([][]time.Duration, len(series))
	for _, at := range attempts {
		i := d.random.IntN(len(series))
		got[i] = append(got[i], at)
	}
	var all []inputSeries
	for i, name := range series {
		all = append(all, d.samples(name, func(at time.Duration) float64 {
			count := 0
			for _, one := range got[i] {
				if one <= at {
					count++
				}
			}
			if born && count == 0 {
				return -1
			}
			return float64(count)
		}))
	}
	return all
}

// each returns a moment for every interval of the fault.
func each(interval time.Duration) []time.Duration {
	var all []time.Duration
	for at := faultBegins; at < faultEnds; at += interval {
		all = append(all, at)
	}
	return all
}

func replicas(name, labels string) []string {
	return []string{
		fmt.Sprintf(`%s{%s, job="envgraft-metrics", instance="a", pod="a"}`, name, labels),
		fmt.Sprintf(`%s{%s, job="envgraft-metrics", instance="b", pod="b"}`, name, labels),
	}
}

// steady is a counter that grows by one with each scrape while when says so.
func (d day) steady(series string, when func(at time.Duration) bool) inputSeries {
	count := 0.0
	return d.samples(series, func(at time.Duration) float64 {
		if when(at) {
			count++
		}
		return count
	})
}

// durations are buckets: a call takes up to 10 ms, and while the fault lasts longer
// than the given seconds.
func (d day) durations(name, labels string, seconds float64) []inputSeries {
	always := func(time.Duration) bool { return true }
	healthy := func(at time.Duration) bool { return during(at, 1) == 0 }
	slow := seconds * 1.25
	return []inputSeries{
		d.steady(fmt.Sprintf(`%s_bucket{%s, le="0.01"}`, name, labels), healthy),
		d.steady(fmt.Sprintf(`%s_bucket{%s, le="%g"}`, name, labels, seconds), healthy),
		d.steady(fmt.Sprintf(`%s_bucket{%s, le="%g"}`, name, labels, slow), always),
		d.steady(fmt.Sprintf(`%s_bucket{%s, le="+Inf"}`, name, labels), always),
	}
}

func rejections(d day) []inputSeries {
	const series = `apiserver_admission_webhook_rejection_count{name="pod.pods.envgraft.dev", type="admit", operation="CREATE", error_type="calling_webhook_error", rejection_code="500", instance=%q}`
	return d.counted(d.attempts(), true, fmt.Sprintf(series, "1"), fmt.Sprintf(series, "2"), fmt.Sprintf(series, "3"))
}

func denials(d day) []inputSeries {
	return d.counted(d.attempts(), false, replicas("envgraft_admissions_total", `webhook="pods", status="denied", reason="InvalidSetting"`)...)
}

// ssm has calls of both kinds: of admissions, which end once pods are admitted
// unchecked, and the leader's check of versions, once a minute.
func ssm(result string) func(d day) []inputSeries {
	return func(d day) []inputSeries {
		never := func(time.Duration) float64 { return 0 }
		healthy := func(at time.Duration) bool { return during(at, 1) == 0 }
		return []inputSeries{
			d.samples(fmt.Sprintf(`envgraft_ssm_requests_total{result=%q, instance="a"}`, result), never),
			d.samples(`envgraft_ssm_requests_total{result="Found", instance="a"}`, never),
			d.counted(each(time.Minute), false, fmt.Sprintf(`envgraft_ssm_version_requests_total{result=%q, instance="a"}`, result))[0],
			d.steady(`envgraft_ssm_version_requests_total{result="Found", instance="a"}`, healthy),
		}
	}
}

// one is a series that has value while the fault lasts.
func one(series string, value float64) func(d day) []inputSeries {
	return func(d day) []inputSeries { return []inputSeries{d.gauge(series, value)} }
}

// warned is a pod every half an hour that is admitted with a warning.
func warned(name, labels string) func(d day) []inputSeries {
	return func(d day) []inputSeries { return d.counted(each(30*time.Minute), false, replicas(name, labels)...) }
}

func lifecycles() map[string]lifecycle {
	const minute = time.Minute
	return map[string]lifecycle{
		"EnvgraftCannotBeCalled": {"A single ReplicaSet tries ever more rarely.", rejections, 22 * minute, 22 * minute},
		"EnvgraftDenyingPods":    {"Likewise, and either replica may be asked.", denials, 23 * minute, 22 * minute},
		"EnvgraftBypassed": {"A workload is applied now and then.", func(d day) []inputSeries {
			up := d.samples(`up{job="apiserver", instance="1"}`, func(time.Duration) float64 { return 1 })
			return append(d.counted(each(50*minute), true, `apiserver_admission_webhook_fail_open_count{name="workload.workloads.envgraft.dev", type="admit", job="apiserver", instance="1"}`), up)
		}, 4 * minute, 61 * minute},
		"EnvgraftTargetDown": {"", func(d day) []inputSeries {
			return []inputSeries{d.samples(`up{job="envgraft-metrics", instance="a"}`, func(at time.Duration) float64 { return 1 - during(at, 1) })}
		}, 11 * minute, minute},
		"EnvgraftNoLeader": {"", func(d day) []inputSeries {
			return []inputSeries{d.samples(`leader_election_master_status{name="envgraft-controller", instance="a"}`, func(at time.Duration) float64 { return 1 - during(at, 1) })}
		}, 6 * minute, minute},
		"EnvgraftSlow": {"", func(d day) []inputSeries {
			return d.durations("envgraft_admission_duration_seconds", `webhook="pods", instance="a"`, 2)
		}, 16 * minute, 6 * minute},
		"EnvgraftSlowToCall": {"", func(d day) []inputSeries {
			return d.durations("apiserver_admission_webhook_admission_duration_seconds", `name="pod.pods.envgraft.dev", instance="1"`, 4)
		}, 16 * minute, 6 * minute},
		"EnvgraftSkippingPods":    {"", warned("envgraft_admissions_total", `webhook="pods", status="skipped", reason="NoApp"`), 17 * minute, 61 * minute},
		"EnvgraftKeysUnknown":     {"", warned("envgraft_warnings_total", `reason="UncheckedLiterals"`), 17 * minute, 61 * minute},
		"EnvgraftShadowedKeys":    {"", warned("envgraft_warnings_total", `reason="ShadowedKey"`), 17 * minute, 61 * minute},
		"EnvgraftStalePods":       {"A new leader begins with 0.", one(`envgraft_stale_pods{reason="NotInjected", instance="a"}`, 3), 32 * minute, 12 * minute},
		"EnvgraftRestartsBlocked": {"Likewise.", one(`envgraft_pending_restarts{reason="held", instance="a"}`, 4), 32 * minute, 12 * minute},
		"EnvgraftSSMAccessDenied": {"Admissions ask no more, the leader does.", ssm("AccessDenied"), 23 * minute, 22 * minute},
		"EnvgraftSSMUnavailable":  {"Likewise.", ssm("Throttled"), 15 * minute, 22 * minute},
		"EnvgraftCertificateExpiring": {"", func(d day) []inputSeries {
			return []inputSeries{d.samples(`envgraft_serving_certificate_expiry_timestamp_seconds{instance="a"}`, func(at time.Duration) float64 { return 90*86400 - during(at, 87*86400) })}
		}, 17 * minute, minute},
		"EnvgraftSSMBudgetExhausted": {"A namespace that waits tries ever more rarely.", func(d day) []inputSeries {
			return d.counted(d.attempts(), false, replicas("envgraft_ssm_budget_exhausted_total", `namespace="x"`)...)
		}, 23 * minute, 22 * minute},
		"EnvgraftReloaderNotRestarting": {"A new leader begins with 0.", one(`envgraft_stale_pods{reason="OlderVersion", instance="a"}`, 3), 12 * minute, 12 * minute},
		"EnvgraftEventQueueDown": {"", func(d day) []inputSeries {
			return []inputSeries{d.samples(`envgraft_event_queue_up{instance="a"}`, func(at time.Duration) float64 { return 1 - during(at, 1) })}
		}, 12 * minute, 12 * minute},
		"EnvgraftExternalSecretsFailing": {"A new leader begins with 0.", one(`envgraft_external_secrets{state="Failing", instance="a"}`, 2), 17 * minute, 12 * minute},
	}
}

// promtoolTest is a test of promtool test rules.
type promtoolTest struct {
	Name     string          `json:"name"`
	Interval string          `json:"interval"`
	Input    []inputSeries   `json:"input_series"`     //nolint:tagliatelle // promtool's
	Expect   []promtoolCheck `json:"promql_expr_test"` //nolint:tagliatelle // promtool's
}

type promtoolCheck struct {
	Expr    string           `json:"expr"`
	Time    string           `json:"eval_time"`   //nolint:tagliatelle // promtool's
	Samples []map[string]any `json:"exp_samples"` //nolint:tagliatelle // promtool's
}

func (l lifecycle) test(alert string, scrape time.Duration, seed uint64) promtoolTest {
	d := day{scrape: scrape, random: rand.New(rand.NewPCG(seed, 1))}
	test := promtoolTest{
		Name:     fmt.Sprintf("%s, scraped every %s, seed %d", alert, scrape, seed),
		Interval: scrape.String(),
		Input:    l.series(d),
	}
	check := func(at time.Duration, want int) {
		test.Expect = append(test.Expect, promtoolCheck{
			Expr:    fmt.Sprintf(`(count(ALERTS{alertname=%q, alertstate="firing"}) or vector(0)) > bool 0`, alert),
			Time:    at.Round(time.Minute).String(),
			Samples: []map[string]any{{"value": want}},
		})
	}
	check(faultBegins-time.Minute, 0)
	for at := faultBegins + l.fires; at < faultEnds; at += 2 * time.Minute {
		check(at, 1)
	}
	for at := faultEnds + l.ends; at < dayEnds; at += 10 * time.Minute {
		check(at, 0)
	}
	return test
}

// TestLifecycle has each alert see a fault begin, last and end: it fires in time,
// does not fall silent while the fault lasts, and ends.
func TestLifecycle(t *testing.T) {
	rules, err := filepath.Abs("chart/files/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	all := lifecycles()
	var tests []promtoolTest
	for _, rule := range alerts(t) {
		l, ok := all[rule.Alert]
		if !ok {
			t.Errorf("alert %s has no fault that begins, lasts and ends", rule.Alert)
			continue
		}
		delete(all, rule.Alert)
		tests = append(tests, l.test(rule.Alert, 30*time.Second, 1))
		if strings.Contains(rule.Expr, "[20m]") { // where it matters who is asked when
			for seed := range uint64(2) {
				tests = append(tests, l.test(rule.Alert, time.Minute, 2+seed))
			}
		}
	}
	for name := range all {
		t.Errorf("%s is no alert", name)
	}
	runPromtool(t, rules, tests)
}

// TestAccidents has none of the alerts that ask whether a failure repeats fire
// for one that does not.
func TestAccidents(t *testing.T) {
	rules, err := filepath.Abs("chart/files/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	once := []time.Duration{faultBegins, faultBegins + time.Second, faultBegins + 2*time.Second}
	d := day{scrape: 30 * time.Second, random: rand.New(rand.NewPCG(1, 1))}
	var tests []promtoolTest
	for alert, input := range map[string][]inputSeries{
		"EnvgraftCannotBeCalled": d.counted(once, true, `apiserver_admission_webhook_rejection_count{name="pod.pods.envgraft.dev", error_type="calling_webhook_error"}`),
		"EnvgraftDenyingPods":    d.counted(once, false, replicas("envgraft_admissions_total", `webhook="pods", status="denied", reason="InvalidSetting"`)...),
	} {
		test := promtoolTest{Name: alert + ", three attempts within seconds, then none", Interval: "30s", Input: input}
		for at := faultBegins; at < faultBegins+time.Hour; at += time.Minute {
			test.Expect = append(test.Expect, promtoolCheck{
				Expr: fmt.Sprintf(`count(ALERTS{alertname=%q, alertstate="firing"}) or vector(0)`, alert),
				Time: at.String(), Samples: []map[string]any{{"value": 0}},
			})
		}
		tests = append(tests, test)
	}
	runPromtool(t, rules, tests)
}

func runPromtool(t *testing.T, rules string, tests []promtoolTest) {
	t.Helper()
	data, err := yaml.Marshal(map[string]any{"rule_files": []string{rules}, "evaluation_interval": "1m", "tests": tests})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "lifecycle.yaml")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	promtool, err := promtoolProgram()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), promtool, "test", "rules", file).CombinedOutput(); err != nil {
		t.Errorf("promtool test rules: %v\n%.4000s", err, out)
	}
}

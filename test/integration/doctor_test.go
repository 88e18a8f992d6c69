package integration

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/cli"
	"github.com/envgraft/envgraft/internal/cli/cmdutil"
	"github.com/envgraft/envgraft/internal/doctor"
)

// finding is one of doctor's.
type finding struct{ Check, Status, Message, Fix string }

// doctor runs the command as a person does.
func (s *shop) doctor(kubeconfig string, flags ...string) (findings []finding, code int, text string) {
	s.t.Helper()
	args := []string{"doctor", "deploy/shop", "-n", s.ns, "-o", "json", "--installation", "envgraft/envgraft"}
	args = append(args, flags...)
	if kubeconfig != "" {
		args = append(args, "--kubeconfig", kubeconfig)
	}
	var out, errOut bytes.Buffer
	code = cli.Main(s.t.Context(), args, cmdutil.Streams{In: strings.NewReader(""), Out: &out, Err: &errOut})
	text = out.String() + errOut.String()
	if strings.Contains(text, "hunter2") || strings.Contains(text, "aHVudGVyMg") {
		s.t.Errorf("doctor printed a value: %s", text)
	}
	var all []struct{ Findings []finding }
	if err := json.Unmarshal(out.Bytes(), &all); err != nil || len(all) != 1 {
		s.t.Fatalf("exit code %d, %v: %s", code, err, text)
	}
	return all[0].Findings, code, text
}

// broken is the first broken link; its zero value says that all hold.
func broken(findings []finding) finding {
	for _, f := range findings {
		if f.Status == "broken" {
			return f
		}
	}
	return finding{}
}

// repair runs a command that doctor printed. What it asks of AWS, Helm and
// controllers that do not run here, the test plays.
func (s *shop) repair(fix string) {
	s.t.Helper()
	bin := s.t.TempDir()
	for program, does := range map[string]string{"aws": "", "helm": "", "envgraft": "", "editor": `[ -s "$1" ] || echo A=b >"$1"`} {
		if err := os.WriteFile(filepath.Join(bin, program), []byte("#!/bin/sh\n"+does+"\n"), 0o700); err != nil {
			s.t.Fatal(err)
		}
	}
	// kubectl restarts nothing twice in one second, and another test may have.
	for deadline := time.Now().Add(10 * time.Second); ; <-time.After(200 * time.Millisecond) {
		command := exec.CommandContext(s.t.Context(), "sh", "-ec", fix)
		command.Dir = bin
		command.Env = append(os.Environ(), "EDITOR=editor", "KUBE_EDITOR=true", "PATH="+bin+":"+os.Getenv("KUBEBUILDER_ASSETS")+":"+os.Getenv("PATH"))
		out, err := command.CombinedOutput()
		if err == nil {
			return
		}
		if !strings.Contains(string(out), "already been triggered within the past second") || time.Now().After(deadline) {
			s.t.Fatalf("the printed fix fails: %v\n%s\n%s", err, fix, out)
		}
	}
}

// untilBroken runs doctor until the named link is the broken one; none for "".
// The API server takes a moment to notice changed webhooks and namespaces.
func (s *shop) untilBroken(check, what string) finding {
	s.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		findings, code, text := s.doctor("")
		f := broken(findings)
		if f.Check == check && (code == 0) == (check == "") {
			return f
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s: want the broken link %q, got %q and exit code %d:\n%s", what, check, f.Check, code, text)
		}
		<-time.After(50 * time.Millisecond)
	}
}

// brokenLink is one way to break the chain.
type brokenLink struct {
	check, fix string
	spoil      func(*shop)
	// play is what AWS, Helm, a person or a controller does at the fix.
	play func(*shop)
}

// TestDoctorFindsEachBrokenLink breaks each link, reads what doctor says, runs
// the command that it prints, and finds the chain whole again.
func TestDoctorFindsEachBrokenLink(t *testing.T) {
	links := map[string]brokenLink{
		"NoConfiguration": {
			"configuration", "helm upgrade envgraft",
			func(s *shop) { s.mustRun(s.t, "", "-n", "envgraft", "delete", "configmap", "envgraft") },
			func(s *shop) { s.configuration("environment: stage") },
		},
		"BadConfiguration": {
			"configuration", "helm upgrade envgraft",
			func(s *shop) { s.configuration("environments: stage") },
			func(s *shop) { s.configuration("environment: stage") },
		},
		"NoReplica": {
			"envgraft", "rollout restart",
			func(s *shop) { s.operator("envgraft", "envgraft", 0) }, func(s *shop) { s.operator("envgraft", "envgraft", 1) },
		},
		"ScaledDown": {
			"envgraft", "--replicas=1",
			func(s *shop) {
				s.operator("envgraft", "envgraft", 0)
				s.mustRun(s.t, "", "-n", "envgraft", "scale", "deployment/envgraft", "--replicas=0")
			},
			func(s *shop) { s.operator("envgraft", "envgraft", 1) },
		},
		"NoWorkloadWebhook": {
			"webhook", "helm upgrade",
			func(s *shop) {
				s.changeWebhooks(func(c *admissionregistrationv1.WebhookClientConfig) {
					url := strings.Replace(*c.URL, api.WorkloadsWebhook, "/mutate/elsewhere", 1)
					c.URL = &url
				})
			},
			(*shop).restoreWebhooks,
		},
		"WrongCA": {
			"certificate", "rollout restart deployment/envgraft",
			func(s *shop) {
				s.changeWebhooks(func(c *admissionregistrationv1.WebhookClientConfig) { c.CABundle = otherCA(s.t) })
			},
			(*shop).restoreWebhooks,
		},
		"Unreachable": {
			"admission", "rollout restart deployment/envgraft",
			func(s *shop) {
				s.changeWebhooks(func(c *admissionregistrationv1.WebhookClientConfig) {
					url := "https://127.0.0.1:1" + (*c.URL)[strings.Index(*c.URL, "/mutate"):]
					c.URL = &url
				})
			},
			(*shop).restoreWebhooks,
		},
		"NotOptedIn": {"namespace", "kubectl label namespace", func(s *shop) {
			s.mustRun(s.t, "", "label", "namespace", s.ns, api.LabelInject+"-")
		}, nil},
		"OptedOut": {"namespace", "kubectl label namespace", func(s *shop) {
			s.mustRun(s.t, "", "label", "namespace", s.ns, "--overwrite", api.LabelInject+"=disabled")
		}, nil},
		"Bypassed": {"namespace", "bypass-", func(s *shop) {
			s.mustRun(s.t, "", "label", "namespace", s.ns, api.LabelBypass+"=true")
		}, nil},
		"Audited": {"namespace", "mode-", func(s *shop) {
			s.mustRun(s.t, "", "annotate", "namespace", s.ns, api.AnnotationMode+"="+api.ModeAudit)
		}, nil},
		"NoApp": {"labels", api.LabelApp, func(s *shop) { s.deployment("}") }, nil},
		"BadSetting": {"labels", "patch", func(s *shop) {
			s.deployment(`, app.kubernetes.io/name: shop}, annotations: {envgraft.dev/secret-optional: perhaps}`)
		}, nil},
		"OtherSystem": {"labels", "patch", func(s *shop) { s.deployment(`, app.kubernetes.io/name: shop, envgraft.dev/system: payments}`) }, nil},
		"NotAnObject": {
			"admission", "aws ssm put-parameter",
			func(s *shop) { s.ssm.Put("/"+s.ns+"/shop/stage/app", `[]`) },
			func(s *shop) { s.ssm.Put("/"+s.ns+"/shop/stage/app", `{"API_KEY":"hunter2"}`) },
		},
		"NoESOPods": {
			"operator", "rollout restart",
			func(s *shop) { s.operator("external-secrets", "external-secrets", 0) },
			func(s *shop) { s.operator("external-secrets", "external-secrets", 1) },
		},
		"NoExternalSecret": {
			"externalsecret", "rollout restart deployment/envgraft",
			func(s *shop) { s.remove("external-secrets.io/v1", "ExternalSecret", "shop-external") }, func(s *shop) { s.externalSecret(3, true) },
		},
		"NoStore": {
			"store", "", // its owner creates it
			func(s *shop) { s.remove("external-secrets.io/v1", "ClusterSecretStore", "aws-ssm") }, func(s *shop) { s.store("") },
		},
		"ClosedStore": {
			"store", "", // its owner decides
			func(s *shop) { s.store("conditions: [{namespaces: [other]}],") }, func(s *shop) { s.store("") },
		},
		"Revoked": {
			"externalsecret", "describe externalsecret",
			func(s *shop) { s.externalSecretWith(3, "", "envgraft.dev/revoked: the environment is another's") },
			func(s *shop) {
				s.remove("external-secrets.io/v1", "ExternalSecret", "shop-external")
				s.externalSecret(3, true)
			},
		},
		"StoreNotReady": {
			"store", "kubectl describe clustersecretstore",
			func(s *shop) { s.storeReady("", "False") }, func(s *shop) { s.store("") },
		},
		"NoParameter": {
			"parameter", "aws ssm put-parameter",
			func(s *shop) { s.complain("error processing spec.dataFrom[0].extract, err: Secret does not exist") },
			func(s *shop) { s.externalSecret(3, true) },
		},
		"AccessDenied": {
			"parameter", "ssm:GetParameter",
			func(s *shop) {
				s.complain("AccessDeniedException: User: x is not authorized to perform: ssm:GetParameter on resource: y")
			},
			func(s *shop) { s.externalSecret(3, true) },
		},
		"KMSDenied": {
			"parameter", "kms:Decrypt",
			func(s *shop) {
				s.complain("AccessDeniedException: The ciphertext refers to a KMS key that you may not use")
			},
			func(s *shop) { s.externalSecret(3, true) },
		},
		"NoJSON": {
			"parameter", "--overwrite",
			func(s *shop) {
				s.complain("unable to unmarshal secret: invalid character 'h' looking for beginning of value")
			},
			func(s *shop) { s.externalSecret(3, true) },
		},
		"Throttled": {
			"parameter", "force-sync",
			func(s *shop) { s.complain("ThrottlingException: Rate exceeded") }, func(s *shop) { s.externalSecret(3, true) },
		},
		"NotProcessed": {
			"sync", "describe externalsecret",
			func(s *shop) { s.externalSecretWith(3, "", "") }, func(s *shop) { s.externalSecret(3, true) },
		},
		"NotSynced": {
			"sync", "force-sync",
			func(s *shop) { s.externalSecret(3, false) }, func(s *shop) { s.externalSecret(3, true) },
		},
		"NoSecret":   {"secret", "force-sync", func(s *shop) { s.remove("v1", "Secret", "shop-secrets") }, func(s *shop) { s.secret("API_KEY") }},
		"KeyMissing": {"secret", "force-sync", func(s *shop) { s.secret("OTHER") }, func(s *shop) { s.secret("API_KEY") }},
		"NoConfigMap": {"configmap", "create configmap", func(s *shop) {
			s.deployment(`, app.kubernetes.io/name: shop}, annotations: {envgraft.dev/config-map-required: "true"}`)
		}, nil},
		"StandalonePod": {"pods", "rollout restart", func(s *shop) {
			s.pod("shop-bare", "shop-1", api.LabelInject+"=disabled")
		}, (*shop).replacePods},
		"StalePod": {
			"pods", "rollout restart",
			func(s *shop) { s.externalSecret(4, true) }, func(s *shop) { s.externalSecret(3, true) },
		},
		"NoReloader": {
			"reloader", "helm",
			func(s *shop) { s.mustRun(s.t, "", "-n", "reloader", "delete", "deployment", "reloader") },
			func(s *shop) { s.operator("reloader", "reloader", 1) },
		},
		"BlindReloader": {"reloader", "edit deployment/reloader", func(s *shop) {
			s.mustRun(s.t, "", "-n", "reloader", "set", "env", "deployment/reloader", "KUBERNETES_NAMESPACE=reloader")
		}, func(s *shop) {
			s.mustRun(s.t, "", "-n", "reloader", "set", "env", "deployment/reloader", "KUBERNETES_NAMESPACE-")
		}},
		"NoService": {
			"service", "helm upgrade",
			func(s *shop) {
				s.changeWebhooks(func(c *admissionregistrationv1.WebhookClientConfig) {
					path := (*c.URL)[strings.Index(*c.URL, "/mutate"):]
					c.URL, c.Service = nil, &admissionregistrationv1.ServiceReference{Namespace: "envgraft", Name: "gone", Path: &path}
				})
			},
			(*shop).restoreWebhooks,
		},
		"OtherWebhook": {"otherwebhooks", "", (*shop).addOtherWebhook, (*shop).removeOtherWebhook},
		"NoAnnotation": {"annotations", "annotate", func(s *shop) {
			s.mustRun(s.t, "", "label", "namespace", s.ns, api.LabelInject+"-")
			s.deployment("")
			s.mustRun(s.t, "", "label", "namespace", s.ns, api.LabelInject+"=enabled")
		}, nil},
	}
	for _, check := range doctor.Checks() {
		if !slices.ContainsFunc(slices.Collect(maps.Values(links)), func(l brokenLink) bool { return l.check == check }) {
			t.Errorf("nothing here breaks what check %s looks at", check)
		}
	}
	for name, tc := range links {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			s.untilBroken("", "it is healthy to begin with")
			tc.spoil(s)
			f := s.untilBroken(tc.check, "what was broken")
			if !strings.Contains(f.Fix, tc.fix) {
				t.Errorf("the fix is %q, want something with %q", f.Fix, tc.fix)
			}
			s.repair(f.Fix)
			if tc.play != nil {
				tc.play(s)
			}
			s.untilBroken("", "it is healthy after the fix")
		})
	}
}

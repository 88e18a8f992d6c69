package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/envgraft/envgraft/internal/cli"
	"github.com/envgraft/envgraft/internal/cli/cmdutil"
)

// TestMain plays envgraft, and the command that it runs, for TestRun: run replaces
// its process.
func TestMain(m *testing.M) {
	switch {
	case os.Getenv("RUN_PLAYS") == "command":
		os.Exit(playCommand())
	case os.Getenv("RUN_PLAYS") == "envgraft":
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		code := cli.Main(ctx, os.Args[1:], cmdutil.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
		stop()
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// playCommand prints its environment, waits for a signal if it shall, and ends with
// an exit code that envgraft itself never has.
func playCommand() int {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	text, err := json.Marshal(os.Environ())
	if err != nil {
		return 1
	}
	if _, err := os.Stdout.Write(text); err != nil {
		return 1
	}
	if os.Getenv("WAITS") != "" {
		select {
		case <-signals:
			return 43
		case <-time.After(time.Minute):
			return 1
		}
	}
	return 42
}

func startRun(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	command := exec.CommandContext(t.Context(), os.Args[0], append(append([]string{"run"}, args...), "--", os.Args[0], "an argument")...) //nolint:gosec // this test itself
	command.Env = []string{"RUN_PLAYS=envgraft", "PATH=/bin", "AWS_PROFILE=mine", "OTHER=mine", "LOG_LEVEL=mine", "KUBECONFIG=/dev/null"}
	return command
}

func TestRun(t *testing.T) {
	t.Chdir("testdata/export-dotenv")
	common := []string{"-f", "in.yaml", "--parameters", "parameters", "--set", "POD_IP=10.0.0.1", "--set", "RUN_PLAYS=command"}
	want := []string{
		"AWS_PROFILE=mine", "DB_URL=postgres://shop@db/$(UNKNOWN)", "DB_USER=shop", "GREETING=it's $HOME", "LOG_LEVEL=warn", "MAIL=sensitive",
		"N=1.50", "NAMESPACE=popapps", "OWN=from the pod", "PATH=/bin", "POD_IP=10.0.0.1", "RUN_PLAYS=command", "TIER=web",
	}
	command := startRun(t, append(common, "--inherit", "AWS_PROFILE")...)
	var out, errs bytes.Buffer
	command.Stdout, command.Stderr = &out, &errs
	exit, ok := errors.AsType[*exec.ExitError](command.Run())
	if !ok || exit.ExitCode() != 42 {
		t.Errorf("it ended with %v, want the command's exit code 42: %s", exit, &errs)
	}
	var got []string
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("the command printed %q", &out)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the command's environment: -want, +got:\n%s", diff)
	}
	if strings.Contains(errs.String(), "sensitive") {
		t.Errorf("a value was printed: %s", &errs)
	}
}

// TestRunSignal wants a signal to reach the command, and its exit code to come back.
func TestRunSignal(t *testing.T) {
	t.Chdir("testdata/export-dotenv")
	command := startRun(t, "-f", "in.yaml", "--parameters", "parameters", "--set", "POD_IP=1", "--set", "RUN_PLAYS=command", "--set", "WAITS=yes")
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil { // it runs
		t.Fatal(err)
	}
	if err := command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	exit, ok := errors.AsType[*exec.ExitError](command.Wait())
	if !ok || exit.ExitCode() != 43 {
		t.Errorf("it ended with %v, want the command's exit code 43", exit)
	}
}

func TestRunRefuses(t *testing.T) {
	t.Chdir("testdata/export-dotenv")
	for name, tc := range map[string]struct {
		args []string
		code int
		want string
	}{
		"NoCommand": {[]string{"run", "deploy/myapp"}, 2, "say what to run, after --"},
		"NothingIn": {[]string{"run", "--", "true"}, 2, "say of which workload"},
		"Several":   {[]string{"run", "deploy/a", "deploy/b", "--", "true"}, 2, "give one workload, not 2"},
		"Unknown":   {[]string{"run", "-f", "in.yaml", "--", "envgraft-no-such-command"}, 1, "cannot run envgraft-no-such-command"},
		"Set":       {[]string{"run", "-f", "in.yaml", "--set", "secret", "--", "true"}, 2, "--set number 1 is not NAME=VALUE"},
		"Container": {[]string{"run", "-f", "in.yaml", "--parameters", "parameters", "-c", "web", "--", "true"}, 1, "give -c with one of app, migrate"},
		"Other":     {[]string{"run", "deploy/web", "-f", "in.yaml", "--parameters", "parameters", "--", "true"}, 1, "they have deployment.apps/myapp"},
		"Missing":   {[]string{"run", "-f", "in.yaml", "--parameters", "parameters", "--", "true"}, 1, "give --set POD_IP=VALUE"},
	} {
		t.Run(name, func(t *testing.T) {
			got := run("", tc.args...)
			if got.code != tc.code || !strings.Contains(got.stderr, tc.want) || strings.Contains(got.stderr, "secret") || got.stdout != "" {
				t.Errorf("%v, want exit code %d and %q", got, tc.code, tc.want)
			}
		})
	}
}

// TestExportRefusesTerminals needs a terminal: the master side of a pseudo-terminal
// is one.
func TestExportRefusesTerminals(t *testing.T) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("there is no pseudo-terminal: %v", err)
	}
	defer func() { _ = terminal.Close() }()
	t.Chdir("testdata/export-dotenv")
	var errs bytes.Buffer
	args := []string{"export", "-f", "in.yaml", "--parameters", "parameters", "--set", "POD_IP=1"}
	if code := cli.Main(t.Context(), args, cmdutil.Streams{In: strings.NewReader(""), Out: terminal, Err: &errs}); code != 1 || !strings.Contains(errs.String(), "--show-values") {
		t.Errorf("exit code %d, %s; want it to refuse", code, &errs)
	}
	errs.Reset()
	if code := cli.Main(t.Context(), append(args, "--show-values"), cmdutil.Streams{In: strings.NewReader(""), Out: terminal, Err: &errs}); code != 0 {
		t.Errorf("with --show-values: exit code %d, %s", code, &errs)
	}
}

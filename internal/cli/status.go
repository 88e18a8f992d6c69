package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/terminal"
)

// statusReport is what -o json prints.
type statusReport struct {
	Apps []clusterview.Line `json:"apps"`
	// NotSeen are the rights that were missing.
	NotSeen []clusterview.Right `json:"notSeen"`
}

type statusFlags struct {
	kube     kubeFlags
	all      bool
	selector string
	watch    bool
	interval time.Duration
	output   *choice
}

// watchInterval is how often --watch looks. It lists: an interval shorter than
// a refresh would show nothing more.
const watchInterval = 5 * time.Second

func newStatus(streams Streams) *cobra.Command {
	var flags statusFlags
	command := &cobra.Command{
		Use:   "status [-A]",
		Short: "Show the apps of a namespace, or of all: one line each",
		Long: `Show one line for each app that is injected: its workload, parameter and version,
whether ESO synced it, how many pods run with today's data, when it was last
rotated, and what is wrong.

It reads lists alone, of pods their metadata, and no Secrets; so which data a pod
runs with goes by the versions that envgraft recorded, and is "not known" where
there are none. -o name prints the workloads.

Exit code 0: shown, whatever is wrong. 2: the command line was not understood.
3: it could not look, as without a cluster.`,
		Example: `  envgraft status -A
  envgraft status -n shop --watch
  envgraft status -A -o json | jq -r '.apps[] | select(.problem).workload'`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			c, err := flags.kube.open()
			if err != nil {
				return unchecked(err)
			}
			if flags.watch {
				return flags.follow(command, c, streams)
			}
			report, err := flags.read(command, c, streams.Err)
			if err != nil {
				return unchecked(err)
			}
			return writeStatus(streams.Out, flags.output.value, report)
		},
	}
	flags.kube.add(command)
	flags.kube.addNamespace(command)
	complete(command, "namespace", flags.kube.completeNamespaces)
	f := command.Flags()
	f.BoolVarP(&flags.all, "all-namespaces", "A", false, "all namespaces")
	f.StringVarP(&flags.selector, "selector", "l", "", "workloads with these `labels`")
	f.BoolVarP(&flags.watch, "watch", "w", false, "go on, and print the lines that change")
	f.DurationVar(&flags.interval, "interval", watchInterval, "how often --watch looks")
	flags.output = addChoice(command, "output", "o", "format", formats()...)
	return command
}

func (f *statusFlags) read(command *cobra.Command, c *session, errOut io.Writer) (statusReport, error) {
	settings, err := f.kube.settings(command, c)
	if err != nil {
		return statusReport{}, err
	}
	namespace := c.namespace
	if f.all {
		namespace = ""
	}
	progress := newProgress(errOut)
	progress.say("reading workloads, pods and ExternalSecrets")
	o := c.Overview(command.Context(), settings, namespace, f.selector)
	progress.end()
	report := statusReport{Apps: o.Lines(), NotSeen: append([]clusterview.Right{}, c.Missing()...)}
	if len(report.Apps) == 0 && len(o.Causes) > 0 {
		return report, errors.New("cannot tell: " + strings.Join(o.Causes, "; "))
	}
	if settings.Assumed != "" {
		o.Causes = append(o.Causes, "the configuration is assumed to be the default: "+settings.Assumed)
	}
	for _, cause := range o.Causes {
		if _, err := terminal.Fprintf(errOut, "note: %s\n", cause); err != nil {
			return report, err
		}
	}
	return report, nil
}

// follow prints what changes, until the person has seen enough.
func (f *statusFlags) follow(command *cobra.Command, c *session, streams Streams) error {
	ctx := command.Context()
	var last []clusterview.Line
	for first := true; ; first = false {
		report, err := f.read(command, c, io.Discard)
		if err != nil && first {
			return unchecked(err)
		}
		if err == nil {
			changed := changedLines(last, report.Apps)
			last = report.Apps
			if len(changed) > 0 || first {
				if err := writeStatus(streams.Out, f.output.value, statusReport{Apps: changed, NotSeen: report.NotSeen}); err != nil {
					return err
				}
			}
		}
		if !sleep(ctx, f.interval) {
			return nil
		}
	}
}

// sleep returns false where it was cut short.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// changedLines are those that are new or not as they were. When ESO looked last
// is no change: it looks all the time.
func changedLines(was, is []clusterview.Line) []clusterview.Line {
	text := func(l clusterview.Line) string {
		l.Refreshed = nil
		return strings.Join(append(statusRow(l, true), l.Kind), "\t")
	}
	known := map[string]bool{}
	for _, l := range was {
		known[text(l)] = true
	}
	return slices.DeleteFunc(slices.Clone(is), func(l clusterview.Line) bool { return known[text(l)] })
}

func writeStatus(w io.Writer, format string, report statusReport) error {
	switch format {
	case formatJSON, formatYAML:
		return writeValue(w, format, report)
	case formatName:
		return writeNames(w, report.Apps, func(l clusterview.Line) string { return resourceName(l.Kind, l.Workload) })
	}
	var out bytes.Buffer
	writeStatusTable(&out, report.Apps, newPalette(w), format == formatWide)
	_, err := w.Write(out.Bytes())
	return err
}

func writeStatusTable(out *bytes.Buffer, lines []clusterview.Line, p palette, wide bool) {
	if len(lines) == 0 {
		out.WriteString("No app is injected here.\n")
		return
	}
	header := []string{"NAMESPACE", "WORKLOAD", "PARAMETER", "VERSION", "SYNCED", "PODS", "ROTATED"}
	if wide {
		header = append(header, "REFRESHED")
	}
	rows := newRows(out)
	rows.row(cellsOf(append(header, "PROBLEM"))...)
	for _, l := range lines {
		row := statusRow(l, wide)
		cells := cellsOf(row)
		if problem := len(row) - 1; row[problem] != "-" {
			cells[problem] = p.paint(colorRed, row[problem])
		}
		rows.row(cells...)
	}
	rows.flush()
}

func statusRow(l clusterview.Line, wide bool) []string {
	version := "-"
	if l.Version > 0 {
		version = strconv.FormatInt(l.Version, 10)
	}
	row := []string{
		l.Namespace, resourceName(l.Kind, l.Workload), or(l.Parameter, "-"), version, l.Synced,
		or(l.PodsText(), "-"), timeOrDash(l.Rotated),
	}
	if wide {
		row = append(row, timeOrDash(l.Refreshed))
	}
	return append(row, or(l.Problem, "-"))
}

func timeOrDash(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.Format(time.RFC3339)
}

package inspect

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/envgraft/envgraft/internal/cli/cmdutil"
	"github.com/envgraft/envgraft/internal/cli/output"
	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/doctor"
	"github.com/envgraft/envgraft/internal/gather"
	"github.com/envgraft/envgraft/internal/terminal"
)

// statusReport is what -o json prints.
type statusReport struct {
	Apps []doctor.Line `json:"apps"`
	// NotSeen are the rights that were missing.
	NotSeen []clusterview.Right `json:"notSeen"`
	// everywhere says that the apps are of all namespaces.
	everywhere bool
}

type statusFlags struct {
	kube     cmdutil.KubeFlags
	all      bool
	selector string
	watch    bool
	interval time.Duration
	format   *cmdutil.Choice
}

// watchInterval is how often --watch looks. It lists: an interval shorter than
// a refresh would show nothing more.
const watchInterval = 5 * time.Second

// NewStatus returns the command.
func NewStatus(streams cmdutil.Streams) *cobra.Command {
	var flags statusFlags
	command := &cobra.Command{
		Use:   "status [-A]",
		Short: "Show the apps of a namespace, or of all: one line each",
		Long: `Show one line for each app that is injected: its workload, parameter and version,
whether ESO synced it, how many pods run with today's data, when it was last
rotated, and the problem: the first broken link, in the words of envgraft doctor.
Jobs that have not ended have a line, too, and so has what an operator's object
owns.

It reads lists alone, of pods that have started their metadata, and no Secrets; so
which data a pod runs with is known by the versions that envgraft recorded, and is
"not known" where there are none. -o name prints the workloads, with -A each with
its namespace, as kubectl takes it. -o custom-columns takes fields of -o json.

Exit code 0: shown, whatever is wrong. 2: the command line was not understood.
3: it could not look, as without a cluster.`,
		Example: `  envgraft status -A
  envgraft status -n shop --watch
  envgraft status -A -o name | xargs -L1 kubectl get
  envgraft status -A -o custom-columns=NAMESPACE:.namespace,APP:.app,STALE:.pods.stale,PROBLEM:.problem
  envgraft status -A -o json | jq -r '.apps[] | select(.problem).workload'`,
		Args: func(command *cobra.Command, args []string) error {
			if columns, ok := strings.CutPrefix(flags.format.Value, output.Columns); ok {
				if err := output.CheckColumns(columns); err != nil {
					return err
				}
			}
			return cobra.NoArgs(command, args)
		},
		RunE: func(command *cobra.Command, _ []string) error {
			c, err := flags.kube.Open()
			if err != nil {
				return cmdutil.Unchecked(err)
			}
			if flags.watch {
				return flags.follow(command, c, streams)
			}
			report, err := flags.read(command, c, streams.Err)
			if err != nil {
				return cmdutil.Unchecked(err)
			}
			return writeStatus(streams.Out, flags.format.Value, report)
		},
	}
	flags.kube.Add(command)
	flags.kube.AddNamespace(command)
	cmdutil.Complete(command, "namespace", flags.kube.CompleteNamespaces)
	f := command.Flags()
	f.BoolVarP(&flags.all, "all-namespaces", "A", false, "all namespaces")
	f.StringVarP(&flags.selector, "selector", "l", "", "workloads with these `labels`")
	f.BoolVarP(&flags.watch, "watch", "w", false, "go on: redraw the table on a terminal, else print the lines that change")
	f.DurationVar(&flags.interval, "interval", watchInterval, "how often --watch looks")
	flags.format = cmdutil.AddChoice(command, "output", "o", "format", append(output.Formats(), output.Columns)...)
	return command
}

func (f *statusFlags) read(command *cobra.Command, c *cmdutil.Session, errOut io.Writer) (statusReport, error) {
	settings, err := f.kube.Settings(command, c)
	if err != nil {
		return statusReport{}, err
	}
	namespace := c.Namespace
	if f.all {
		namespace = ""
	}
	progress := output.NewProgress(errOut)
	progress.Say("reading workloads, pods and ExternalSecrets")
	defer progress.End()
	g := &gather.Gatherer{Reader: c.Reader, Settings: settings, Installation: f.kube.Installation}
	base, err := g.Base(command.Context())
	if err != nil {
		return statusReport{}, err
	}
	o := c.Overview(command.Context(), settings, namespace, f.selector)
	report := statusReport{Apps: g.Lines(command.Context(), base, o), NotSeen: append([]clusterview.Right{}, c.Missing()...), everywhere: f.all}
	progress.End()
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

// clearScreen goes to the first line of a terminal and erases it all.
const clearScreen = "\x1b[H\x1b[2J\x1b[3J"

// follow shows what there is until the person has seen enough: a terminal all of
// it, anything else what changes.
func (f *statusFlags) follow(command *cobra.Command, c *cmdutil.Session, streams cmdutil.Streams) error {
	ctx := command.Context()
	redraw := output.IsTerminal(streams.Out) && (f.format.Value == output.Table || f.format.Value == output.Wide)
	var last []doctor.Line
	for first := true; ; first = false {
		report, err := f.read(command, c, io.Discard)
		if err != nil && first {
			return cmdutil.Unchecked(err)
		}
		if err == nil {
			if err := f.show(streams.Out, redraw, first, last, report); err != nil {
				return err
			}
			last = report.Apps
		}
		if !sleep(ctx, f.interval) {
			return nil
		}
	}
}

func (f *statusFlags) show(w io.Writer, redraw, first bool, last []doctor.Line, report statusReport) error {
	if redraw {
		if _, err := terminal.Fprintf(w, "%s", terminal.Safe(clearScreen)); err != nil {
			return err
		}
		return writeStatus(w, f.format.Value, report)
	}
	report.Apps = changedLines(last, report.Apps)
	if len(report.Apps) == 0 && !first {
		return nil
	}
	return writeStatus(w, f.format.Value, report)
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
func changedLines(was, is []doctor.Line) []doctor.Line {
	text := func(l doctor.Line) string {
		l.Refreshed = nil
		return strings.Join(append(statusRow(l, true), l.Kind, problemOf(l)), "\t")
	}
	known := map[string]bool{}
	for _, l := range was {
		known[text(l)] = true
	}
	return slices.DeleteFunc(slices.Clone(is), func(l doctor.Line) bool { return known[text(l)] })
}

func writeStatus(w io.Writer, format string, report statusReport) error {
	if columns, ok := strings.CutPrefix(format, output.Columns); ok {
		return output.WriteColumns(w, columns, report.Apps)
	}
	switch format {
	case output.JSON, output.YAML:
		return output.WriteValue(w, format, report)
	case output.Name:
		return output.WriteNames(w, report.Apps, func(l doctor.Line) string {
			name := clusterview.ResourceName(l.Kind, l.Workload)
			if report.everywhere {
				name += " -n " + l.Namespace
			}
			return name
		})
	}
	var out bytes.Buffer
	writeStatusTable(&out, report.Apps, output.NewPalette(w), format == output.Wide, output.TerminalWidth(w))
	_, err := w.Write(out.Bytes())
	return err
}

// writeStatusTable writes a line an app. PROBLEM is the last column; where the
// terminal is too narrow for it, it has the next line to itself, so that what
// is cut is never the cause.
func writeStatusTable(out *bytes.Buffer, lines []doctor.Line, p output.Palette, wide bool, width int) {
	if len(lines) == 0 {
		out.WriteString("No app is injected here.\n")
		return
	}
	header := []string{"NAMESPACE", "WORKLOAD", "PARAMETER", "VERSION", "SYNCED", "PODS", "ROTATED"}
	if wide {
		header = append(header, "REFRESHED")
	}
	var table bytes.Buffer
	rows := output.NewRows(&table)
	rows.Row(output.Cells(append(header, "PROBLEM"))...)
	for _, l := range lines {
		rows.Row(output.Cells(append(statusRow(l, wide), ""))...)
	}
	rows.Flush()
	text := strings.Split(strings.TrimSuffix(table.String(), "\n"), "\n") // each row was cleaned
	terminal.Appendf(out, "%s\n", text[0])
	for i, l := range lines {
		row, problem := text[i+1], problemOf(l)
		switch color := map[doctor.Status]int{doctor.Broken: output.Red, doctor.Warning: output.Yellow}[l.Severity]; {
		case color == 0:
			terminal.Appendf(out, "%s-\n", row)
		case width > 0 && len([]rune(row))+len([]rune(problem)) > width:
			terminal.Appendf(out, "%s↓\n    %s\n", row, p.Paint(color, problem))
		default:
			terminal.Appendf(out, "%s%s\n", row, p.Paint(color, problem))
		}
	}
}

// problemOf is the link and what is wrong with it.
func problemOf(l doctor.Line) string {
	if l.Link == "" {
		return ""
	}
	return l.Link + ": " + l.Problem
}

func statusRow(l doctor.Line, wide bool) []string {
	version := "-"
	if l.Version > 0 {
		version = strconv.FormatInt(l.Version, 10)
	}
	row := []string{
		l.Namespace, clusterview.ResourceName(l.Kind, l.Workload), cmp.Or(l.Parameter, "-"), version, l.Synced,
		cmp.Or(l.PodsText(), "-"), timeOrDash(l.Rotated),
	}
	if wide {
		row = append(row, timeOrDash(l.Refreshed))
	}
	return row
}

func timeOrDash(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.Format(time.RFC3339)
}

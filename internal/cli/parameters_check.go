package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/envgraft/envgraft/internal/cli/cmdutil"
	"github.com/envgraft/envgraft/internal/cli/output"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/parameters"
	"github.com/envgraft/envgraft/internal/terminal"
)

func newParametersCheck(streams cmdutil.Streams) *cobra.Command {
	var flags cmdutil.AWSFlags
	var strict bool
	var format *cmdutil.Choice
	command := &cobra.Command{
		Use:   "check PATH…",
		Short: "Check that parameters will make good Secrets",
		Long: `Check that each parameter exists, is a SecureString, holds a JSON object that the
External Secrets Operator makes a Secret of, that its keys can be used as names
of variables, which values would not arrive as they look, and how much room is
left. No value is ever printed.

It needs ssm:GetParameter and kms:Decrypt; with ssm:DescribeParameters it knows
the parameter's tier, and else goes by the size.

Exit code 0: nothing breaks, though there may be warnings. 1: something breaks
(with --strict: or is worth a warning). 2: the command line was not understood.
3: a parameter could not be checked, as without the right to read it.`,
		Example: `  envgraft parameters check /popapps/myapp/stage/app /popapps/myapp/prod/app

  # Fail a pipeline on warnings, too, and keep the report
  envgraft parameters check --strict -o json /popapps/myapp/stage/app > report.json`,
		Args: func(command *cobra.Command, args []string) error {
			if err := cobra.MinimumNArgs(1)(command, args); err != nil {
				return err
			}
			for _, path := range args {
				if err := identity.ValidateParameter(path); err != nil {
					return err
				}
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(command *cobra.Command, paths []string) error {
			client, err := flags.Client(command.Context())
			if err != nil {
				return cmdutil.Unchecked(err)
			}
			all := checkAll(command.Context(), client, paths)
			if format.Value == output.JSON {
				err = output.WriteValue(streams.Out, output.JSON, all)
			} else {
				err = writeChecks(streams.Out, all, output.NewPalette(streams.Out))
			}
			if err != nil {
				return err
			}
			return verdict(all, strict)
		},
	}
	command.Flags().BoolVar(&strict, "strict", false, "let warnings fail, too")
	format = cmdutil.AddChoice(command, "output", "o", "format", "table", "json")
	flags.Add(command)
	return command
}

func checkAll(ctx context.Context, client parameters.Reader, paths []string) []*parameters.Checked {
	all := make([]*parameters.Checked, len(paths))
	for i, path := range paths {
		ctx, cancel := context.WithTimeout(ctx, cmdutil.AWSTimeout)
		all[i] = parameters.Check(ctx, client, path)
		cancel()
	}
	return all
}

// verdict sums up for the exit code. What breaks weighs more than what is not
// known: it stays wrong whatever the rest is.
func verdict(all []*parameters.Checked, strict bool) error {
	broken, notChecked := 0, 0
	for _, c := range all {
		switch {
		case c.Unchecked != "":
			notChecked++
		case c.Breaks() || strict && len(c.Findings) > 0:
			broken++
		}
	}
	switch {
	case broken > 0:
		return fmt.Errorf("found problems in %d of %d parameters", broken, len(all))
	case notChecked > 0:
		return cmdutil.Unchecked(fmt.Errorf("cannot check %d of %d parameters", notChecked, len(all)))
	}
	return nil
}

func writeChecks(w io.Writer, all []*parameters.Checked, p output.Palette) error {
	var out bytes.Buffer
	for _, c := range all {
		writeCheck(&out, c, p)
	}
	_, err := w.Write(out.Bytes())
	return err
}

func writeCheck(out *bytes.Buffer, c *parameters.Checked, p output.Palette) {
	switch {
	case c.Unchecked != "":
		terminal.Appendf(out, "%s: %s: %s\n", c.Path, p.Paint(output.Red, "not checked"), c.Unchecked)
	case c.Limit > 0:
		terminal.Appendf(out, "%s: version %d, %d keys, %d of %d bytes\n", c.Path, c.Version, c.Keys, c.Bytes, c.Limit)
	default:
		terminal.Appendf(out, "%s:\n", c.Path)
	}
	rows := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, f := range c.Findings {
		color := output.Yellow
		if f.Severity == parameters.SeverityError {
			color = output.Red
		}
		key := "-"
		if f.Key != "" {
			key = fmt.Sprintf("%q", f.Key)
		}
		_, _ = terminal.Fprintf(rows, "  %s\t%s\t%s\t%s\n", p.Paint(color, string(f.Severity)), f.Reason, key, f.Message)
	}
	_ = rows.Flush() // a buffer takes all
	if c.Unchecked == "" && len(c.Findings) == 0 {
		terminal.Appendf(out, "  %s\n", p.Paint(output.Green, "ok"))
	}
}

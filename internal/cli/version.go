package cli

import (
	"io"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/envgraft/envgraft/internal/terminal"
	"github.com/envgraft/envgraft/internal/version"
)

func newVersion(out io.Writer) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := terminal.Fprintf(out, "envgraft %s %s %s/%s\n", version.String(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}

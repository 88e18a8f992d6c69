// Package version knows which version of envgraft runs.
package version

import "runtime/debug"

// version is set by the linker: see the Makefile.
var version string

// String returns what the linker was told, else what go install knows.
func String() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

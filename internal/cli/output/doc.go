// Package output writes what commands found: tables with colours, JSON, YAML, names
// and columns, and on a terminal the progress of long work.
package output

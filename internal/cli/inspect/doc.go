// Package inspect has the commands that read a cluster and change nothing: doctor,
// status, explain, diff and ui.
package inspect

// Package ui serves a read-only status page: the apps of a cluster, each with
// its chain from SSM to the pods, and where each variable of a container comes
// from. It shows what a Source read (internal/clusterview) and what the checks of
// internal/doctor say of it. No type here can hold a value of a variable.
package ui

import (
	"context"
	"errors"
	"time"

	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/doctor"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
)

// Source reads what the pages show.
type Source interface {
	Overview(ctx context.Context) (Overview, error)
	// App reads one workload; the error wraps ErrNotFound where there is none.
	App(ctx context.Context, ref clusterview.Ref) (App, error)
}

// ErrNotFound is for a workload that does not exist.
var ErrNotFound = errors.New("there is no such workload")

// Overview is all apps that are looked at.
type Overview struct {
	// Scope names what was looked at, as "all namespaces".
	Scope string
	// Installation is what the checks say of envgraft itself.
	Installation []doctor.Finding
	Apps         []doctor.Line
	// Notes say what could not be seen.
	Notes []string
	At    time.Time
}

// App is one workload.
type App struct {
	clusterview.Ref

	Identity   identity.Identity
	Findings   []doctor.Finding
	Chain      Chain
	Pods       []Pod
	Containers []Container
	// Versions are those of the parameter that the cluster knows, the newest first.
	Versions []Version
	// History is the command that lists all versions of the parameter; empty for an
	// app without one.
	History string
	// Events are the newest about the workload, the newest first.
	Events []clusterview.Event
	Notes  []string
	At     time.Time
}

// Version is one of the parameter, and the pods that were admitted with it.
type Version struct {
	// Number is 0 for pods whose version is not known.
	Number int64
	// Modified is when it was put; zero where that is not known.
	Modified time.Time
	// Recorded says that it is the newest that envgraft knows.
	Recorded bool
	Pods     doctor.Counts
}

// Pod is one that runs.
type Pod struct {
	Name string
	// Version is the parameter's, 0 where it is not known.
	Version   int64
	Freshness clusterview.Freshness
	Why       string
}

// Container has the effective environment of the next pod's container.
type Container struct {
	Name      string
	Init      bool
	Variables []Variable
	// Unknown are objects whose keys are not known.
	Unknown []string
}

// Variable says where a value comes from, and never which it is.
type Variable struct {
	Name    string
	Tier    graft.Tier
	From    string
	Shadows []string
}

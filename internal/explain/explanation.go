package explain

import (
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
)

// Explanation is what explain says of one pod or template; -o json prints a
// list of it.
type Explanation struct {
	Kind       string            `json:"kind"`
	Namespace  string            `json:"namespace"`
	Name       string            `json:"name"`
	Status     graft.Status      `json:"status"`
	Reason     graft.Reason      `json:"reason"`
	Message    string            `json:"message,omitempty"`
	Identity   identity.Identity `json:"identity"`
	Warnings   []graft.Warning   `json:"warnings"`
	Containers []Container       `json:"containers"`
	// Live is what the cluster says; nil for files.
	Live *Live `json:"live,omitempty"`
	// From is where it was read: a file, or what the command line named.
	From string `json:"-"`
}

// Container is what a container of the pod gets.
type Container struct {
	Name string `json:"name"`
	Init bool   `json:"init"`
	// ByAnotherWebhook is "added" for a container that the template does not have.
	ByAnotherWebhook string     `json:"byAnotherWebhook,omitempty"`
	Env              []Variable `json:"env"`
	// Unknown are objects whose keys are not known: the environment may hold
	// more, and a variable may come from there.
	Unknown []string `json:"unknown,omitempty"`
}

// Variable is one variable of a container, and where it comes from.
type Variable struct {
	Name    string     `json:"name"`
	Tier    graft.Tier `json:"tier"`
	From    string     `json:"from"`
	Shadows []string   `json:"shadows"`
	// ByAnotherWebhook is what another webhook or policy did to it: "added" or
	// "changed". It is empty where none did, or where no dry run could be made.
	ByAnotherWebhook string `json:"byAnotherWebhook,omitempty"`
	// Value is that of a literal or of a ConfigMap's key, and never that of a
	// Secret's. It is nil where there is none to show.
	Value *string `json:"value,omitempty"`
}

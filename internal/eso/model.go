package eso

import (
	"github.com/envgraft/envgraft/internal/externalsecret"
)

// The names of package externalsecret that this package's callers use.
type (
	// ExternalSecret is that of package externalsecret.
	ExternalSecret = externalsecret.ExternalSecret
	// ExternalSecretList is that of package externalsecret.
	ExternalSecretList = externalsecret.ExternalSecretList
	// Spec is that of package externalsecret.
	Spec = externalsecret.Spec
	// StoreRef is that of package externalsecret.
	StoreRef = externalsecret.StoreRef
	// Target is that of package externalsecret.
	Target = externalsecret.Target
	// DataFrom is that of package externalsecret.
	DataFrom = externalsecret.DataFrom
	// Extract is that of package externalsecret.
	Extract = externalsecret.Extract
	// Data is that of package externalsecret.
	Data = externalsecret.Data
	// Status is that of package externalsecret.
	Status = externalsecret.Status
	// Binding is that of package externalsecret.
	Binding = externalsecret.Binding
	// Applied is that of package externalsecret.
	Applied = externalsecret.Applied
	// Record is that of package externalsecret.
	Record = externalsecret.Record
	// Wants is that of package externalsecret.
	Wants = externalsecret.Wants
	// Settings is that of package externalsecret.
	Settings = externalsecret.Settings
	// Phase is that of package externalsecret.
	Phase = externalsecret.Phase
	// Template is that of package externalsecret.
	Template = externalsecret.Template
	// Health is that of package externalsecret.
	Health = externalsecret.Health
)

// See package externalsecret.
const (
	Group                    = externalsecret.Group
	Kind                     = externalsecret.Kind
	ConditionReady           = externalsecret.ConditionReady
	ReasonSynced             = externalsecret.ReasonSynced
	LabelManagedBy           = externalsecret.LabelManagedBy
	ManagedBy                = externalsecret.ManagedBy
	PhaseProbe               = externalsecret.PhaseProbe
	PhaseOwn                 = externalsecret.PhaseOwn
	PhaseRevoked             = externalsecret.PhaseRevoked
	CreationPolicyOwner      = externalsecret.CreationPolicyOwner
	CreationPolicyMerge      = externalsecret.CreationPolicyMerge
	CreationPolicyOrphan     = externalsecret.CreationPolicyOrphan
	RefreshPolicyCreatedOnce = externalsecret.RefreshPolicyCreatedOnce
	TemplateNone             = externalsecret.TemplateNone
	TemplateGuard            = externalsecret.TemplateGuard
	TemplateOther            = externalsecret.TemplateOther
	ReasonFailing            = externalsecret.ReasonFailing
	ReasonOccupied           = externalsecret.ReasonOccupied
	ReasonRevoked            = externalsecret.ReasonRevoked
)

// See package externalsecret.
var (
	Compact = externalsecret.Compact //nolint:gochecknoglobals // a function
	Guard   = externalsecret.Guard   //nolint:gochecknoglobals // a function
	WantsOf = externalsecret.WantsOf //nolint:gochecknoglobals // a function
	Reasons = externalsecret.Reasons //nolint:gochecknoglobals // a function
)

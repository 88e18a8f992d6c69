package eso

import (
	"github.com/envgraft/envgraft/internal/externalsecret"
)

// The names of package externalsecret that this package's callers use.
type (
	ExternalSecret     = externalsecret.ExternalSecret
	ExternalSecretList = externalsecret.ExternalSecretList
	Spec               = externalsecret.Spec
	StoreRef           = externalsecret.StoreRef
	Target             = externalsecret.Target
	DataFrom           = externalsecret.DataFrom
	Extract            = externalsecret.Extract
	Data               = externalsecret.Data
	Status             = externalsecret.Status
	Binding            = externalsecret.Binding
	Applied            = externalsecret.Applied
	Record             = externalsecret.Record
	Wants              = externalsecret.Wants
	Settings           = externalsecret.Settings
	Phase              = externalsecret.Phase
	Template           = externalsecret.Template
	Health             = externalsecret.Health
)

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

var (
	Compact = externalsecret.Compact
	Guard   = externalsecret.Guard
	WantsOf = externalsecret.WantsOf
	Reasons = externalsecret.Reasons
)

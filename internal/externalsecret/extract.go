package externalsecret

import "encoding/json"

// DataFrom is an entry that fills many keys. It is read in full: an entry that a
// person extended must not look like the one that was applied.
type DataFrom struct {
	Extract *Extract `json:"extract,omitempty"`
	Find    present  `json:"find,omitempty"`
	Rewrite present  `json:"rewrite,omitempty"`
	Source  present  `json:"sourceRef,omitempty"`
}

// present says that a field is there, whatever it says.
type present bool

// UnmarshalJSON implements json.Unmarshaler.
func (p *present) UnmarshalJSON([]byte) error {
	*p = true
	return nil
}

// Extract reads all keys of one parameter.
type Extract struct {
	Key     string
	Options Options
}

// Options says by which options an entry extracts, in a byte: 20,000 are held.
type Options uint8

// The options.
const (
	// OptionsImplied are ESO's defaults where none is written. ESO 2.9 fills in
	// none, which its earlier releases take for "leave names as they are".
	OptionsImplied Options = iota
	// OptionsDefault are ESO's defaults, each written out: what envgraft applies.
	OptionsDefault
	// OptionsOther make other keys of the parameter, or read only a part of it.
	OptionsOther
)

// The defaults that are written out.
const (
	conversionDefault = "Default"
	decodingNone      = "None"
	metadataNone      = "None"
)

// UnmarshalJSON reads an entry.
func (e *Extract) UnmarshalJSON(raw []byte) error {
	var entry struct {
		Key        string `json:"key"`
		Property   string `json:"property"`
		Version    string `json:"version"`
		Conversion string `json:"conversionStrategy"`
		Decoding   string `json:"decodingStrategy"`
		Metadata   string `json:"metadataPolicy"`
	}
	if err := json.Unmarshal(raw, &entry); err != nil {
		return err
	}
	e.Key, e.Options = entry.Key, OptionsOther
	either := func(have, standard string) bool { return have == "" || have == standard }
	switch {
	case entry.Property != "" || entry.Version != "":
	case entry.Conversion == conversionDefault && entry.Decoding == decodingNone && entry.Metadata == metadataNone:
		e.Options = OptionsDefault
	case either(entry.Conversion, conversionDefault) && either(entry.Decoding, decodingNone) && either(entry.Metadata, metadataNone):
		e.Options = OptionsImplied
	}
	return nil
}

// Extracting is the spec.dataFrom that extracts a parameter and nothing else, as
// it is applied: what a version of ESO does not default is written out.
func Extracting(parameter string) []any {
	return []any{map[string]any{"extract": map[string]any{
		"key":                parameter,
		"conversionStrategy": conversionDefault,
		"decodingStrategy":   decodingNone,
		"metadataPolicy":     metadataNone,
	}}}
}

// ExtractsOnly says that the spec is what Extracting has of the parameter, with
// no key from anywhere else.
func (s Spec) ExtractsOnly(parameter string) bool {
	return s.extract() != nil && len(s.Data) == 0 && *s.extract() == Extract{Key: parameter, Options: OptionsDefault}
}

// extract is the only entry of dataFrom, if it extracts and does nothing else.
func (s Spec) extract() *Extract {
	if len(s.DataFrom) != 1 || bool(s.DataFrom[0].Find || s.DataFrom[0].Rewrite || s.DataFrom[0].Source) {
		return nil
	}
	return s.DataFrom[0].Extract
}

// Parameter is what the ExternalSecret extracts, whatever else it does.
func (e *ExternalSecret) Parameter() string {
	if len(e.Spec.DataFrom) != 1 || e.Spec.DataFrom[0].Extract == nil {
		return ""
	}
	return e.Spec.DataFrom[0].Extract.Key
}

// SoleParameter is the parameter whose keys are those of the Secret; empty where a
// template, an option, an older version or another source makes others.
func (e *ExternalSecret) SoleParameter() string {
	extract := e.Spec.extract()
	if extract == nil || extract.Options == OptionsOther || len(e.Spec.Data) > 0 || e.Spec.Target.Template == TemplateOther {
		return ""
	}
	switch e.Spec.Target.CreationPolicy {
	case "", CreationPolicyOwner, CreationPolicyOrphan:
	default:
		return "" // the Secret holds what others put there, too
	}
	return extract.Key
}

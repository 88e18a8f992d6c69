package clusterview

// TakesWhole returns the parameter whose newest version the ExternalSecret makes
// the Secret of, key for key; ok is false where it does anything else. Only then
// are the parameter's keys those of the Secret: a template makes others, an older
// version may have others, and so may a value that is decoded or keys that are
// converted otherwise.
func (e ExternalSecret) TakesWhole() (parameter string, ok bool) {
	parameter = e.Parameter()
	if parameter == "" || len(e.Spec.Target.Template) > 0 {
		return "", false
	}
	from := e.Spec.DataFrom[0].Extract
	ok = from.Version == "" && isDefault(from.DecodingStrategy, "None") && isDefault(from.ConversionStrategy, "Default") &&
		isDefault(from.MetadataPolicy, "None")
	// With another policy the Secret holds what others put there, too.
	ok = ok && isDefault(e.Spec.Target.CreationPolicy, "Owner")
	return parameter, ok
}

func isDefault(value, standard string) bool { return value == "" || value == standard }

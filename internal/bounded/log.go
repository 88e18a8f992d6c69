package bounded

import (
	"encoding/json"
	"fmt"
	"log/slog"
)

// LogAttribute is a slog handler's ReplaceAttr: no value in the log is longer
// than Message, whichever part of the program or of a library logs it.
func LogAttribute(_ []string, a slog.Attr) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindString:
		if text := a.Value.String(); len(text) > Message {
			a.Value = slog.StringValue(Text(text, Message))
		}
	case slog.KindAny:
		a.Value = anyValue(a.Value)
	default: // numbers, times, and groups, whose members come one by one
	}
	return a
}

// anyValue bounds what the handler would write of a value of any type.
func anyValue(v slog.Value) slog.Value {
	switch value := v.Any().(type) {
	case nil, bool, *slog.Source, slog.Level:
		return v
	case error:
		return slog.StringValue(Text(value.Error(), Message))
	case fmt.Stringer:
		return slog.StringValue(Text(value.String(), Message))
	default:
		text, err := json.Marshal(value)
		if err == nil && len(text) <= Message {
			return v
		}
		if err != nil {
			text = []byte(err.Error())
		}
		return slog.StringValue(Text(string(text), Message))
	}
}

package eso

import (
	"reflect"
	"sync"
	"time"

	toolscache "k8s.io/client-go/tools/cache"

	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/metrics"
)

// held counts what informers hold, whoever wrote it: anybody who may create
// ExternalSecrets decides how many, on every replica.
type held struct {
	report func(resource metrics.Held, objects, bytes int)

	mu  sync.Mutex
	all map[metrics.Held]amount
}

type amount struct{ objects, bytes int }

func newHeld(report func(resource metrics.Held, objects, bytes int)) *held {
	return &held{report: report, all: map[metrics.Held]amount{}}
}

// handler counts, and then tells the next one.
func (h *held) handler(next toolscache.ResourceEventHandler) toolscache.ResourceEventHandler {
	return toolscache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(added any, isInInitialList bool) {
			h.change(nil, added)
			next.OnAdd(added, isInInitialList)
		},
		UpdateFunc: func(before, after any) {
			h.change(before, after)
			next.OnUpdate(before, after)
		},
		DeleteFunc: func(deleted any) {
			h.change(gone(deleted), nil)
			next.OnDelete(deleted)
		},
	}
}

func (h *held) change(before, after any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.count(before, -1)
	h.count(after, 1)
}

func (h *held) count(object any, sign int) {
	if object == nil {
		return
	}
	resource := metrics.HeldStores
	if e, ok := object.(*externalsecret.ExternalSecret); ok {
		resource = metrics.HeldForeignExternalSecrets
		if e.MadeByEnvgraft() {
			resource = metrics.HeldExternalSecrets
		}
	}
	now := h.all[resource]
	now.objects += sign
	now.bytes += sign * sizeOf(reflect.ValueOf(object))
	h.all[resource] = now
	h.report(resource, now.objects, now.bytes)
}

// sizeOf is about how many bytes a value takes. Text that several objects share is
// counted for each.
func sizeOf(v reflect.Value) int {
	return int(v.Type().Size()) + beyond(v)
}

// beyond is about how many bytes a value takes outside of itself.
func beyond(v reflect.Value) (size int) {
	switch v.Kind() {
	case reflect.String:
		return v.Len()
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() || v.Type() == reflect.TypeFor[*time.Location]() {
			return 0
		}
		return sizeOf(v.Elem())
	case reflect.Slice:
		size = v.Cap() * int(v.Type().Elem().Size())
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			size += beyond(v.Index(i))
		}
	case reflect.Map:
		for entries := v.MapRange(); entries.Next(); {
			size += sizeOf(entries.Key()) + sizeOf(entries.Value())
		}
	case reflect.Struct:
		for _, field := range v.Fields() {
			size += beyond(field)
		}
	default:
	}
	return size
}

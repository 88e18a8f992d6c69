package eso

import (
	"testing"
	"testing/synctest"
)

func TestNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n waiters
		n.wake("shop") // nobody waits
		shop, other := n.next("shop"), n.next("other")
		if n.next("shop") != shop {
			t.Error("two that wait for one namespace wait for different changes")
		}
		n.wake("shop")
		<-shop // or this blocks without end
		select {
		case <-other:
			t.Error("a change in another namespace woke it")
		case <-n.next("shop"):
			t.Error("the change before it woke the one that asked after it")
		default:
		}
		if len(n.waits) != 2 {
			t.Errorf("%d namespaces are remembered, want the two that are waited for", len(n.waits))
		}
	})
}

package eso

import (
	"testing"
	"testing/synctest"
)

func TestNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n waiters
		n.wake("shop") // nobody waits
		shop, leaveShop := n.next("shop")
		other, leaveOther := n.next("other")
		second, leaveSecond := n.next("shop")
		if second != shop {
			t.Error("two that wait for one namespace wait for different changes")
		}
		n.wake("shop")
		<-shop // or this blocks without end
		after, leaveAfter := n.next("shop")
		leaveShop() // it waited for the change before
		leaveSecond()
		select {
		case <-other:
			t.Error("a change in another namespace woke it")
		case <-after:
			t.Error("the change before it woke the one that asked after it")
		default:
		}
		if len(n.waits) != 2 {
			t.Errorf("%d namespaces are remembered, want the two that are waited for", len(n.waits))
		}
		n.wake("shop")
		<-after
		leaveAfter()
		leaveOther()
		if len(n.waits) != 0 {
			t.Errorf("%d namespaces are remembered that nobody waits for", len(n.waits))
		}
	})
}

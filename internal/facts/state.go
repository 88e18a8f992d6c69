package facts

import "github.com/envgraft/envgraft/internal/graft"

// State is what is known of an app's ExternalSecret without a call.
type State struct {
	// Problem says for people what keeps the Secret from being synced; empty
	// where nothing is known to.
	Problem string
	// SecretMissing says that ESO is there and has not made the Secret.
	SecretMissing bool
	// NeverSeen says that nothing in the cluster has to do with the parameter, see
	// graft.Facts.
	NeverSeen bool
	// Keys is what is known of the Secret's keys.
	Keys Keys
}

// Keys is one of Known, NotChecked, Ask and Await.
type Keys interface{ keys() }

// Known are keys that are known: nobody need be asked.
type Known struct{ graft.Parameter }

// NotChecked says that nobody may be asked, and for people why.
type NotChecked struct{ Cause string }

// Ask is for keys that this replica is to ask for.
type Ask struct{ Question }

// Await is for keys that another replica is about to record. Where they are not
// recorded in time, this one asks.
type Await struct{ Question }

func (Known) keys()      {}
func (NotChecked) keys() {}
func (Ask) keys()        {}
func (Await) keys()      {}

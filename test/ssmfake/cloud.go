package ssmfake

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"
)

// Cloud is several Parameter Stores behind one endpoint, one for each account
// and region, and the STS by whose AssumeRole a caller gets from one account
// to another. Set AWS_ENDPOINT_URL_SSM and AWS_ENDPOINT_URL_STS to its URL.
type Cloud struct {
	mu     sync.Mutex
	stores map[place]*Fake
	// trusts are the external ids by role; empty where the role asks for none.
	trusts map[string]string
	// accounts are those of the access keys that were handed out.
	accounts map[string]string
	assumed  map[string]int
}

type place struct{ account, region string }

// NewCloud returns a Cloud in which nobody trusts anybody. Access keys that it
// did not hand out are of Account.
func NewCloud() *Cloud {
	return &Cloud{stores: map[place]*Fake{}, trusts: map[string]string{}, accounts: map[string]string{}, assumed: map[string]int{}}
}

// Store returns the Parameter Store of an account in a region.
func (c *Cloud) Store(account, region string) *Fake {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := place{account, region}
	if c.stores[at] == nil {
		c.stores[at] = New()
	}
	return c.stores[at]
}

// Trust lets everybody assume a role, by its external id where that is not
// empty.
func (c *Cloud) Trust(role, externalID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trusts[role] = externalID
}

// Assumed says how often AssumeRole was called for a role.
func (c *Cloud) Assumed(role string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.assumed[role]
}

// scope is what a signature says: who calls, where, and which service.
var scope = regexp.MustCompile(`Credential=([^/]+)/[0-9]{8}/([a-z0-9-]+)/(ssm|sts)/aws4_request`)

// ServeHTTP sends a call where its signature says.
func (c *Cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	signature := scope.FindStringSubmatch(r.Header.Get("Authorization"))
	if signature == nil {
		writeError(w, apiError{"MissingAuthenticationTokenException", "Missing Authentication Token"})
		return
	}
	if signature[3] == "sts" {
		c.assumeRole(w, r)
		return
	}
	c.mu.Lock()
	account := first(c.accounts[signature[1]], Account)
	c.mu.Unlock()
	c.Store(account, signature[2]).ServeHTTP(w, r)
}

// session is the wire form of AssumeRole's answer, see
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html.
type session struct {
	XMLName xml.Name  `xml:"https://sts.amazonaws.com/doc/2011-06-15/ AssumeRoleResponse"`
	Key     string    `xml:"AssumeRoleResult>Credentials>AccessKeyId"`
	Secret  string    `xml:"AssumeRoleResult>Credentials>SecretAccessKey"`
	Token   string    `xml:"AssumeRoleResult>Credentials>SessionToken"`
	Expires time.Time `xml:"AssumeRoleResult>Credentials>Expiration"`
	ARN     string    `xml:"AssumeRoleResult>AssumedRoleUser>Arn"`
	ID      string    `xml:"AssumeRoleResult>AssumedRoleUser>AssumedRoleId"`
}

type stsError struct {
	XMLName xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ ErrorResponse"`
	Type    string   `xml:"Error>Type"`
	Code    string   `xml:"Error>Code"`
	Message string   `xml:"Error>Message"`
}

func (c *Cloud) assumeRole(w http.ResponseWriter, r *http.Request) {
	role, externalID := r.PostFormValue("RoleArn"), r.PostFormValue("ExternalId")
	c.mu.Lock()
	defer c.mu.Unlock()
	c.assumed[role]++
	wanted, trusted := c.trusts[role]
	if r.PostFormValue("Action") != "AssumeRole" || !trusted || wanted != "" && externalID != wanted {
		writeXML(w, http.StatusForbidden, stsError{Type: "Sender", Code: "AccessDenied", Message: fmt.Sprintf(
			"User: arn:aws:iam::%s:user/fake is not authorized to perform: sts:AssumeRole on resource: %s", Account, role)})
		return
	}
	key := fmt.Sprintf("ASIAFAKE%08d", len(c.accounts))
	c.accounts[key] = strings.Split(role, ":")[4]
	writeXML(w, http.StatusOK, session{
		Key: key, Secret: "fake", Token: "fake", Expires: time.Now().Add(time.Hour).UTC(),
		ARN: role + "/" + r.PostFormValue("RoleSessionName"), ID: "AROAFAKE:" + r.PostFormValue("RoleSessionName"),
	})
}

func writeXML(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	_ = xml.NewEncoder(w).Encode(answer) // the client is gone if it fails
}

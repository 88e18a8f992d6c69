package ui

import (
	"bytes"
	"context"
	_ "embed" // the stylesheet
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"
	g "maragu.dev/gomponents"

	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/connections"
)

// Path is where the pages are.
const Path = "/ui/"

const (
	// readTimeout bounds what a page waits for the API server.
	readTimeout = 30 * time.Second
	// kept is how long the overview is shown before it is read again: it lists
	// all of a cluster, and a browser asks as often as a key is held down.
	kept = 5 * time.Second
	// atOnce is how many pages are made at a time.
	atOnce = 8
	// maxConnections are open at a time: clients are not authenticated, and each
	// costs memory of a process that has more to do than to show pages.
	maxConnections = 64
)

// The pages load nothing but their own stylesheet and the script that adds buttons
// to copy commands, without which they work as well; no other site may frame
// them or post to them.
const contentSecurityPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

//go:embed style.css
var style []byte

//go:embed copy.js
var copyScript []byte

// pages makes the pages.
type pages struct {
	source   Source
	turns    chan struct{}
	overview overviewCache
}

// Handler serves the pages of a source below Path, to clients that ask for this
// machine: it has no other authentication, and is for loopback addresses.
func Handler(source Source) http.Handler {
	p := &pages{source: source, turns: make(chan struct{}, atOnce)}
	p.overview.turn = make(chan struct{}, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, Path, http.StatusFound) })
	mux.HandleFunc("GET "+Path+"{$}", p.list)
	mux.HandleFunc("GET "+Path+"style.css", file("text/css", style))
	mux.HandleFunc("GET "+Path+"copy.js", file("text/javascript", copyScript))
	mux.HandleFunc("GET "+Path+"apps/{namespace}/{kind}/{name}", p.app)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { p.fail(w, http.StatusNotFound, "There is no such page.") })
	return p.guard(mux)
}

// Server serves the handler, with bounds on what a client may take.
func Server(handler http.Handler) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: readTimeout + 10*time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
		ConnState: connections.Limit(maxConnections, nil),
	}
}

// guard refuses what no page of ours asks for. A name that an attacker has
// resolve to 127.0.0.1 would make a browser take this for the attacker's site
// (DNS rebinding): its Host header gives it away.
func (p *pages) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentSecurityPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		switch {
		case !thisMachine(r.Host):
			p.fail(w, http.StatusMisdirectedRequest, "These pages are for this machine alone: ask for 127.0.0.1 or localhost.")
			return
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			h.Set("Allow", "GET, HEAD")
			p.fail(w, http.StatusMethodNotAllowed, "These pages change nothing: only GET is answered.")
			return
		case r.Header.Get("Sec-Fetch-Site") == "cross-site" && r.Header.Get("Sec-Fetch-Mode") != "navigate":
			p.fail(w, http.StatusForbidden, "Another site asked for this.")
			return
		}
		select {
		case p.turns <- struct{}{}:
		default:
			h.Set("Retry-After", "2")
			p.fail(w, http.StatusServiceUnavailable, "Too many pages are being read: try again in a moment.")
			return
		}
		ready := p.make(next, w, r)
		ready.send()
	})
}

// make has a page made, and gives the turn back before it is sent: a client that
// does not read its page would keep it.
func (p *pages) make(next http.Handler, w http.ResponseWriter, r *http.Request) *buffered {
	defer func() { <-p.turns }()
	ctx, cancel := context.WithTimeout(r.Context(), readTimeout)
	defer cancel()
	ready := &buffered{ResponseWriter: w, code: http.StatusOK}
	next.ServeHTTP(ready, r.WithContext(ctx))
	return ready
}

// buffered is an answer that is sent once it is whole.
type buffered struct {
	http.ResponseWriter

	code int
	body bytes.Buffer
}

func (b *buffered) WriteHeader(code int)        { b.code = code }
func (b *buffered) Write(p []byte) (int, error) { return b.body.Write(p) }

func (b *buffered) send() {
	b.ResponseWriter.WriteHeader(b.code)
	_, _ = b.ResponseWriter.Write(b.body.Bytes()) // a client that is gone needs no answer
}

// thisMachine says that a Host header names a loopback address.
func thisMachine(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

func file(kind string, content []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind+"; charset=utf-8")
		_, _ = w.Write(content) // a client that is gone needs no answer
	}
}

// refreshed has the browser load a page again, as its reader chose.
func refreshed(w http.ResponseWriter, r *http.Request) {
	if seconds := refreshOf(r.URL.Query()); seconds != "" {
		w.Header().Set("Refresh", seconds)
	}
}

// list shows the apps.
func (p *pages) list(w http.ResponseWriter, r *http.Request) {
	o, err := p.overview.get(r.Context(), p.source)
	if err != nil {
		p.fail(w, http.StatusBadGateway, err.Error())
		return
	}
	refreshed(w, r)
	p.write(w, http.StatusOK, newListPage(o, r.URL.Query()).html())
}

// app shows one.
func (p *pages) app(w http.ResponseWriter, r *http.Request) {
	namespace, name := r.PathValue("namespace"), r.PathValue("name")
	ref, err := clusterview.ParseRef(namespace, r.PathValue("kind")+"/"+name)
	// They become part of a path of the API server.
	if err != nil || len(validation.IsDNS1123Label(namespace)) > 0 || len(validation.IsDNS1123Subdomain(name)) > 0 {
		p.fail(w, http.StatusNotFound, "There is no such page.")
		return
	}
	app, err := p.source.App(r.Context(), ref)
	switch {
	case errors.Is(err, ErrNotFound):
		p.fail(w, http.StatusNotFound, err.Error())
	case err != nil:
		p.fail(w, http.StatusBadGateway, err.Error())
	default:
		refreshed(w, r)
		p.write(w, http.StatusOK, newAppPage(app, r.URL.Query()).html())
	}
}

func (p *pages) fail(w http.ResponseWriter, code int, message string) {
	p.write(w, code, errorPage{Code: code, Status: http.StatusText(code), Message: message}.html())
}

// write sends a page once it is whole.
func (p *pages) write(w http.ResponseWriter, code int, page g.Node) {
	var text bytes.Buffer
	if err := page.Render(&text); err != nil {
		http.Error(w, "cannot make the page", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write(text.Bytes()) // a client that is gone needs no answer
}

// overviewCache reads the overview for all who ask in a while, failures too: a
// page that is reloaded must not list a cluster again and again.
type overviewCache struct {
	// turn is held by who reads or looks: a mutex cannot be waited for with a bound.
	turn  chan struct{}
	value Overview
	err   error
	until time.Time
}

func (c *overviewCache) get(ctx context.Context, source Source) (Overview, error) {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return Overview{}, ctx.Err()
	}
	if time.Now().Before(c.until) {
		return c.value, c.err
	}
	// Not ended with whoever asks first: the others wait for it, too.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
	defer cancel()
	c.value, c.err = source.Overview(ctx)
	c.until = time.Now().Add(kept)
	return c.value, c.err
}

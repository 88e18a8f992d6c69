package ui_test

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/envgraft/envgraft/internal/doctor"
	"github.com/envgraft/envgraft/internal/ui"
	"github.com/envgraft/envgraft/internal/ui/uitest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// ask sends one request, as a browser of this machine unless change says otherwise.
func ask(h http.Handler, method, target string, change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, http.NoBody)
	r.Host = "127.0.0.1:8084"
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestGolden holds each page to its golden file, and every file to a page.
func TestGolden(t *testing.T) {
	pages := map[string]string{
		"list":          "/ui/",
		"list-filtered": "/ui/?q=POPAPPS&state=broken",
		"list-none":     "/ui/?namespace=nowhere",
		"app":           "/ui/apps/popapps/statefulset/search",
		"app-filtered":  "/ui/apps/popapps/sts/search?container=search&tier=configmap&q=log",
		"hostile":       "/ui/apps/tenant/deployment/web",
		"not-found":     "/ui/apps/popapps/deployment/nothing",
	}
	h := ui.Handler(uitest.Cluster{})
	for name, target := range pages {
		t.Run(name, func(t *testing.T) {
			w := ask(h, http.MethodGet, target, nil)
			if found := w.Code == http.StatusOK; found == (name == "not-found") {
				t.Errorf("%s: code %d", target, w.Code)
			}
			file := filepath.Join("testdata", name+".html")
			if *update {
				if err := os.WriteFile(file, w.Body.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatalf("%v: go test ./internal/ui -update writes it", err)
			}
			if diff := cmp.Diff(string(want), w.Body.String()); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
	files, err := filepath.Glob("testdata/*")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(pages) {
		t.Errorf("testdata has %d files for %d pages: %q", len(files), len(pages), files)
	}
}

// TestHostileTexts has markup in names, messages and queries stay text.
func TestHostileTexts(t *testing.T) {
	h := ui.Handler(uitest.Cluster{})
	for _, target := range []string{
		"/ui/", "/ui/apps/tenant/deployment/web",
		"/ui/?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&namespace=%3Cscript%3E&state=%22onload=%22",
		"/ui/apps/popapps/sts/search?q=%22%3E%3Cscript%3E&container=%3Cscript%3E&tier=%27%3E%3Cscript%3E",
	} {
		body := ask(h, http.MethodGet, target, nil).Body.String()
		body = strings.Replace(body, `<script src="/ui/copy.js" defer></script>`, "", 1)
		for _, markup := range []string{"<script", "<img", "javascript:", " style=", "onload=\"", "</pre>'"} {
			if strings.Contains(body, markup) {
				t.Errorf("%s has %q:\n%s", target, markup, body)
			}
		}
	}
}

// TestGuard refuses what only another site, or a script, would ask.
func TestGuard(t *testing.T) {
	h := ui.Handler(uitest.Cluster{})
	host := func(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }
	for name, tc := range map[string]struct {
		reason, method, target string
		change                 func(*http.Request)
		want                   int
	}{
		"Loopback":      {"as the command prints it", http.MethodGet, "/ui/", nil, http.StatusOK},
		"Localhost":     {"by kubectl port-forward", http.MethodGet, "/ui/", host("localhost:9000"), http.StatusOK},
		"IPv6":          {"the other loopback address", http.MethodGet, "/ui/", host("[::1]:8084"), http.StatusOK},
		"Head":          {"a GET without its body", http.MethodHead, "/ui/", nil, http.StatusOK},
		"Root":          {"people type the address alone", http.MethodGet, "/", nil, http.StatusFound},
		"Rebinding":     {"a name that resolves to 127.0.0.1", http.MethodGet, "/ui/", host("evil.example:8084"), http.StatusMisdirectedRequest},
		"Subdomain":     {"localhost is not any name with it", http.MethodGet, "/ui/", host("localhost.evil.example"), http.StatusMisdirectedRequest},
		"PrefixAddress": {"an address in a name", http.MethodGet, "/ui/", host("127.0.0.1.evil.example"), http.StatusMisdirectedRequest},
		"NoHost":        {"HTTP/1.0", http.MethodGet, "/ui/", host(""), http.StatusMisdirectedRequest},
		"OtherAddress":  {"not this machine", http.MethodGet, "/ui/", host("10.0.0.1:8084"), http.StatusMisdirectedRequest},
		"Post":          {"nothing is changed here", http.MethodPost, "/ui/", nil, http.StatusMethodNotAllowed},
		"Delete":        {"likewise", http.MethodDelete, "/ui/apps/popapps/sts/search", nil, http.StatusMethodNotAllowed},
		"CrossSite": {"an image of another site", http.MethodGet, "/ui/", func(r *http.Request) {
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			r.Header.Set("Sec-Fetch-Mode", "no-cors")
		}, http.StatusForbidden},
		"Unknown":     {"no such page", http.MethodGet, "/metrics", nil, http.StatusNotFound},
		"NoWorkload":  {"a kind without pods", http.MethodGet, "/ui/apps/popapps/secret/search", nil, http.StatusNotFound},
		"Dots":        {"it would leave the namespace's part of the API", http.MethodGet, "/ui/apps/%2e%2e/pod/x", nil, http.StatusNotFound},
		"SlashInName": {"likewise", http.MethodGet, "/ui/apps/popapps/pod/x%2f..%2f..%2fsecrets", nil, http.StatusNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			w := ask(h, tc.method, tc.target, tc.change)
			if w.Code != tc.want {
				t.Errorf("%s: code %d, want %d:\n%s", tc.reason, w.Code, tc.want, w.Body)
			}
			for header, want := range map[string]string{
				"Content-Security-Policy": "default-src 'none'", "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff",
				"Cache-Control": "no-store", "Referrer-Policy": "no-referrer",
			} {
				if got := w.Header().Get(header); !strings.HasPrefix(got, want) {
					t.Errorf("%s is %q, want %q", header, got, want)
				}
			}
		})
	}
}

// TestSort puts what needs attention first, and keeps filter and sort in the links.
func TestSort(t *testing.T) {
	h := ui.Handler(uitest.Cluster{More: 2})
	for target, want := range map[string][]string{
		"/ui/":                                {"invoices", "myapp", "search"},
		"/ui/?sort=state":                     {"search", "cart", "web"},
		"/ui/?sort=pods":                      {"search", "migration", "invoices"},
		"/ui/?sort=nonsense":                  {"invoices", "myapp"},
		"/ui/?system=shop&sort=state":         {"cart", "migration"},
		"/ui/?environment=prod":               {"No app matches"},
		"/ui/?system=zoo&refresh=30":          {"refresh=30", "app-0000", "app-0001"},
		"/ui/?state=broken&environment=stage": {"search", "cart"},
	} {
		body := ask(h, http.MethodGet, target, nil).Body.String()
		_, rest, found := strings.Cut(body, "</details>") // the form and the list
		if !found {
			t.Fatalf("%s has no installation:\n%s", target, body)
		}
		for _, text := range want {
			var ok bool
			if _, rest, ok = strings.Cut(rest, text); !ok {
				t.Errorf("%s has no %q, or not in the order %q", target, text, want)
				break
			}
		}
	}
}

// TestRefresh has the browser load a page again as its reader chose, and not as
// anybody else wrote.
func TestRefresh(t *testing.T) {
	h := ui.Handler(uitest.Cluster{})
	for target, want := range map[string]string{
		"/ui/": "", "/ui/?refresh=30": "30", "/ui/?refresh=0": "", "/ui/?refresh=30;url=https://evil.example": "",
		"/ui/apps/popapps/sts/search?refresh=10": "10",
	} {
		if got := ask(h, http.MethodGet, target, nil).Header().Get("Refresh"); got != want {
			t.Errorf("%s: Refresh is %q, want %q", target, got, want)
		}
	}
}

// TestPages shows a large cluster in parts, and keeps the filter between them.
func TestPages(t *testing.T) {
	h := ui.Handler(uitest.Cluster{More: 250})
	for target, want := range map[string][]string{
		"/ui/?namespace=zoo":         {"250 of 256 apps, page 1 of 3", `href="?namespace=zoo&amp;page=2"`, "app-0099"},
		"/ui/?namespace=zoo&page=3":  {"page 3 of 3", `rel="prev"`, "app-0249"},
		"/ui/?namespace=zoo&page=99": {"page 3 of 3"},
		"/ui/?namespace=zoo&page=-1": {"page 1 of 3"},
		"/ui/?namespace=zoo&page=x":  {"page 1 of 3"},
	} {
		body := ask(h, http.MethodGet, target, nil).Body.String()
		for _, text := range want {
			if !strings.Contains(body, text) {
				t.Errorf("%s has no %q", target, text)
			}
		}
		if rows := strings.Count(body, `<th scope="row">`); rows > 100 {
			t.Errorf("%s has %d rows", target, rows)
		}
	}
}

// large is a cluster of 20,000 apps, each in a namespace of its own. To read it
// takes no memory here: a page may have it read again at any time.
type large struct {
	uitest.Cluster

	read ui.Overview
}

func newLarge(t *testing.T) large {
	t.Helper()
	o, err := uitest.Cluster{More: 20_000}.Overview(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range o.Apps {
		o.Apps[i].Namespace = fmt.Sprintf("team-%05d", i)
	}
	return large{read: o}
}

func (l large) Overview(context.Context) (ui.Overview, error) { return l.read, nil }

// TestMemoryOfALargeCluster bounds what a page takes beside the overview, which
// all share: no client authenticates, and eight are served at a time.
func TestMemoryOfALargeCluster(t *testing.T) {
	const limit = 8 << 20
	h := ui.Handler(newLarge(t))
	for _, target := range []string{"/ui/", "/ui/?page=200", "/ui/?namespace=team-00007", "/ui/?state=broken", "/ui/?q=no-app-has-this"} {
		size := ask(h, http.MethodGet, target, nil).Body.Len() // the first one reads the overview
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		w := ask(h, http.MethodGet, target, nil)
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; w.Code != http.StatusOK || took > limit {
			t.Errorf("%s: code %d, %d bytes allocated for a page of %d, want at most %d", target, w.Code, took, size, limit)
		}
		if size > 256<<10 {
			t.Errorf("%s: the page has %d bytes", target, size)
		}
	}
}

// TestIdleClients holds that clients who keep connections and ask nothing are
// closed for those who ask.
func TestIdleClients(t *testing.T) {
	server := ui.Server(ui.Handler(uitest.Cluster{}))
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(listener) }() // until it is closed
	t.Cleanup(func() { _ = server.Close() })
	const limit = 64
	var first net.Conn
	for i := range limit + 1 {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(conn, "GET /ui/style.css HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"); err != nil {
			t.Fatalf("connection %d: %v", i+1, err)
		}
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("connection %d, of at most %d, was not served: %v", i+1, limit, err)
		}
		_, err = io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = conn
		}
	}
	if _, err := first.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Errorf("the one that idled longest of %d is still open: %v", limit+1, err)
	}
}

// TestNoTypeHoldsAValue keeps values out by their type: of a variable the pages
// know name and source alone.
func TestNoTypeHoldsAValue(t *testing.T) {
	var names []string
	for f := range reflect.TypeFor[ui.Variable]().Fields() {
		names = append(names, f.Name)
	}
	if diff := cmp.Diff([]string{"Name", "Tier", "From", "Shadows"}, names); diff != "" {
		t.Errorf("ui.Variable (-want, +got):\n%s", diff)
	}
}

// slow is a cluster that does not answer until told to.
type slow struct {
	uitest.Cluster

	mu    sync.Mutex
	asked int
	err   error
	hang  chan struct{}
}

func (s *slow) Overview(ctx context.Context) (ui.Overview, error) {
	s.mu.Lock()
	s.asked++
	s.mu.Unlock()
	select {
	case <-s.hang:
	case <-ctx.Done():
		return ui.Overview{}, ctx.Err()
	}
	if s.err != nil {
		return ui.Overview{}, s.err
	}
	return s.Cluster.Overview(ctx)
}

// TestOverviewIsReadOnce lists the cluster once for all who ask in a while,
// whatever came of it, and turns away who would only wait.
func TestOverviewIsReadOnce(t *testing.T) {
	for _, failure := range []error{nil, errors.New("cannot tell: the API server says " + uitest.Hostile)} {
		t.Run(fmt.Sprint(failure != nil), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &slow{hang: make(chan struct{}), err: failure}
				h := ui.Handler(s)
				codes := make(chan int, 50)
				for range 50 {
					go func() { codes <- ask(h, http.MethodGet, "/ui/", nil).Code }()
				}
				synctest.Wait()
				close(s.hang)
				count := map[int]int{}
				for range 50 {
					count[<-codes]++
				}
				answered := http.StatusOK
				if failure != nil {
					answered = http.StatusBadGateway
				}
				if want := (map[int]int{answered: 8, http.StatusServiceUnavailable: 42}); !cmp.Equal(want, count) || s.asked != 1 {
					t.Errorf("answers %v, and the cluster was listed %d times; want %v, once", count, s.asked, want)
				}
				time.Sleep(6 * time.Second) //nolint:forbidigo // of the bubble's clock
				ask(h, http.MethodGet, "/ui/", nil)
				if s.asked != 2 {
					t.Errorf("after a while it was listed %d times, want twice", s.asked)
				}
			})
		})
	}
}

// unread is a client that does not read its answer until it is told to.
type unread struct {
	*httptest.ResponseRecorder

	read chan struct{}
}

func (u unread) Write(p []byte) (int, error) {
	<-u.read
	return u.ResponseRecorder.Write(p)
}

// TestSlowReader has clients that do not read their pages keep nobody from other pages.
func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, read := ui.Handler(uitest.Cluster{}), make(chan struct{})
		var clients sync.WaitGroup
		for range 20 {
			w := unread{httptest.NewRecorder(), read}
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:8084/ui/", http.NoBody)
			clients.Go(func() { h.ServeHTTP(w, r) })
			synctest.Wait() // it has its page, or waits for it
		}
		if w := ask(h, http.MethodGet, "/ui/", nil); w.Code != http.StatusOK {
			t.Errorf("beside 20 clients that do not read: code %d", w.Code)
		}
		close(read)
		clients.Wait()
	})
}

// TestHangingCluster gives up on an API server that does not answer.
func TestHangingCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		w := ask(ui.Handler(&slow{hang: make(chan struct{})}), http.MethodGet, "/ui/", nil)
		if w.Code != http.StatusBadGateway || time.Since(began) > time.Minute {
			t.Errorf("code %d after %s:\n%s", w.Code, time.Since(began), w.Body)
		}
	})
}

// TestLinks never has a link look better than its checks.
func TestLinks(t *testing.T) {
	for name, tc := range map[string]struct {
		findings []doctor.Finding
		want     [3]doctor.Status
	}{
		"Nothing": {nil, [3]doctor.Status{doctor.Unneeded, doctor.Unneeded, doctor.Unneeded}},
		"Whole": {[]doctor.Finding{
			{Check: "operator", Status: doctor.OK}, {Check: "sync", Status: doctor.OK}, {Check: "configmap", Status: doctor.Unneeded}, {Check: "pods", Status: doctor.OK},
		}, [3]doctor.Status{doctor.OK, doctor.OK, doctor.OK}},
		"Unseen": {[]doctor.Finding{
			{Check: "operator", Status: doctor.OK}, {Check: "store", Status: doctor.Unseen}, {Check: "parameter", Status: doctor.OK},
		}, [3]doctor.Status{doctor.Unseen, doctor.Unneeded, doctor.Unneeded}},
		"Broken": {[]doctor.Finding{
			{Check: "store", Status: doctor.Broken}, {Check: "parameter", Status: doctor.Unreached}, {Check: "sync", Status: doctor.Unreached}, {Check: "pods", Status: doctor.Unreached},
		}, [3]doctor.Status{doctor.Broken, doctor.Unreached, doctor.Unreached}},
	} {
		var got [3]doctor.Status
		for i, l := range ui.LinksOf(tc.findings) {
			got[i] = l.State
		}
		if got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

// TestEveryCheckHasALink keeps a check that is new from being left out of the picture.
func TestEveryCheckHasALink(t *testing.T) {
	for _, check := range doctor.Checks() {
		links := ui.LinksOf([]doctor.Finding{{Check: check, Status: doctor.Broken}})
		if links[0].State != doctor.Broken && links[1].State != doctor.Broken && links[2].State != doctor.Broken {
			t.Errorf("check %q belongs to no link", check)
		}
	}
}

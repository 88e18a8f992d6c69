// Command printenv tells tests the environment that its container really got:
// as one JSON object, at GET / while it runs, or once on standard output.
package main

import (
	"encoding/json"
	"flag"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	once := flag.Bool("once", false, "print to standard output and exit, for init containers and Jobs")
	listen := flag.String("listen", ":8080", "address to serve at")
	flag.Parse()
	// Arguments are printed too: $(NAME) is expanded in them.
	environment, err := json.Marshal(map[string]any{"env": env(), "args": flag.Args()})
	if err != nil {
		log.Fatal(err)
	}
	if *once {
		log.SetFlags(0)
		log.SetOutput(os.Stdout)
		log.Printf("%s", environment)
		return
	}
	// A process of id 1 has no default action for SIGTERM: without this every
	// deleted pod would take its whole grace period.
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	go func() { <-stop; os.Exit(0) }()
	server := &http.Server{Addr: *listen, ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(
		func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(environment)
		})}
	log.Fatal(server.ListenAndServe())
}

func env() map[string]string {
	all := map[string]string{}
	for _, entry := range os.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		all[name] = value
	}
	return all
}

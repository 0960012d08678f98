// A small shop's API. Plimsoll gives each instance its port and the release's version.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	version := os.Getenv("VERSION")
	release := func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "release %s\n", version) }

	mux := http.NewServeMux()
	mux.HandleFunc("/", release)
	mux.HandleFunc("/health", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(500 * time.Millisecond)
		release(w, r)
	})
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })

	server := &http.Server{
		Addr:    net.JoinHostPort("127.0.0.1", os.Getenv("PORT")),
		Handler: mux,
		// No ReadTimeout and no WriteTimeout: they cut off what takes long; Plimsoll's own limits hold for clients.
		ReadHeaderTimeout: 10 * time.Second,
		// Longer than Plimsoll keeps idle connections (50 s).
		IdleTimeout: 65 * time.Second,
	}

	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		<-stop.Done()
		// Accepts nothing new, and waits for what is open; shorter than stop.timeout.
		within, cancel := context.WithTimeout(context.Background(), 25*time.Second)
		defer cancel()
		ended <- server.Shutdown(within)
	}()

	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
	// ListenAndServe returns as soon as Shutdown begins: main has to wait until it has ended.
	if err := <-ended; err != nil {
		log.Fatal(err)
	}
}

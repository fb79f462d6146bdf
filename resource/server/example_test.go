package server_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/infill-http/infill/resource/server"
)

func Example() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	s := &server.Server{
		Listener: l,
		Handler:  http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }),
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	done := make(chan error)
	go func() { done <- s.Serve(ctx) }()

	resp, err := http.Get("http://" + l.Addr().String() + "/")
	if err != nil {
		fmt.Println(err)
		return
	}
	b, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	fmt.Println(string(b), err)

	stop() // lets requests in flight end
	fmt.Println(<-done)
	// Output:
	// hello <nil>
	// <nil>
}

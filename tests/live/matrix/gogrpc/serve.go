package main

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

type recorder struct {
	sync.Mutex
	seen []seen
}

func (r *recorder) answer(method string, stream grpc.ServerStream) error {
	var asked []byte
	size := 0
	for first := true; first || method == "Gather" || method == "Both"; first = false {
		var message []byte
		if err := stream.RecvMsg(&message); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
		asked, size = append(asked, framed(message)...), size+len(message)
	}
	known, _ := metadata.FromIncomingContext(stream.Context())
	from, _ := peer.FromContext(stream.Context())
	_, port, _ := net.SplitHostPort(from.Addr.String())
	number, _ := strconv.Atoi(port)
	ident := known["x-id"][0]
	headers := [][2]string{{"x-id", ident}, {"x-peer-port", port}}
	code := 0
	if wanted := known["x-status"]; len(wanted) > 0 {
		code, _ = strconv.Atoi(wanted[0])
	}
	trailers := [][2]string{{"grpc-status", strconv.Itoa(code)}, {"x-trail", ident}}
	if code != 0 {
		trailers = append(trailers, [2]string{"grpc-message", encoded})
	}
	count := 1
	if method == "Many" || method == "Both" {
		count = pieces
	}
	if code != 0 {
		count-- // fails before its last message
	}
	bare := code >= 10 // fails before it says anything, in one block of headers
	if bare {
		headers, count = [][2]string{}, 0
	}
	answers, said := [][]byte{}, []byte{}
	for n := 0; n < count; n++ {
		answers = append(answers, bodyFor(fmt.Sprintf("answer %s %d", ident, n), size/2+n))
		said = append(said, framed(answers[n])...)
	}
	heard := [][2]string{}
	for name, values := range known {
		for _, value := range values {
			if strings.HasSuffix(name, "-bin") {
				value = base64.RawStdEncoding.EncodeToString([]byte(value)) // as on the wire
			}
			heard = append(heard, [2]string{name, value})
		}
	}
	r.Lock()
	r.seen = append(r.seen, seen{
		ident, number, "POST", "/" + service + "/" + method, heard, digest(asked), 0, 200, headers, digest(said), trailers,
	})
	r.Unlock()
	if !bare {
		stream.SetHeader(metadata.Pairs("x-id", ident, "x-peer-port", port))
	}
	stream.SetTrailer(metadata.Pairs("x-trail", ident))
	for _, answer := range answers {
		if err := stream.SendMsg(&answer); err != nil {
			return err
		}
	}
	if code != 0 {
		return status.Error(codes.Code(code), fault)
	}
	return nil
}

func serve(certificate string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	record := &recorder{seen: []seen{}}
	options := []grpc.ServerOption{grpc.ForceServerCodec(raw{})}
	scheme := "http"
	if certificate != "" {
		pair, err := tls.LoadX509KeyPair(certificate, certificate)
		check(err)
		options = append(options, grpc.Creds(credentials.NewServerTLSFromCert(&pair)))
		scheme = "https"
	}
	server := grpc.NewServer(options...)
	description := grpc.ServiceDesc{ServiceName: service, HandlerType: (*any)(nil)}
	for _, method := range []string{"One", "Many", "Gather", "Both"} {
		each := *streams(method)
		each.Handler = func(_ any, stream grpc.ServerStream) error { return record.answer(method, stream) }
		description.Streams = append(description.Streams, each)
	}
	server.RegisterService(&description, record)
	go server.Serve(listener)
	fmt.Printf("%s://%s\n", scheme, listener.Addr())
	io.ReadAll(os.Stdin)
	server.Stop()
	check(json.NewEncoder(os.Stdout).Encode(record.seen))
}

// A gRPC server and a client on google.golang.org/grpc, as tests.live.ends has them.
//
//	serve CERTIFICATE KIND                       prints its URL; at the end of stdin, what it saw, as JSON
//	ask CERTIFICATE KIND URL CONNECTIONS FILE    calls what FILE holds; opens its connections first and prints "open",
//	                                             then waits for a line
//
// Without a certificate the server speaks HTTP/2 in the clear. Messages are bytes, so that nothing is generated. The method
// says what streams: One nothing, Many the answer, Gather the question, Both both. `x-status` asks for another status than 0;
// from 10 on, for nothing else.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"log"
	"os"
	"strconv"

	"google.golang.org/grpc"
)

const (
	service = "matrix.Answerer"
	pieces  = 5 // messages of a stream
	fault   = "as asked: 100 % wrong, ünlucky"
	encoded = "as asked: 100 %25 wrong, %C3%BCnlucky"
)

type ask struct {
	ID      string      `json:"id"`
	Path    string      `json:"path"`
	Headers [][2]string `json:"headers"`
	Body    []byte      `json:"body"`
}

type seen struct {
	ID               string      `json:"id"`
	Port             int         `json:"port"`
	Method           string      `json:"method"`
	Target           string      `json:"target"`
	RequestHeaders   [][2]string `json:"request_headers"`
	RequestBody      string      `json:"request_body"`
	At               float64     `json:"at"`
	Status           int         `json:"status"`
	ResponseHeaders  [][2]string `json:"response_headers"`
	ResponseBody     string      `json:"response_body"`
	ResponseTrailers [][2]string `json:"response_trailers"`
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// bodyFor makes what tests.live.servers.body_for makes.
func bodyFor(ident string, size int) []byte {
	unit := sha256.Sum256([]byte(ident))
	return bytes.Repeat(unit[:], size/len(unit)+1)[:size]
}

// framed gives a message as it is on the wire: not compressed, and its length.
func framed(message []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
}

// raw takes messages as they are.
type raw struct{}

func (raw) Name() string                          { return "proto" }
func (raw) Marshal(message any) ([]byte, error)   { return *message.(*[]byte), nil }
func (raw) Unmarshal(data []byte, into any) error { *into.(*[]byte) = bytes.Clone(data); return nil }

func streams(method string) *grpc.StreamDesc {
	return &grpc.StreamDesc{
		StreamName: method, ServerStreams: method == "Many" || method == "Both", ClientStreams: method == "Gather" || method == "Both",
	}
}

func main() {
	if os.Args[1] == "serve" {
		serve(os.Args[2])
		return
	}
	connections, err := strconv.Atoi(os.Args[5])
	check(err)
	askAll(os.Args[2], os.Args[4], connections, os.Args[6])
}

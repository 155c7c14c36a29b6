package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"strconv"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

func newClient(certificate, url string) *grpc.ClientConn {
	scheme, address, _ := strings.Cut(url, "://")
	chosen := insecure.NewCredentials()
	if scheme == "https" {
		roots := x509.NewCertPool()
		pem, err := os.ReadFile(certificate)
		check(err)
		roots.AppendCertsFromPEM(pem)
		chosen = credentials.NewTLS(&tls.Config{RootCAs: roots})
	}
	conn, err := grpc.NewClient(
		address, grpc.WithTransportCredentials(chosen), grpc.WithDefaultCallOptions(grpc.ForceCodec(raw{}), grpc.WaitForReady(true)),
	)
	check(err)
	return conn
}

func (a ask) send(conn *grpc.ClientConn) {
	ctx := metadata.AppendToOutgoingContext(context.Background(), "x-id", a.ID)
	wanted := 0
	for _, pair := range a.Headers {
		ctx = metadata.AppendToOutgoingContext(ctx, pair[0], pair[1])
		if pair[0] == "x-status" {
			wanted, _ = strconv.Atoi(pair[1])
		}
	}
	var err error
	if a.Path == "One" {
		var answer []byte
		err = conn.Invoke(ctx, "/"+service+"/One", &a.Body, &answer)
	} else {
		err = a.stream(ctx, conn)
	}
	if got := status.Convert(err); int(got.Code()) != wanted || (wanted != 0 && got.Message() != fault) {
		log.Fatalf("%s: %v instead of %d", a.ID, err, wanted)
	}
}

func (a ask) stream(ctx context.Context, conn *grpc.ClientConn) error {
	stream, err := conn.NewStream(ctx, streams(a.Path), "/"+service+"/"+a.Path)
	if err != nil {
		return err
	}
	count := 1
	if a.Path != "Many" {
		count = pieces
	}
	for n := 0; n < count; n++ {
		piece := a.Body[len(a.Body)*n/count : len(a.Body)*(n+1)/count]
		if err := stream.SendMsg(&piece); err != nil && err != io.EOF {
			return err
		}
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	for {
		var answer []byte
		if err := stream.RecvMsg(&answer); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func askAll(certificate, url string, connections int, file string) {
	var asks []ask
	content, err := os.ReadFile(file)
	check(err)
	check(json.Unmarshal(content, &asks))
	conns := make([]*grpc.ClientConn, connections)
	each := func(do func(conn *grpc.ClientConn, number int)) {
		var all sync.WaitGroup
		for number, conn := range conns {
			all.Add(1)
			go func() {
				defer all.Done()
				do(conn, number)
			}()
		}
		all.Wait()
	}
	for number := range conns {
		conns[number] = newClient(certificate, url)
	}
	each(func(conn *grpc.ClientConn, number int) {
		ask{ID: fmt.Sprintf("open-%d", number), Path: "One"}.send(conn)
	})
	fmt.Println("open")
	bufio.NewReader(os.Stdin).ReadString('\n')
	each(func(conn *grpc.ClientConn, number int) {
		for ; number < len(asks); number += connections {
			asks[number].send(conn)
		}
	})
	for _, conn := range conns {
		conn.Close()
	}
}

// A web server and a client on crypto/tls, for every Go since 1.17.
//
//	serve CERTIFICATE KIND                       prints its URL; at the end of stdin, what it saw, as JSON
//	ask CERTIFICATE KIND URL CONNECTIONS FILE    asks what FILE holds; opens its connections first and prints "open",
//	                                             then waits for a line
//
// KIND is a list of words: "wrapped" puts each connection into a type of this program's own, "h2" allows HTTP/2, and "now" does
// not wait for a line.
package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
)

type ask struct {
	ID      string      `json:"id"`
	Method  string      `json:"method"`
	Path    string      `json:"path"`
	Headers [][2]string `json:"headers"`
	Body    []byte      `json:"body"`
	Chunked bool        `json:"chunked"`
}

type seen struct {
	ID              string      `json:"id"`
	Port            int         `json:"port"`
	Method          string      `json:"method"`
	Target          string      `json:"target"`
	RequestHeaders  [][2]string `json:"request_headers"`
	RequestBody     string      `json:"request_body"`
	At              float64     `json:"at"`
	Status          int         `json:"status"`
	ResponseHeaders [][2]string `json:"response_headers"`
	ResponseBody    string      `json:"response_body"`
}

// wrapped hides the net.Conn behind words that lead nowhere, as proxies and meters do.
type wrapped struct {
	counts *[4]int
	net.Conn
}

type wrapper struct{ net.Listener }

func (w wrapper) Accept() (net.Conn, error) {
	conn, err := w.Listener.Accept()
	return &wrapped{new([4]int), conn}, err
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

func pairs(header http.Header) [][2]string {
	found := [][2]string{}
	for name, values := range header {
		for _, value := range values {
			found = append(found, [2]string{name, value})
		}
	}
	return found
}

type recorder struct {
	sync.Mutex
	seen []seen
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_, port, _ := net.SplitHostPort(request.RemoteAddr)
	number, _ := strconv.Atoi(port)
	ident := request.Header.Get("X-Id")
	answer, status := body, 200
	if size, err := strconv.Atoi(request.URL.Query().Get("size")); err == nil {
		answer = bodyFor("answer "+ident, size)
	}
	if asked, err := strconv.Atoi(request.URL.Query().Get("status")); err == nil {
		status = asked
	}
	header := w.Header()
	for _, pair := range [][2]string{
		{"Date", "Sat, 21 Nov 2026 12:00:00 GMT"}, {"Content-Type", "application/octet-stream"}, {"X-Id", ident},
		{"X-Peer-Port", port}, {"Set-Cookie", "one=" + ident}, {"Set-Cookie", "two=2, still two"}, {"Vary", "Accept"}, {"Vary", "Cookie"},
	} {
		header.Add(pair[0], pair[1])
	}
	chunked := request.URL.Query().Get("chunked") == "1" && request.Method != "HEAD" && len(answer) > 0
	if !chunked {
		header.Set("Content-Length", strconv.Itoa(len(answer)))
	}
	said := pairs(header)
	if chunked && request.ProtoMajor == 1 {
		said = append(said, [2]string{"Transfer-Encoding", "chunked"})
	}
	heard := append(pairs(request.Header), [2]string{"Host", request.Host})
	if request.ProtoMajor == 1 && len(request.TransferEncoding) > 0 {
		heard = append(heard, [2]string{"Transfer-Encoding", request.TransferEncoding[0]})
	}
	shown := answer
	if request.Method == "HEAD" {
		shown = nil
	}
	r.Lock()
	r.seen = append(r.seen, seen{
		ident, number, request.Method, request.RequestURI, heard, digest(body), 0, status, said, digest(shown),
	})
	r.Unlock()
	w.WriteHeader(status)
	if request.Method != "HEAD" {
		for rest := answer; len(rest) > 0; {
			piece := rest
			if chunked && len(piece) > 9973 {
				piece = piece[:9973]
			}
			w.Write(piece)
			if chunked {
				w.(http.Flusher).Flush()
			}
			rest = rest[len(piece):]
		}
	}
}

func serve(certificate, kind string) {
	pair, err := tls.LoadX509KeyPair(certificate, certificate)
	check(err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	address := listener.Addr().String()
	if strings.Contains(kind, "wrapped") {
		listener = wrapper{listener}
	}
	record := &recorder{}
	server := &http.Server{Handler: record, TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}}}
	server.ErrorLog = log.New(io.Discard, "", 0)
	if !strings.Contains(kind, "h2") {
		server.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
	}
	go server.ServeTLS(listener, "", "")
	fmt.Println("https://" + address)
	io.ReadAll(os.Stdin)
	server.Close()
	check(json.NewEncoder(os.Stdout).Encode(record.seen))
}

func newClient(certificate, kind string) *http.Client {
	roots := x509.NewCertPool()
	pem, err := os.ReadFile(certificate)
	check(err)
	roots.AppendCertsFromPEM(pem)
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots}, MaxConnsPerHost: 1, ForceAttemptHTTP2: strings.Contains(kind, "h2"),
	}
	if strings.Contains(kind, "wrapped") {
		transport.Dial = func(network, address string) (net.Conn, error) {
			conn, err := net.Dial(network, address)
			return &wrapped{new([4]int), conn}, err
		}
	}
	return &http.Client{Transport: transport}
}

func (a ask) send(client *http.Client, url string) {
	var body io.Reader
	if a.Body != nil {
		body = bytes.NewReader(a.Body)
		if a.Chunked {
			body = io.MultiReader(body) // of unknown length
		}
	}
	request, err := http.NewRequest(a.Method, url+a.Path, body)
	check(err)
	for _, pair := range a.Headers {
		request.Header.Add(pair[0], pair[1])
	}
	response, err := client.Do(request)
	check(err)
	_, err = io.Copy(io.Discard, response.Body)
	check(err)
	response.Body.Close()
}

func askAll(certificate, kind, url string, connections int, file string) {
	var asks []ask
	content, err := os.ReadFile(file)
	check(err)
	check(json.Unmarshal(content, &asks))
	clients := make([]*http.Client, connections)
	each := func(do func(client *http.Client, number int)) {
		var all sync.WaitGroup
		for number, client := range clients {
			all.Add(1)
			go func(client *http.Client, number int) {
				defer all.Done()
				do(client, number)
			}(client, number)
		}
		all.Wait()
	}
	for number := range clients {
		clients[number] = newClient(certificate, kind)
	}
	if !strings.Contains(kind, "now") {
		each(func(client *http.Client, number int) {
			name := fmt.Sprintf("open-%d", number)
			ask{Method: "GET", Path: "/open?size=10", Headers: [][2]string{{"X-Id", name}}}.send(client, url)
		})
		fmt.Println("open")
		bufio.NewReader(os.Stdin).ReadString('\n')
	}
	each(func(client *http.Client, number int) {
		for ; number < len(asks); number += connections {
			asks[number].send(client, url)
		}
	})
	for _, client := range clients {
		client.CloseIdleConnections()
	}
}

func main() {
	if os.Args[1] == "serve" {
		serve(os.Args[2], os.Args[3])
		return
	}
	connections, err := strconv.Atoi(os.Args[5])
	check(err)
	askAll(os.Args[2], os.Args[3], os.Args[4], connections, os.Args[6])
}

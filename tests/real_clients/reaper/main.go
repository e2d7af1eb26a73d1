// Command reaper speaks Ryuk's protocol: each connection sends lines of filters, "label=a=b&label=c=d", and reads "ACK". When the last
// connection has been gone for RYUK_RECONNECTION_TIMEOUT, everything that any line's filters match is removed.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

type reaper struct {
	docker  http.Client
	mutex   sync.Mutex
	filters map[string]bool
	clients int
	changed chan struct{}
}

func main() {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", "/var/run/docker.sock")
	}
	r := &reaper{
		docker:  http.Client{Transport: &http.Transport{DialContext: dial}},
		filters: map[string]bool{},
		changed: make(chan struct{}, 1),
	}
	if status, _ := r.call("GET", "/_ping", nil); status != http.StatusOK {
		log.Fatal("the Docker daemon does not answer on /var/run/docker.sock")
	}
	listener, err := net.Listen("tcp", ":8080")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("Started")
	go r.accept(listener)
	r.waitForTheEnd(duration("RYUK_CONNECTION_TIMEOUT", time.Minute), duration("RYUK_RECONNECTION_TIMEOUT", 10*time.Second))
	r.removeAll()
}

func duration(name string, otherwise time.Duration) time.Duration {
	if value, err := time.ParseDuration(os.Getenv(name)); err == nil {
		return value
	}
	return otherwise
}

func (r *reaper) accept(listener net.Listener) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		r.count(+1)
		go r.serve(connection)
	}
}

func (r *reaper) serve(connection net.Conn) {
	defer r.count(-1)
	defer connection.Close()
	lines := bufio.NewScanner(connection)
	for lines.Scan() {
		if line := strings.TrimSpace(lines.Text()); line != "" {
			r.mutex.Lock()
			r.filters[line] = true
			r.mutex.Unlock()
			fmt.Println("Adding", line)
			fmt.Fprintln(connection, "ACK")
		}
	}
}

func (r *reaper) count(change int) {
	r.mutex.Lock()
	r.clients += change
	r.mutex.Unlock()
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

func (r *reaper) waitForTheEnd(first, later time.Duration) {
	patience := first
	for {
		r.mutex.Lock()
		clients := r.clients
		r.mutex.Unlock()
		if clients > 0 {
			<-r.changed
			patience = later
			continue
		}
		select {
		case <-r.changed:
		case <-time.After(patience):
			return
		}
	}
}

func (r *reaper) removeAll() {
	hostname, _ := os.Hostname()
	for line := range r.filters {
		query := filterQuery(line)
		for _, item := range r.list("/containers/json?all=1&"+query, "") {
			if id := item["Id"].(string); !strings.HasPrefix(id, hostname) {
				r.call("DELETE", "/containers/"+id+"?force=1&v=1", nil)
			}
		}
		for _, item := range r.list("/networks?"+query, "") {
			r.call("DELETE", "/networks/"+item["Id"].(string), nil)
		}
		for _, item := range r.list("/volumes?"+query, "Volumes") {
			r.call("DELETE", "/volumes/"+item["Name"].(string)+"?force=1", nil)
		}
		for _, item := range r.list("/images/json?"+query, "") {
			r.call("DELETE", "/images/"+item["Id"].(string)+"?force=1", nil)
		}
	}
	fmt.Println("Removed everything")
}

func filterQuery(line string) string {
	filters := map[string]map[string]bool{}
	for _, part := range strings.Split(line, "&") {
		name, value, _ := strings.Cut(part, "=")
		if decoded, err := url.QueryUnescape(value); err == nil {
			value = decoded
		}
		if filters[name] == nil {
			filters[name] = map[string]bool{}
		}
		filters[name][value] = true
	}
	text, _ := json.Marshal(filters)
	return "filters=" + url.QueryEscape(string(text))
}

func (r *reaper) list(path, member string) []map[string]any {
	_, body := r.call("GET", path, nil)
	if member != "" {
		var object map[string]json.RawMessage
		json.Unmarshal(body, &object)
		body = object[member]
	}
	var items []map[string]any
	json.Unmarshal(body, &items)
	return items
}

func (r *reaper) call(method, path string, body io.Reader) (int, []byte) {
	request, err := http.NewRequest(method, "http://docker"+path, body)
	if err != nil {
		log.Fatal(err)
	}
	response, err := r.docker.Do(request)
	if err != nil {
		log.Print(err)
		return 0, nil
	}
	defer response.Body.Close()
	answer, _ := io.ReadAll(response.Body)
	if response.StatusCode >= 400 {
		log.Printf("%s %s: %d %s", method, path, response.StatusCode, answer)
	}
	return response.StatusCode, answer
}

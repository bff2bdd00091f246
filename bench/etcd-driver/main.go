// The load that the store benchmark puts on etcd: the transactions that kube-apiserver's storage layer sends, from as many goroutines as asked for.
// Usage: etcd-driver ENDPOINT create|update CLIENTS CONNECTIONS WARM-UP-SECONDS SECONDS BYTES PREFIX. Prints one JSON line.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"sort"
	"strconv"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

type result struct {
	Writes    int     `json:"writes"`
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"perSecond"`
	P50Ms     float64 `json:"p50Ms"`
	P99Ms     float64 `json:"p99Ms"`
}

func main() {
	if len(os.Args) != 9 {
		fail(fmt.Errorf("usage: etcd-driver ENDPOINT create|update CLIENTS CONNECTIONS WARM-UP-SECONDS SECONDS BYTES PREFIX"))
	}
	workers := number(os.Args[3])
	connections := connect(os.Args[1], number(os.Args[4]))
	value := text(number(os.Args[7]))
	write := creator(connections, os.Args[8], value)
	if os.Args[2] == "update" {
		write = updater(connections, os.Args[8], value, workers)
	}
	report(run(workers, seconds(os.Args[5]), seconds(os.Args[6]), write))
}

func connect(endpoint string, count int) []*clientv3.Client {
	clients := make([]*clientv3.Client, count)
	for i := range clients {
		client, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, DialTimeout: 5 * time.Second})
		if err != nil {
			fail(err)
		}
		clients[i] = client
	}
	return clients
}

// Text that does not compress much better than real objects do.
func text(bytes int) string {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	out := make([]byte, bytes)
	for i := range out {
		out[i] = letters[rand.IntN(len(letters))]
	}
	return string(out)
}

type writer func(worker, i int) error

func creator(clients []*clientv3.Client, prefix, value string) writer {
	return func(worker, i int) error {
		key := fmt.Sprintf("/registry/%s/%d/%d", prefix, worker, i)
		answer, err := clients[worker%len(clients)].Txn(context.Background()).
			If(clientv3.Compare(clientv3.ModRevision(key), "=", 0)).
			Then(clientv3.OpPut(key, value)).
			Commit()
		if err == nil && !answer.Succeeded {
			err = fmt.Errorf("%s exists", key)
		}
		return err
	}
}

// Each worker updates an object of its own, as optimistic writers do that do not meet.
func updater(clients []*clientv3.Client, prefix, value string, workers int) writer {
	revisions := make([]int64, workers)
	keys := make([]string, workers)
	for worker := range keys {
		keys[worker] = fmt.Sprintf("/registry/%s/%d", prefix, worker)
		answer, err := clients[0].Put(context.Background(), keys[worker], value)
		if err != nil {
			fail(err)
		}
		revisions[worker] = answer.Header.Revision
	}
	return func(worker, _ int) error {
		key := keys[worker]
		answer, err := clients[worker%len(clients)].Txn(context.Background()).
			If(clientv3.Compare(clientv3.ModRevision(key), "=", revisions[worker])).
			Then(clientv3.OpPut(key, value)).
			Else(clientv3.OpGet(key)).
			Commit()
		if err == nil && !answer.Succeeded {
			err = fmt.Errorf("%s was changed by somebody else", key)
		}
		if err == nil {
			revisions[worker] = answer.Header.Revision
		}
		return err
	}
}

// Latencies and the time of what began after the warm-up.
func run(workers int, warmUp, duration time.Duration, write writer) ([]time.Duration, time.Duration) {
	var group sync.WaitGroup
	latencies := make([][]time.Duration, workers)
	begin := time.Now().Add(warmUp)
	end := begin.Add(duration)
	for worker := 0; worker < workers; worker++ {
		group.Add(1)
		go func(worker int) {
			defer group.Done()
			for i := 0; ; i++ {
				start := time.Now()
				if start.After(end) {
					return
				}
				if err := write(worker, i); err != nil {
					fail(err)
				}
				if start.After(begin) {
					latencies[worker] = append(latencies[worker], time.Since(start))
				}
			}
		}(worker)
	}
	group.Wait()
	elapsed := time.Since(begin)
	var all []time.Duration
	for _, some := range latencies {
		all = append(all, some...)
	}
	sort.Slice(all, func(a, b int) bool { return all[a] < all[b] })
	return all, elapsed
}

func report(latencies []time.Duration, elapsed time.Duration) {
	at := func(part float64) float64 {
		return float64(latencies[int(float64(len(latencies)-1)*part)].Microseconds()) / 1000
	}
	line, _ := json.Marshal(result{
		Writes:    len(latencies),
		Seconds:   elapsed.Seconds(),
		PerSecond: float64(len(latencies)) / elapsed.Seconds(),
		P50Ms:     at(0.5),
		P99Ms:     at(0.99),
	})
	fmt.Println(string(line))
}

func seconds(text string) time.Duration {
	return time.Duration(number(text)) * time.Second
}

func number(text string) int {
	value, err := strconv.Atoi(text)
	if err != nil {
		fail(err)
	}
	return value
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

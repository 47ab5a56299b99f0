// SPDX-License-Identifier: Apache-2.0

package comparison

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

const (
	patience = 30 * time.Second
	// spansOfTurn are sent to a collector in one turn, in requests of at least 1,
	spansOfTurn = 1_500_000
	// but no more requests than this.
	requestsOfTurn = 30_000
	clients        = 16
)

// BenchmarkCollector measures the processor time of whole collectors that receive spans by OTLP/gRPC, change attributes, drop a tenth, and
// send on by OTLP/gRPC: with Go's processors, with our nodes, with the engine's `attribute` and our `filter`, and with none.
func BenchmarkCollector(b *testing.B) {
	program := os.Getenv("OTAPCOL_COMPARISON")
	if program == "" {
		b.Skip("OTAPCOL_COMPARISON names no collector: run `make bench-comparison`")
	}
	sink := startSink(b)
	all := works(traces)
	both := all[len(all)-1]
	ways := []struct {
		name   string
		stages []stage
	}{{"none", nil}, {"Go's", both.byGo}, {"ours", both.ours}, {"engine's", both.engine}}
	var rows []string
	for _, spans := range []int{1, 100, 1000} {
		b.Run(strconv.Itoa(spans), func(b *testing.B) {
			request, err := traces.generate(spans)
			require.NoError(b, err)
			took := make([][]time.Duration, len(ways))
			for b.Loop() {
				for i, way := range ways {
					took[i] = append(took[i], measureCollector(b, program, sink, way.stages, request, spans))
				}
			}
			b.ReportMetric(0, "ns/op")
			row := fmt.Sprintf("| %d |", spans)
			median := func(i int) float64 {
				slices.Sort(took[i])
				return float64(took[i][len(took[i])/2])
			}
			for i, way := range ways {
				b.ReportMetric(median(i)/1000, strings.ReplaceAll(way.name, "'", "")+"-µs")
				row += fmt.Sprintf(" %s |", microseconds(median(i)))
			}
			b.ReportMetric(median(2)/median(1), "of-go")
			rows = append(rows, row+fmt.Sprintf(" %.2f | %.2f |", median(2)/median(1), median(3)/median(1)))
		})
	}
	fmt.Fprintln(os.Stderr, "| spans | no processor | Go's | ours | engine's attribute, our filter | ours of Go's | engine's of Go's |")
	fmt.Fprintln(os.Stderr, "| --: | --: | --: | --: | --: | --: | --: |")
	for _, row := range rows {
		fmt.Fprintln(os.Stderr, row)
	}
}

// measureCollector returns the processor time that a collector takes for a request.
func measureCollector(b *testing.B, program string, sink *sink, stages []stage, request []byte, spans int) time.Duration {
	b.Helper()
	address, process, stop := startCollector(b, program, sink.address, stages)
	defer stop()
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(b, err)
	defer func() { _ = connection.Close() }()
	requests := min(spansOfTurn/spans, requestsOfTurn)
	send(b, connection, request, requests/10+clients) // warms up
	before, arrived := processorTimeOf(b, process), sink.requests.Load()
	send(b, connection, request, requests)
	used := processorTimeOf(b, process) - before
	require.EqualValues(b, requests, sink.requests.Load()-arrived)
	return used / time.Duration(requests)
}

const export = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

func send(b *testing.B, connection *grpc.ClientConn, request []byte, requests int) {
	b.Helper()
	var sent atomic.Int64
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for sent.Add(1) <= int64(requests) {
				var answer []byte
				if err := connection.Invoke(b.Context(), export, &request, &answer, grpc.ForceCodec(rawCodec{})); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// startCollector runs a collector with these processors.
func startCollector(b *testing.B, program, sinkAddress string, stages []stage) (address string, process int, stop func()) {
	b.Helper()
	address = freeAddress(b)
	processors := settings{}
	names := []string{}
	for i, stage := range stages {
		name := fmt.Sprintf("%s/%d", stage.factory.Type(), i)
		processors[name] = stage.configuration
		names = append(names, name)
	}
	// JSON is YAML.
	configuration, err := json.Marshal(settings{
		"receivers":  settings{"otlp": settings{"protocols": settings{"grpc": settings{"endpoint": address, "max_recv_msg_size_mib": 64}}}},
		"processors": processors,
		"exporters": settings{"otlp_grpc": settings{
			"endpoint": sinkAddress, "tls": settings{"insecure": true}, "compression": "none",
			"sending_queue": settings{"enabled": false}, "retry_on_failure": settings{"enabled": false},
		}},
		"service": settings{
			"telemetry": settings{"metrics": settings{"level": "none"}},
			"pipelines": settings{"traces": settings{"receivers": []string{"otlp"}, "processors": names, "exporters": []string{"otlp_grpc"}}},
		},
	})
	require.NoError(b, err)
	path := filepath.Join(b.TempDir(), "config.yaml")
	require.NoError(b, os.WriteFile(path, configuration, 0o600))
	command := exec.Command(program, "--config", path)
	log, err := command.StderrPipe()
	require.NoError(b, err)
	require.NoError(b, command.Start())
	ready, ended := make(chan struct{}), make(chan string, 1)
	go func() {
		var text strings.Builder
		for lines := bufio.NewScanner(log); lines.Scan(); {
			text.WriteString(lines.Text() + "\n")
			if strings.Contains(lines.Text(), "Everything is ready") {
				close(ready)
			}
		}
		ended <- text.String()
	}()
	select {
	case <-ready:
	case text := <-ended:
		b.Fatalf("the collector ended before it was ready:\n%s", text)
	case <-time.After(patience):
		b.Fatal("the collector was not ready in time")
	}
	return address, command.Process.Pid, func() {
		require.NoError(b, command.Process.Signal(syscall.SIGTERM))
		<-ended
		require.NoError(b, command.Wait())
	}
}

func freeAddress(b *testing.B) string {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// processorTimeOf is what a process has used of its processors so far.
func processorTimeOf(b *testing.B, process int) time.Duration {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", process))
	require.NoError(b, err)
	// The name, in brackets, may have spaces in it. Behind it, user and system time are the 12th and 13th.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	var ticks int
	for _, field := range fields[11:13] {
		count, err := strconv.Atoi(field)
		require.NoError(b, err)
		ticks += count
	}
	const tick = 10 * time.Millisecond // of every Linux on amd64
	return time.Duration(ticks) * tick
}

// A sink takes all requests and looks at none.
type sink struct {
	address  string
	requests atomic.Int64
}

func startSink(b *testing.B) *sink {
	b.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
	require.NoError(b, err)
	s := &sink{address: listener.Addr().String()}
	server := grpc.NewServer(grpc.ForceServerCodec(rawCodec{}), grpc.MaxRecvMsgSize(1<<26), grpc.UnknownServiceHandler(
		func(_ any, stream grpc.ServerStream) error {
			var request, answer []byte
			if err := stream.RecvMsg(&request); err != nil {
				return err
			}
			s.requests.Add(1)
			return stream.SendMsg(&answer)
		}))
	go func() { _ = server.Serve(listener) }()
	b.Cleanup(server.Stop)
	return s
}

// rawCodec sends and receives messages as they are, so that only the collector works.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(message any) ([]byte, error) { return *message.(*[]byte), nil }

func (rawCodec) Unmarshal(data []byte, message any) error {
	*message.(*[]byte) = data
	return nil
}

// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// The engine's durable buffer acks when data are on disk. What it has acked
// has to arrive: at the end of its own pipeline, whatever happens to the sink and to the collector.
// A collector that is killed sends again what it had no response for, so that something may
// arrive twice then, and only then.

// bufferNode is a durable buffer below that folder.
func bufferNode(folder string) string {
	return fmt.Sprintf("{type: processor:durable_buffer, config: {path: %q, retention_size_cap: 512 MiB, poll_interval: 50ms, "+
		"max_segment_open_duration: 200ms, initial_retry_interval: 50ms, max_retry_interval: 200ms}}", folder)
}

// bufferSetup is one component with one buffer.
func bufferSetup(folder string, shards int, signals ...signal) setup {
	node := strings.TrimSuffix(bufferNode(folder), "}")
	return setup{
		processors: fmt.Sprintf("otap/buffer: %s, shards: %d}", node, shards),
		names:      []string{"otap/buffer"},
		signals:    signals,
	}
}

// sendAll sends records of those signals and returns their names. All are accepted.
func sendAll(t *testing.T, to *collectorProcess, prefix string, count int, signals ...signal) map[signal][]string {
	t.Helper()
	sent := map[signal][]string{}
	for number := range count {
		for _, of := range signals {
			name := fmt.Sprintf("%s %s %d", prefix, of, number)
			if response := exportTo(t, to.grpc, of, name); response.Code() != codes.OK {
				t.Fatalf("%s: %v", name, response)
			}
			sent[of] = append(sent[of], name)
		}
	}
	return sent
}

func join(all ...map[signal][]string) map[signal][]string {
	joined := map[signal][]string{}
	for _, sent := range all {
		for of, names := range sent {
			joined[of] = append(joined[of], names...)
		}
	}
	return joined
}

// names counts what arrived of a signal.
func (s *sink) names(of signal) map[string]int {
	names := map[string]int{}
	for _, one := range s.got(of) {
		names[one.name]++
	}
	return names
}

// awaitAll waits until everything that was sent has arrived at least once.
func awaitAll(t *testing.T, arrived *sink, sent map[signal][]string) {
	t.Helper()
	arrived.awaitThat(t, func() string {
		var missing []string
		for of, names := range sent {
			got := arrived.names(of)
			for _, name := range names {
				if got[name] == 0 {
					missing = append(missing, name)
				}
			}
		}
		if len(missing) == 0 {
			return ""
		}
		return fmt.Sprintf("%d did not arrive: %q", len(missing), missing)
	})
}

// expectArrived checks that all that was sent arrived and nothing else, once each unless
// the collector was killed.
func expectArrived(t *testing.T, arrived *sink, sent map[signal][]string, killed bool) {
	t.Helper()
	for _, of := range allSignals {
		got := arrived.names(of)
		for _, name := range sent[of] {
			if count := got[name]; count == 0 || count > 1 && !killed {
				t.Errorf("%s arrived %d times", name, count)
			}
			delete(got, name)
		}
		for name := range got {
			t.Errorf("among the %s arrived %q, which was not sent as such", of, name)
		}
	}
}

var bufferedSignals = []struct {
	name    string
	signals []signal
}{
	{"one signal", []signal{logs}},
	{"two signals", []signal{logs, traces}},
	{"three signals", allSignals},
}

var unavailable = status.Error(codes.Unavailable, "not now")

// A component is in pipelines of several signals: each pipeline has a buffer of its own. It
// keeps what the sink does not take, also while the collector is stopped and started.
func TestDurableBufferOfSeveralSignals(t *testing.T) {
	for _, of := range bufferedSignals {
		for _, shards := range []int{1, 2} {
			t.Run(fmt.Sprintf("%s, %d pipelines", of.name, shards), func(t *testing.T) {
				const count = 30
				arrived := startSink(t)
				how := bufferSetup(t.TempDir(), shards, of.signals...)
				c := start(t, arrived, how)
				sent := sendAll(t, c, "first", count, of.signals...)
				awaitAll(t, arrived, sent)

				arrived.refuse(unavailable)
				sent = join(sent, sendAll(t, c, "refused", count, of.signals...))
				c.stop(t)
				expectNone(t, arrived, "refused")
				arrived.refuse(nil)

				// Nothing new comes in that could wake a pipeline.
				c = start(t, arrived, how)
				awaitAll(t, arrived, sent)
				sent = join(sent, sendAll(t, c, "after the restart", count, of.signals...))
				awaitAll(t, arrived, sent)
				c.stop(t)
				expectArrived(t, arrived, sent, false)
			})
		}
	}
}

// What has arrived before a stop, or arrives during it, does not come again after the next
// start.
func TestDurableBufferSendsNothingTwiceAfterAStop(t *testing.T) {
	for _, awaited := range []bool{true, false} {
		t.Run(fmt.Sprintf("arrived before the stop %v", awaited), func(t *testing.T) {
			arrived := startSink(t)
			how := bufferSetup(t.TempDir(), 1)
			c := start(t, arrived, how)
			sent := sendAll(t, c, "first", 30, allSignals...)
			if awaited {
				awaitAll(t, arrived, sent)
			}
			c.stop(t)

			c = start(t, arrived, how)
			// It comes behind what is left of the first.
			sent = join(sent, sendAll(t, c, "second", 1, allSignals...))
			awaitAll(t, arrived, sent)
			c.stop(t)
			expectArrived(t, arrived, sent, false)
		})
	}
}

// expectNone checks that nothing arrived whose name begins so.
func expectNone(t *testing.T, arrived *sink, prefix string) {
	t.Helper()
	for _, of := range allSignals {
		for name := range arrived.names(of) {
			if strings.HasPrefix(name, prefix) {
				t.Errorf("%q arrived", name)
			}
		}
	}
}

// Two buffers of one collector have one path: in one pipeline after another component, or as
// nodes of one component.
func TestDurableBuffersWithOnePath(t *testing.T) {
	folder := t.TempDir()
	node := bufferNode(folder)
	for _, how := range []setup{
		{
			processors: "otap/a: " + node + "\notap/b: " + node,
			names:      []string{"otap/a", "otap/b"},
		},
		{
			processors: "otap/a: {nodes: {first: " + node + ", second: " + node + "}, connections: [{from: first, to: second}]}",
			names:      []string{"otap/a"},
		},
	} {
		t.Run(strings.Join(how.names, " and "), func(t *testing.T) {
			const count = 20
			arrived := startSink(t)
			arrived.refuse(unavailable)
			c := start(t, arrived, how)
			sent := sendAll(t, c, "first", count, allSignals...)
			c.kill(t)
			arrived.refuse(nil)
			c = start(t, arrived, how)
			awaitAll(t, arrived, sent)
			c.stop(t)
			expectArrived(t, arrived, sent, true)
		})
	}
}

// With fewer pipelines than before, what the others kept is sent.
func TestDurableBufferWithFewerPipelines(t *testing.T) {
	for _, killed := range []bool{false, true} {
		t.Run(fmt.Sprintf("killed %v", killed), func(t *testing.T) {
			const count = 40
			folder := t.TempDir()
			arrived := startSink(t)
			arrived.refuse(unavailable)
			c := start(t, arrived, bufferSetup(folder, 2))
			sent := sendAll(t, c, "first", count, allSignals...)
			if killed {
				c.kill(t)
			} else {
				c.stop(t)
			}
			for _, of := range allSignals {
				for _, number := range []string{"0", "1"} {
					expectData(t, filepath.Join(folder, "processors%3A%3Aotap%2Fbuffer", string(of), "node", number, "core_0"))
				}
			}

			arrived.refuse(nil)
			// The second time there is nothing left to drain.
			for _, prefix := range []string{"second", "third"} {
				c = start(t, arrived, bufferSetup(folder, 1))
				sent = join(sent, sendAll(t, c, prefix, 1, allSignals...))
				awaitAll(t, arrived, sent)
				c.stop(t)
			}
			expectArrived(t, arrived, sent, true)
		})
	}
}

// expectData checks that an engine's folder contains something that was not acked.
func expectData(t *testing.T, folder string) {
	t.Helper()
	found := 0
	err := filepath.WalkDir(folder, func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			found++
		}
		return err
	})
	if err != nil || found == 0 {
		t.Fatalf("%s contains %d files (%v)", folder, found, err)
	}
}

// Two pipelines of one signal would have one folder: the second cannot start.
func TestDurableBufferInTwoPipelinesOfASignal(t *testing.T) {
	how := bufferSetup(t.TempDir(), 1, logs, "logs/other")
	said := failToStart(t, startSink(t), how)
	for _, want := range []string{
		"processors::otap/buffer: ", "processors%3A%3Aotap%2Fbuffer/logs/node/0 is in use. If this component is in several pipelines of one signal, " +
			"give each pipeline a component of its own",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("does not say %q:\n%s", want, said)
		}
	}
}

// Nor can a second collector with the same path.
func TestDurableBufferInTwoCollectors(t *testing.T) {
	arrived := startSink(t)
	how := bufferSetup(t.TempDir(), 1, logs)
	c := start(t, arrived, how)
	said := failToStart(t, arrived, how)
	if want := "logs/node/0 is in use."; !strings.Contains(said, want) || !strings.Contains(said, "if another process uses the folder, give each its own path") {
		t.Errorf("does not say %q and what to do:\n%s", want, said)
	}
	sent := sendAll(t, c, "first", 1, logs)
	awaitAll(t, arrived, sent)
}

// The cap is divided among the pipelines, and each part has to be large enough.
func TestDurableBufferWithTooManyPipelines(t *testing.T) {
	for shards, wants := range map[int][]string{2: nil, 3: {"processors::otap/buffer: config", "among 3 pipelines"}} {
		output, err := validateSetup(t, bufferSetup(t.TempDir(), shards))
		if (err == nil) != (wants == nil) {
			t.Errorf("%d pipelines: %v: %s", shards, err, output)
		}
		for _, want := range wants {
			if !strings.Contains(output, want) {
				t.Errorf("%d pipelines: does not say %q: %s", shards, want, output)
			}
		}
	}
}

// Data in the folder that all pipelines used once belong to a pipeline that nobody knows.
func TestDurableBufferRefusesTheSharedFolder(t *testing.T) {
	folder := t.TempDir()
	arrived := startSink(t)
	arrived.refuse(unavailable)
	how := bufferSetup(folder, 1, logs)
	c := start(t, arrived, how)
	sent := sendAll(t, c, "first", 10, logs)
	c.kill(t)
	own, shared := filepath.Join(folder, "processors%3A%3Aotap%2Fbuffer/logs/node/0/core_0"), filepath.Join(folder, "core_0")
	if err := os.Rename(own, shared); err != nil {
		t.Fatal(err)
	}

	said := failToStart(t, arrived, how)
	for _, want := range []string{"processors::otap/buffer: ", shared + " contains data of a version in which all pipelines used one folder", "such as " + own} {
		if !strings.Contains(said, want) {
			t.Errorf("does not say %q:\n%s", want, said)
		}
	}

	// What it says to do works.
	if err := os.RemoveAll(own); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(shared, own); err != nil {
		t.Fatal(err)
	}
	arrived.refuse(nil)
	c = start(t, arrived, how)
	awaitAll(t, arrived, sent)
	c.stop(t)
	expectArrived(t, arrived, sent, true)
}

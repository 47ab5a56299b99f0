// SPDX-License-Identifier: Apache-2.0

package collector

import (
	"fmt"
	"os/exec"
	"runtime"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
)

// The collector is killed while the sink refuses or is not there.
func TestDurableBufferOfAKilledCollector(t *testing.T) {
	for _, of := range bufferedSignals {
		for _, shards := range []int{1, 2} {
			for _, down := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, %d pipelines, sink down %v", of.name, shards, down), func(t *testing.T) {
					const count = 30
					how := bufferSetup(t.TempDir(), shards, of.signals...)
					var arrived *sink
					address := freeAddress(t)
					if !down {
						arrived = startSinkAt(t, address)
						arrived.refuse(unavailable)
					}
					c := start(t, &sink{address: address}, how)
					sent := sendAll(t, c, "first", count, of.signals...)
					if down {
						c.kill(t)
						arrived = startSinkAt(t, address)
					} else {
						// Each of them has been tried.
						arrived.awaitThat(t, func() string {
							if asked := arrived.asked(); asked < count {
								return fmt.Sprintf("the sink was asked %d times", asked)
							}
							return ""
						})
						c.kill(t)
						arrived.refuse(nil)
					}
					c = start(t, arrived, how)
					awaitAll(t, arrived, sent)
					sent = join(sent, sendAll(t, c, "after the restart", count, of.signals...))
					awaitAll(t, arrived, sent)
					c.stop(t)
					expectArrived(t, arrived, sent, true)
				})
			}
		}
	}
}

// The collector is killed as soon as a client has its response, again and again, on a machine that has
// more to do.
func TestDurableBufferOfACollectorKilledAtTheResponse(t *testing.T) {
	const rounds = 40
	stop := make(chan struct{})
	var busy sync.WaitGroup
	for range 2 * runtime.NumCPU() {
		load := exec.CommandContext(t.Context(), "sh", "-c", "while :; do :; done")
		if err := load.Start(); err != nil {
			t.Fatal(err)
		}
		busy.Go(func() {
			<-stop
			_ = load.Process.Kill()
			_ = load.Wait()
		})
	}
	nobody := &sink{address: freeAddress(t)}
	how := bufferSetup(t.TempDir(), 1)
	sent := map[signal][]string{}
	for round := range rounds {
		c := start(t, nobody, how)
		sent = join(sent, sendAll(t, c, fmt.Sprintf("round %d", round), 2, allSignals...))
		c.kill(t)
	}
	close(stop)
	busy.Wait()

	arrived := startSink(t)
	c := start(t, arrived, how)
	awaitAll(t, arrived, sent)
	c.stop(t)
	expectArrived(t, arrived, sent, true)
}

// Clients send while the collector is killed: what they have responses for arrives.
func TestDurableBufferOfACollectorKilledUnderLoad(t *testing.T) {
	arrived := startSink(t)
	arrived.refuse(unavailable)
	how := bufferSetup(t.TempDir(), 1)
	c := start(t, arrived, how)

	type result struct {
		of    signal
		name  string
		known bool // its response came
	}
	results := make(chan result, 64) // so that clients do not wait while it is killed
	for _, of := range allSignals {
		go func() {
			for number := 0; ; number++ {
				name := fmt.Sprintf("load %s %d", of, number)
				known := exportTo(t, c.grpc, of, name).Code() == codes.OK
				results <- result{of, name, known}
				if !known {
					return
				}
			}
		}()
	}
	sent, unknown := map[signal][]string{}, map[string]bool{}
	for received := 0; len(unknown) < len(allSignals); received++ {
		if received == 300 {
			c.kill(t)
		}
		one := <-results
		if one.known {
			sent[one.of] = append(sent[one.of], one.name)
		} else {
			unknown[one.name] = true
		}
	}

	arrived.refuse(nil)
	c = start(t, arrived, how)
	awaitAll(t, arrived, sent)
	c.stop(t)
	// What got no response may have been written before.
	for _, of := range allSignals {
		for name := range arrived.names(of) {
			if unknown[name] {
				sent[of] = append(sent[of], name)
			}
		}
	}
	expectArrived(t, arrived, sent, true)
}

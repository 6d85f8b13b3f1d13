// SPDX-FileCopyrightText: The rondo authors
// SPDX-License-Identifier: MIT

// The workloads of ../*.cpp for Go's goroutines and channels: all goroutines on one thread (GOMAXPROCS=1), except where
// another thread is the question. Not here: what Go has no equivalent for (a timeout told by an exception; a queue with
// acknowledgements; a recursion of tasks, which no one would write in goroutines).
//
//	channels [--benchmark_filter=REGEX] [--benchmark_min_time=SECONDS]
//	                          what Google Benchmark would print as JSON: ns per operation, CPU time that of the process
//	channels --resident NAME N   N operations; prints the bytes of memory that they made resident at the peak, per operation
//	channels --smoke             tries everything with few operations
package main

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func expect(done bool) {
	if !done {
		fmt.Fprintln(os.Stderr, "the work was not done")
		os.Exit(1)
	}
}

// await_child: a goroutine that answers through a channel.

func awaitChild(n int) {
	sum := 0
	for i := 0; i < n; i++ {
		answer := make(chan int)
		go func() { answer <- 1 }()
		sum += <-answer
	}
	expect(sum == n)
}

// yield

func yieldOften(n int) {
	for i := 0; i < n; i++ {
		runtime.Gosched()
	}
}

func yieldThousand(n int) {
	var all sync.WaitGroup
	all.Add(1000)
	for i := 0; i < 1000; i++ {
		go func() {
			defer all.Done()
			yieldOften(n / 1000)
		}()
	}
	all.Wait()
}

// when_all

func whenAll(children int) func(int) {
	return func(n int) {
		sum := 0
		results := make([]int, children)
		for batch := 0; batch < n/children; batch++ {
			var all sync.WaitGroup
			all.Add(children)
			for i := range results {
				go func(result *int) {
					runtime.Gosched()
					*result = 1
					all.Done()
				}(&results[i])
			}
			all.Wait()
			for i, r := range results {
				sum += r
				results[i] = 0
			}
		}
		expect(sum == n/children*children)
	}
}

// timers

func sleepAll(n int) {
	random := rand.New(rand.NewSource(1))
	lengths := make([]time.Duration, n)
	longest := time.Duration(0)
	for i := range lengths {
		lengths[i] = time.Duration(1000+random.Intn(199001)) * time.Microsecond
		if lengths[i] > longest {
			longest = lengths[i]
		}
	}
	start := time.Now()
	var all sync.WaitGroup
	all.Add(n)
	for _, length := range lengths {
		go func(length time.Duration) {
			time.Sleep(length)
			all.Done()
		}(length)
	}
	all.Wait()
	expect(time.Since(start) >= longest)
}

// Until all of them are asleep at the same time.
func sleepers(n int) {
	for wait := 3 * time.Second; !sleepAtOnce(n, wait); wait *= 2 {
	}
}

func sleepAtOnce(n int, wait time.Duration) bool {
	due := time.Now().Add(wait)
	var asleep, woken atomic.Int64
	var all sync.WaitGroup
	all.Add(n)
	for i := 0; i < n; i++ {
		go func() {
			if woken.Load() == 0 {
				asleep.Add(1)
			}
			time.Sleep(time.Until(due))
			woken.Add(1)
			all.Done()
		}()
	}
	all.Wait()
	return asleep.Load() == int64(n)
}

func timeout(child func() int) func(int) {
	return func(n int) {
		sum := 0
		for i := 0; i < n; i++ {
			answer := make(chan int, 1)
			go func() { answer <- child() }()
			timer := time.NewTimer(10 * time.Second)
			select {
			case value := <-answer:
				sum += value
			case <-timer.C:
			}
			timer.Stop()
		}
		expect(sum == n)
	}
}

func one() int { return 1 }

func yieldAndOne() int {
	runtime.Gosched()
	return 1
}

// cancellation: closing a channel tells the others to go

// False if it was told to go before its hour was over.
func sleepForAnHour(stop <-chan struct{}) bool {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-stop:
		return false
	}
}

func timeoutFired(n int) {
	fired := 0
	for i := 0; i < n; i++ {
		stop := make(chan struct{})
		slept := make(chan bool, 1)
		go func() { slept <- sleepForAnHour(stop) }()
		timer := time.NewTimer(1)
		select {
		case <-slept:
		case <-timer.C:
			close(stop)
			if !<-slept {
				fired++
			}
		}
		timer.Stop()
	}
	expect(fired == n)
}

func whenAnyTwo(n int) {
	sum := 0
	for i := 0; i < n; i++ {
		stop := make(chan struct{})
		slept := make(chan bool, 1)
		answer := make(chan int, 1)
		go func() { slept <- sleepForAnHour(stop) }()
		go func() { answer <- yieldAndOne() }()
		select {
		case <-slept:
		case value := <-answer:
			close(stop)
			if !<-slept {
				sum += value
			}
		}
	}
	expect(sum == n)
}

func groupCancelled(n int) {
	var cancelled atomic.Int64
	for batch := 0; batch < n/100; batch++ {
		stop := make(chan struct{})
		var all sync.WaitGroup
		all.Add(100)
		for i := 0; i < 100; i++ {
			go func() {
				if !sleepForAnHour(stop) {
					cancelled.Add(1)
				}
				all.Done()
			}()
		}
		runtime.Gosched()
		close(stop)
		all.Wait()
	}
	expect(cancelled.Load() == int64(n/100*100))
}

// queues

func queue(capacity, pairs int) func(int) {
	return func(n int) {
		messages := make(chan int, capacity)
		sums := make(chan int, pairs)
		var producers sync.WaitGroup
		producers.Add(pairs)
		for i := 0; i < pairs; i++ {
			go func() {
				for i := 0; i < n/pairs; i++ {
					messages <- 1
				}
				producers.Done()
			}()
			go func() {
				sum := 0
				for message := range messages {
					sum += message
				}
				sums <- sum
			}()
		}
		producers.Wait()
		close(messages)
		sum := 0
		for i := 0; i < pairs; i++ {
			sum += <-sums
		}
		expect(sum == n/pairs*pairs)
	}
}

// spawn

func spawnBurst(n int) {
	var counter atomic.Int64
	var all sync.WaitGroup
	all.Add(n)
	for i := 0; i < n; i++ {
		go func() {
			counter.Add(1)
			all.Done()
		}()
	}
	all.Wait()
	expect(counter.Load() == int64(n))
}

func spawnJoin(n int) {
	answers := make([]chan int, n)
	for i := range answers {
		answer := make(chan int, 1)
		answers[i] = answer
		go func() { answer <- 1 }()
	}
	sum := 0
	for _, answer := range answers {
		sum += <-answer
	}
	expect(sum == n)
}

func spawnJoinThousand(n int) {
	for batch := 0; batch < n/1000; batch++ {
		spawnJoin(1000)
	}
}

// other threads: two goroutines that may have a thread each. Which of them runs where, Go decides.

func onTwoThreads(other, here func()) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	var ended sync.WaitGroup
	ended.Add(1)
	go func() {
		other()
		ended.Done()
	}()
	here()
	ended.Wait()
}

func postBurst(n int) {
	posts := make(chan func(), 1024)
	counter := 0
	onTwoThreads(func() {
		for i := 0; i < n; i++ {
			posts <- func() { counter++ }
		}
		close(posts)
	}, func() {
		for post := range posts {
			post()
		}
	})
	expect(counter == n)
}

func postRoundTrip(n int) {
	there, back := make(chan func()), make(chan func())
	counter := 0
	onTwoThreads(func() {
		for post := range there {
			post()
		}
	}, func() {
		for i := 0; i < n; i++ {
			there <- func() { back <- func() { counter++ } }
			(<-back)()
		}
		close(there)
	})
	expect(counter == n)
}

// mutex

func mutexUncontended(n int) {
	var mutex sync.Mutex
	sum := 0
	for i := 0; i < n; i++ {
		mutex.Lock()
		sum++
		mutex.Unlock()
	}
	expect(sum == n)
}

func mutexContended(n int) {
	var mutex sync.Mutex
	sum := 0
	var all sync.WaitGroup
	all.Add(100)
	for i := 0; i < 100; i++ {
		go func() {
			for i := 0; i < n/100; i++ {
				mutex.Lock()
				sum++
				runtime.Gosched()
				mutex.Unlock()
			}
			all.Done()
		}()
	}
	all.Wait()
	expect(sum == n/100*100)
}

type workload struct {
	name       string
	operations int // when the time is taken; 0: memory is the question
	work       func(n int)
	wallClock  bool
}

var workloads = []workload{
	{name: "await_child", operations: 100_000, work: awaitChild},
	{name: "yield_one", operations: 100_000, work: yieldOften},
	{name: "yield_thousand", operations: 1_000_000, work: yieldThousand},
	{name: "when_all_thousand", operations: 100_000, work: whenAll(1000)},
	{name: "when_all_four", operations: 100_000, work: whenAll(4)},
	{name: "sleep_1k", operations: 1_000, work: sleepAll},
	{name: "sleep_10k", operations: 10_000, work: sleepAll},
	{name: "sleep_100k", operations: 100_000, work: sleepAll},
	{name: "sleep_1m", operations: 1_000_000, work: sleepAll},
	{name: "timeout_idle", operations: 100_000, work: timeout(one)},
	{name: "timeout_yield", operations: 100_000, work: timeout(yieldAndOne)},
	{name: "sleepers", work: sleepers},
	{name: "queue_1", operations: 100_000, work: queue(1, 1)},
	{name: "queue_1024", operations: 100_000, work: queue(1024, 1)},
	{name: "queue_64_four", operations: 100_000, work: queue(64, 4)},
	{name: "spawn_burst", operations: 1_000_000, work: spawnBurst},
	{name: "spawn_join_burst", operations: 1_000_000, work: spawnJoin},
	{name: "spawn_join_thousand", operations: 100_000, work: spawnJoinThousand},
	{name: "post_burst", operations: 1_000_000, work: postBurst},
	{name: "post_round_trip", operations: 10_000, work: postRoundTrip, wallClock: true},
	{name: "mutex_uncontended", operations: 100_000, work: mutexUncontended},
	{name: "mutex_contended", operations: 100_000, work: mutexContended},
	{name: "timeout_fired", operations: 10_000, work: timeoutFired},
	{name: "when_any_two", operations: 100_000, work: whenAnyTwo},
	{name: "group_cancelled", operations: 100_000, work: groupCancelled},
}

// What measures.

type result struct {
	Name       string  `json:"name"`
	Iterations int     `json:"iterations"`
	RealTime   float64 `json:"real_time"`
	CPUTime    float64 `json:"cpu_time"`
	TimeUnit   string  `json:"time_unit"`
}

func cpuTime() time.Duration {
	var usage syscall.Rusage
	expect(syscall.Getrusage(syscall.RUSAGE_SELF, &usage) == nil)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// As Google Benchmark does it: until the work has taken that much time of the processor, or five times as much of the clock.
func measure(name string, w workload, atLeast time.Duration) result {
	few := w.operations
	if few > 1000 {
		few = 1000
	}
	w.work(few)
	start, cpuStart := time.Now(), cpuTime()
	for done := w.operations; ; done += w.operations {
		w.work(w.operations)
		real, cpu := time.Since(start), cpuTime()-cpuStart
		if cpu >= atLeast || w.wallClock && real >= atLeast || real >= 5*atLeast {
			each := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / float64(done) }
			return result{name, done, each(real), each(cpu), "ns"}
		}
	}
}

// A field of /proc/self/status, in bytes.
func status(field string) int {
	text, _ := os.ReadFile("/proc/self/status")
	match := regexp.MustCompile(`(?m)^` + field + `:\s*(\d+) kB`).FindSubmatch(text)
	expect(match != nil)
	kibibytes, _ := strconv.Atoi(string(match[1]))
	return kibibytes * 1024
}

func wrongArguments() {
	fmt.Fprintln(os.Stderr, "channels [--benchmark_filter=REGEX] [--benchmark_min_time=SECONDS] | --resident NAME N | --smoke")
	os.Exit(2)
}

func main() {
	runtime.GOMAXPROCS(1)
	arguments := os.Args[1:]
	if len(arguments) == 1 && arguments[0] == "--smoke" {
		for _, w := range workloads {
			fmt.Println(w.name + "/go")
			w.work(1000)
		}
		return
	}
	if len(arguments) == 3 && arguments[0] == "--resident" {
		n, err := strconv.Atoi(arguments[2])
		for _, w := range workloads {
			if err == nil && n > 0 && w.name+"/go" == arguments[1] {
				before := status("VmRSS")
				w.work(n)
				fmt.Println((status("VmHWM") - before) / n)
				return
			}
		}
		wrongArguments()
	}

	filter, seconds := regexp.MustCompile(""), 0.5
	for _, argument := range arguments {
		option, value, _ := strings.Cut(argument, "=")
		var err error
		switch option {
		case "--benchmark_filter":
			filter, err = regexp.Compile(value)
		case "--benchmark_min_time":
			seconds, err = strconv.ParseFloat(value, 64)
		default:
			wrongArguments()
		}
		if err != nil {
			wrongArguments()
		}
	}
	results := []result{}
	for _, w := range workloads {
		name := w.name + "/go/process_time"
		if w.wallClock {
			name += "/real_time"
		}
		if w.operations > 0 && filter.MatchString(name) {
			results = append(results, measure(name, w, time.Duration(seconds*1e9)))
		}
	}
	text, _ := json.MarshalIndent(map[string][]result{"benchmarks": results}, "", " ")
	fmt.Println(string(text))
}

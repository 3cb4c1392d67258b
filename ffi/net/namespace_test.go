package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// namespace is a network of its own; sockets that are opened in it stay there. It ends with the test.
type namespace struct {
	t    *testing.T
	file *os.File
}

func newNamespace(t *testing.T) *namespace {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can make a network namespace")
	}
	space := &namespace{t: t}
	var failure error
	onOwnThread(func() {
		if failure = unix.Unshare(unix.CLONE_NEWNET); failure == nil {
			space.file, failure = os.Open("/proc/thread-self/ns/net")
		}
	})
	if failure != nil {
		t.Skip("no network namespace can be made: ", failure)
	}
	t.Cleanup(func() { space.file.Close() })
	return space
}

// onOwnThread runs work on a thread that ends with it, whatever became of the thread.
func onOwnThread(work func()) {
	done := make(chan struct{})
	go func() {
		runtime.LockOSThread() // and never unlocked
		defer close(done)
		work()
	}()
	<-done
}

// name is what ip(8) takes for the namespace.
func (s *namespace) name() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), s.file.Fd()) }

// do runs work inside.
func (s *namespace) do(work func()) {
	s.t.Helper()
	failure := fmt.Errorf("the test ended")
	onOwnThread(func() {
		if failure = unix.Setns(int(s.file.Fd()), unix.CLONE_NEWNET); failure == nil {
			work()
		}
	})
	if failure != nil {
		s.t.Fatal(failure)
	}
}

// run runs programs inside, a line each.
func (s *namespace) run(lines ...string) {
	s.t.Helper()
	var failure string
	s.do(func() {
		for _, line := range lines {
			words := strings.Fields(line)
			if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
				failure = fmt.Sprintf("%s: %s %s", line, out, err)
				return
			}
		}
	})
	if failure != "" {
		s.t.Fatal(failure)
	}
}
